/** A folder that stands for a guest's disk: paths and contents in memory. A content of null is a folder. */
import { memorySource } from "../../src/base/byte-source.ts";
import { GuestbootError } from "../../src/base/errors.ts";
import type { FilesystemNode, GuestFilesystem } from "../../src/filesystem/filesystem.ts";

export type Content = string | Uint8Array | null;

/** `looping` are paths whose symbolic links lead in a circle. */
export function folderFilesystem(
  files: Readonly<Record<string, Content>>,
  looping: readonly string[] = [],
): GuestFilesystem & { readonly opened: string[] } {
  const opened: string[] = [];
  const bytesOf = (path: string): Uint8Array | null | undefined => {
    const content = files[path];
    return typeof content === "string" ? Buffer.from(content) : content;
  };
  return {
    opened,
    type: "ext4",
    uuid: null,
    notes: [],
    label: null,
    find(path): FilesystemNode | null {
      if (looping.includes(path)) throw new GuestbootError("LINK_LOOP", `${path}: too many symbolic links`);
      const bytes = bytesOf(path);
      if (bytes === undefined) return null;
      return bytes === null ? { id: 1, kind: "directory", size: 4096 } : { id: 2, kind: "file", size: bytes.length };
    },
    open(path) {
      opened.push(path);
      const bytes = bytesOf(path);
      if (bytes === undefined || bytes === null) throw new GuestbootError("FILE_MISSING", `${path}: no such file`);
      return memorySource(bytes, path);
    },
    list: () => [],
  };
}
