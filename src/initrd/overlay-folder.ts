/**
 * An overlay from a folder of the host: its files, folders, links, devices, with their rights and times, but owned by
 * root, since an initrd has no other users and the folder may be anybody's. The folder's own rights are left out, so
 * that the initrd's root keeps its own. Contents are read when they are needed.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { Budget } from "../base/budget.ts";
import { checkRange, targetOf, type ByteSource } from "../base/byte-source.ts";
import { GuestbootError, isSystemError, systemReason } from "../base/errors.ts";
import { quote } from "../base/printable.ts";
import { decodeText } from "../base/text.ts";
import { LARGEST_FIELD } from "./cpio-header.ts";
import type { Overlay, OverlayEntry } from "./overlay.ts";

const MOST_ENTRIES = 100_000;
const DEEPEST = 100;

/**
 * Sorted by name, so that the same folder gives the same overlay wherever it lies.
 * @throws GuestbootError OVERLAY_INVALID when it cannot be read, or holds what an initrd cannot
 */
export function overlayFromFolder(folder: string): Overlay {
  const entries: OverlayEntry[] = [];
  const budget = new Budget(`files in ${folder}`, MOST_ENTRIES);
  const first = new Map<string, string>();
  const walk = (below: string, depth: number) => {
    if (depth > DEEPEST)
      throw new GuestbootError("OVERLAY_INVALID", `${folder}: folders are more than ${DEEPEST} deep`);
    for (const name of namesIn(path.join(folder, below))) {
      budget.spend();
      const entry = entryAt(folder, below === "" ? name : `${below}/${name}`, first);
      entries.push(entry);
      if (entry.kind === "directory") walk(entry.path, depth + 1);
    }
  };
  walk("", 1);
  return entries;
}

function namesIn(folder: string): string[] {
  const names = reading(folder, () => fs.readdirSync(folder, { encoding: "buffer" }));
  return names.sort((one, other) => Buffer.compare(one, other)).map((name) => textOf(name, folder));
}

/** The runtime's own functions take names as text and would look for another one. */
function textOf(name: Buffer, folder: string): string {
  const text = decodeText(name);
  if (text.isWellFormed()) return text;
  throw new GuestbootError("OVERLAY_INVALID", `${folder}: the name ${quote(text)} is not in UTF-8`, {
    hint: "put such files into a cpio archive: find . | cpio -o -H newc > FILE",
  });
}

/** @param first the path of each file with several names, by device and inode */
function entryAt(folder: string, below: string, first: Map<string, string>): OverlayEntry {
  const file = path.join(folder, below);
  const stats = reading(file, () => fs.lstatSync(file, { bigint: true }));
  const common = {
    path: below,
    mode: Number(stats.mode) & 0o7777,
    uid: 0,
    gid: 0,
    mtime: Math.min(Math.max(Math.floor(Number(stats.mtimeMs) / 1000), 0), LARGEST_FIELD),
    size: 0,
    content: null,
  };
  if (stats.isDirectory()) return { ...common, kind: "directory" };
  if (stats.isSymbolicLink()) {
    return { ...common, kind: "symlink", mode: 0o777, target: reading(file, () => fs.readlinkSync(file)) };
  }
  if (stats.isFIFO()) return { ...common, kind: "fifo" };
  if (stats.isSocket()) return { ...common, kind: "socket" };
  if (!stats.isFile()) {
    return { ...common, kind: stats.isBlockDevice() ? "block device" : "character device", ...device(stats.rdev) };
  }
  const key = `${stats.dev}:${stats.ino}`;
  const target = stats.nlink > 1n ? first.get(key) : undefined;
  if (target !== undefined) return { ...common, kind: "hard link", target };
  first.set(key, below);
  const size = Number(stats.size);
  return { ...common, kind: "file", size, content: fileSource(file, size) };
}

/** The encoding of device numbers that glibc's major(3) and minor(3) take apart. */
function device(rdev: bigint): { major: number; minor: number } {
  const number = Number(rdev & 0xffff_ffffn);
  return { major: (number >>> 8) & 0xfff, minor: (number & 0xff) | ((number >>> 12) & 0xfff00) };
}

/** A file that is open only while it is read: a folder may hold more than a process may have open. */
function fileSource(file: string, size: number): ByteSource {
  return {
    size,
    read(offset, length, into) {
      checkRange(offset, length, size, file);
      const target = targetOf(length, into);
      const fd = reading(file, () => fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW));
      try {
        let done = 0;
        while (done < length) {
          const got = reading(file, () => fs.readSync(fd, target, done, length - done, offset + done));
          if (got === 0) {
            throw new GuestbootError("OVERLAY_INVALID", `${file} has become shorter while it was read`);
          }
          done += got;
        }
      } finally {
        fs.closeSync(fd);
      }
      return target;
    },
  };
}

function reading<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new GuestbootError("OVERLAY_INVALID", `${file} cannot be read: ${systemReason(error)}`, {
      cause: error,
      hint: `ls -ld ${file}`,
    });
  }
}
