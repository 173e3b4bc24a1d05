import { catalogFiles } from "../../src/base/program.ts";
import { readCatalog } from "../../src/distro/read-catalog.ts";
import type { TreeReader, TreeRequest } from "../../src/distro/resolve.ts";

/** The program's own catalog, without what this machine's admin may have added. */
export const catalog = readCatalog(catalogFiles(), "/nowhere");

/** A made-up repository: paths with the text of those that are read. Says what was asked of it. */
export function madeUpTree(files: Readonly<Record<string, string>> | readonly string[]) {
  const content = new Map(Array.isArray(files) ? files.map((path: string) => [path, ""]) : Object.entries(files));
  const looked: string[] = [];
  const read: string[] = [];
  const tree: TreeReader<string> = {
    address: "http://mirror.example/",
    look(path) {
      looked.push(path);
      return Promise.resolve(content.has(path) ? path : null);
    },
    readText(path) {
      read.push(path);
      return Promise.resolve(content.get(path) ?? null);
    },
  };
  return { tree, looked, read };
}

/** Everything left to the tree, unless given. */
export function requestFor(given: Partial<TreeRequest>): TreeRequest {
  return {
    family: null,
    release: null,
    arch: null,
    defaultArch: "amd64",
    flavour: null,
    files: null,
    installer: { repository: "http://mirror.example/", graphical: null },
    ...given,
  };
}
