/** A guest of a few made-up files, as the readers of boot configs see it: volumes of paths and contents in memory. */
import { memorySource } from "../../src/base/byte-source.ts";
import { GuestbootError } from "../../src/base/errors.ts";
import type { ConfigPlace } from "../../src/bootconfig/boot-config.ts";
import type { GuestVolume } from "../../src/bootconfig/guest-volume.ts";
import type { FilesystemNode, GuestFilesystem } from "../../src/filesystem/filesystem.ts";

export type Files = Readonly<Record<string, string | Uint8Array>>;

/** A filesystem with these files, and the folders that they are in. */
export function madeUpFilesystem(
  files: Files,
  about: { readonly type?: string; readonly uuid?: string } = {},
): GuestFilesystem {
  const contents = new Map(Object.entries(files).map(([path, content]) => [path, Buffer.from(content)]));
  const folders = new Set(["/"]);
  for (const path of contents.keys()) {
    for (let cut = path.lastIndexOf("/"); cut > 0; cut = path.lastIndexOf("/", cut - 1))
      folders.add(path.slice(0, cut));
  }
  const find = (path: string): FilesystemNode | null => {
    const content = contents.get(path);
    if (content !== undefined) return { id: 2, kind: "file", size: content.length };
    return folders.has(path) ? { id: 1, kind: "directory", size: 4096 } : null;
  };
  return {
    type: about.type ?? "ext4",
    uuid: about.uuid ?? null,
    label: null,
    notes: [],
    find,
    open(path) {
      const content = contents.get(path);
      if (content === undefined) throw new GuestbootError("FILE_MISSING", `${path}: no such file`);
      return memorySource(content, path);
    },
    list(path) {
      const prefix = path === "/" ? "/" : `${path}/`;
      const paths = [...contents.keys(), ...folders].filter((other) => other.startsWith(prefix) && other !== prefix);
      const names = new Set(paths.map((other) => other.slice(prefix.length).split("/")[0] ?? ""));
      return [...names].flatMap((name) => {
        const node = find(prefix + name);
        return node === null ? [] : [{ name, node }];
      });
    },
  };
}

/** @param number of its partition, from 1 */
export function madeUpVolume(
  number: number,
  files: Files,
  about: { readonly type?: string; readonly uuid?: string } = {},
): GuestVolume {
  const filesystem = madeUpFilesystem(files, about);
  return { name: `partition ${number}`, number, table: "gpt", partitionUuid: null, filesystem: () => filesystem };
}

/** A volume that cannot be read. */
export function brokenVolume(number: number): GuestVolume {
  return {
    name: `partition ${number}`,
    number,
    partitionUuid: null,
    filesystem() {
      throw new GuestbootError("NO_FILESYSTEM", "no known filesystem there");
    },
  };
}

/** A place of a config on the first of the volumes. */
export function placeOn(path: string, own: GuestVolume, ...others: readonly GuestVolume[]): ConfigPlace {
  return { path, own, volumes: [own, ...others] };
}
