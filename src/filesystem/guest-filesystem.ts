/**
 * Paths inside a guest: walked component by component over any driver. Links are followed as the guest's own kernel
 * would, with the guest's root as the root, so that no path leaves it.
 */
import { GuestbootError } from "../base/errors.ts";
import { readLimits, settable } from "../base/limits.ts";
import type { FilesystemDriver, FilesystemNode, GuestFilesystem } from "./filesystem.ts";

const MAX_PATH_LENGTH = 4096;
/** Of names in folders; a start from disk looks for some fifty. */
const MOST_REMEMBERED = 4096;

type Walked =
  { readonly found: true; readonly node: FilesystemNode } | { readonly found: false; readonly reason: string };

export function guestFilesystem(driver: FilesystemDriver): GuestFilesystem {
  const lookUp = rememberingLookup(driver);
  const get = (path: string): FilesystemNode => {
    const walked = walk(driver, path, lookUp);
    if (walked.found) return walked.node;
    throw new GuestbootError("FILE_MISSING", `${path} does not exist in the guest: ${walked.reason}`);
  };
  return {
    type: driver.type,
    uuid: driver.uuid,
    label: driver.label,
    features: driver.features,
    notes: driver.notes,
    find(path) {
      const walked = walk(driver, path, lookUp);
      return walked.found ? walked.node : null;
    },
    open(path) {
      const node = get(path);
      if (node.kind !== "file") throw notA("file", path, node);
      return driver.content(node);
    },
    list(path) {
      const node = get(path);
      if (node.kind !== "directory") throw notA("folder", path, node);
      return driver.list(node);
    },
  };
}

/**
 * The driver's `lookup`, asked once for each name: the many places of boot configs have their first folders in common,
 * and a disk does not change while it is read.
 */
function rememberingLookup(driver: FilesystemDriver): FilesystemDriver["lookup"] {
  const known = new Map<FilesystemNode, Map<string, FilesystemNode | null>>();
  let remembered = 0;
  return (directory, name) => {
    let names = known.get(directory);
    const before = names?.get(name);
    if (before !== undefined) return before;
    const found = driver.lookup(directory, name);
    if (remembered >= MOST_REMEMBERED) return found;
    remembered += 1;
    if (names === undefined) known.set(directory, (names = new Map<string, FilesystemNode | null>()));
    names.set(name, found);
    return found;
  };
}

function walk(driver: FilesystemDriver, path: string, lookUp: FilesystemDriver["lookup"]): Walked {
  if (path.length > MAX_PATH_LENGTH) return { found: false, reason: "no path is that long" };
  /** Components still to go, the next one last. */
  const ahead = path.split("/").reverse();
  const way = [driver.root];
  const limits = readLimits();
  let links = 0;
  for (let name = ahead.pop(); name !== undefined; name = ahead.pop()) {
    const here = way.at(-1) ?? driver.root;
    // First of all: to the kernel "file/", "file/." and "file/.." are nothing, too.
    if (here.kind !== "directory") return { found: false, reason: `"${name}" is looked for in what is no folder` };
    if (name === "" || name === ".") continue;
    if (name === "..") {
      if (way.length > 1) way.pop();
      continue;
    }
    const child = lookUp(here, name);
    if (child === null) return { found: false, reason: `"${name}" is not there` };
    if (child.kind !== "symlink") {
      if (way.length > limits.treeDepth) throw tooDeep(path, limits.treeDepth);
      way.push(child);
      continue;
    }
    links += 1;
    if (links > limits.links) {
      throw new GuestbootError("LINK_LOOP", `${path}: more than ${limits.links} symbolic links on the way`);
    }
    const target = driver.readLink(child);
    if (target === "") return { found: false, reason: `"${name}" is an empty symbolic link` };
    if (target.startsWith("/")) way.length = 1;
    ahead.push(...target.split("/").reverse());
  }
  return { found: true, node: way.at(-1) ?? driver.root };
}

function tooDeep(path: string, depth: number): GuestbootError {
  return new GuestbootError("BUDGET_EXCEEDED", `${path}: more than ${depth} folders in one another: gave up`, {
    hint: settable("max-tree-depth"),
  });
}

function notA(wanted: "file" | "folder", path: string, node: FilesystemNode): GuestbootError {
  const is = { file: "a file", directory: "a folder", symlink: "a symbolic link", other: "a special file" }[node.kind];
  return new GuestbootError("NOT_A_FILE", `${path} in the guest is ${is}, not a ${wanted}`);
}
