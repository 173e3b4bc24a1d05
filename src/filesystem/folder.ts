/**
 * A folder of this host that stands for the root of a guest's filesystem. Nodes are reached one name at a time and
 * links are walked by us, so that an absolute link means the guest's root and nothing outside is ever read.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { checkRange, targetOf, type ByteSource } from "../base/byte-source.ts";
import { GuestbootError, isSystemError, systemReason } from "../base/errors.ts";
import { decodeText, encodeText } from "../base/text.ts";
import type { FilesystemNode, GuestFilesystem, NodeKind } from "./filesystem.ts";
import { guestFilesystem } from "./guest-filesystem.ts";

/** @throws DISK_UNREADABLE */
export function openFolder(folder: string): GuestFilesystem {
  /** The host's path of each node that was handed out; its index is the node's id. */
  const paths: Buffer[] = [];
  const pathOf = (node: FilesystemNode) => paths[node.id] ?? Buffer.alloc(0);
  const nodeAt = (file: Buffer): FilesystemNode | null => {
    const stats = reading(file, () => statsOf(file));
    if (stats === null) return null;
    paths.push(file);
    return { id: paths.length - 1, kind: kindOf(stats), size: stats.size, mtime: Math.floor(stats.mtimeMs / 1000) };
  };
  // Resolved as the host does: the folder itself may be named through a link.
  const root = nodeAt(
    reading(Buffer.from(folder), () => fs.realpathSync(path.resolve(folder), { encoding: "buffer" })),
  );
  if (root?.kind !== "directory") throw new GuestbootError("DISK_UNREADABLE", `${folder} is not a folder`);
  return guestFilesystem({
    type: "folder",
    uuid: null,
    label: null,
    notes: [],
    root,
    lookup(directory, name) {
      const bytes = encodeText(name);
      return bytes.includes(0) ? null : nodeAt(below(pathOf(directory), bytes));
    },
    list(directory) {
      const parent = pathOf(directory);
      const names = reading(parent, () => fs.readdirSync(parent, { encoding: "buffer" }));
      return names.flatMap((name) => {
        const node = nodeAt(below(parent, name));
        return node === null ? [] : [{ name: decodeText(name), node }];
      });
    },
    readLink: (link) => decodeText(reading(pathOf(link), () => fs.readlinkSync(pathOf(link), { encoding: "buffer" }))),
    content: (file) => contentOf(pathOf(file), file.size),
  });
}

function below(parent: Buffer, name: Uint8Array): Buffer {
  return Buffer.concat([parent, Buffer.from("/"), name]);
}

/** Neither led away by a link nor held up by a FIFO that has taken the file's place in between. */
const OPEN_FLAGS = fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK;

/** Opened anew for each read: a folder is looked into for its configs, a few small files. */
function contentOf(file: Buffer, size: number): ByteSource {
  return {
    size,
    read(offset, length, into) {
      checkRange(offset, length, size, file.toString());
      const target = targetOf(length, into);
      const fd = reading(file, () => fs.openSync(file, OPEN_FLAGS));
      try {
        const got = reading(file, () => fs.readSync(fd, target, 0, length, offset));
        checkRange(offset, length, offset + got, file.toString());
      } finally {
        fs.closeSync(fd);
      }
      return target;
    },
  };
}

/** null when there is nothing of that name, and when no name is that long. */
function statsOf(file: Buffer): fs.Stats | null {
  try {
    return fs.lstatSync(file, { throwIfNoEntry: false }) ?? null;
  } catch (error) {
    if (isSystemError(error, "ENAMETOOLONG")) return null;
    throw error;
  }
}

function kindOf(stats: fs.Stats): NodeKind {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "directory";
  return stats.isSymbolicLink() ? "symlink" : "other";
}

function reading<T>(file: Buffer, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!isSystemError(error)) throw error;
    const message = `${file.toString()} cannot be read: ${systemReason(error)}`;
    throw new GuestbootError("DISK_UNREADABLE", message, { cause: error });
  }
}
