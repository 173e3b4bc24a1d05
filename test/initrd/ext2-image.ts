/** Ext2 images, entries to write into them, and what other programs say of the result. */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { memorySource } from "../../src/base/byte-source.ts";
import { writeIntoExt2Image, type WrittenExt2Image } from "../../src/initrd/ext2/write-overlay.ts";
import type { OverlayEntry } from "../../src/initrd/overlay.ts";
import { call } from "../filesystem/call.ts";

/** How an image is made: `mke2fs` with these options, or `genext2fs`. */
export interface ImageOptions {
  readonly program?: "mke2fs" | "genext2fs";
  readonly options?: readonly string[];
  readonly sizeKiB: number;
  readonly folder?: string;
}

export function makeImage(image: string, { program = "mke2fs", options = [], sizeKiB, folder }: ImageOptions): void {
  const content = folder === undefined ? [] : ["-d", folder];
  fs.rmSync(image, { force: true });
  if (program === "genext2fs") {
    call("genext2fs", ["-q", "-b", String(sizeKiB), ...options, ...content, image], "genext2fs");
  } else call("mke2fs", ["-q", "-F", ...options, ...content, image, `${sizeKiB}k`], "e2fsprogs");
}

/** Writes entries into the image at a path. */
export function write(image: string, entries: readonly OverlayEntry[], limit?: number): WrittenExt2Image {
  const fd = fs.openSync(image, "r+");
  try {
    return writeIntoExt2Image({ fd, what: path.basename(image), ...(limit === undefined ? {} : { limit }) }, entries);
  } finally {
    fs.closeSync(fd);
  }
}

const plain = { uid: 0, gid: 0, mtime: 1_083_000_000, size: 0, content: null } as const;

type Attributes = Partial<Pick<OverlayEntry, "mode" | "uid" | "gid" | "mtime">>;

export function file(name: string, bytes: Uint8Array, attributes: Attributes = {}): OverlayEntry {
  const content = memorySource(bytes);
  return { ...plain, mode: 0o644, ...attributes, kind: "file", path: name, size: bytes.length, content };
}

export function folder(name: string, attributes: Attributes = {}): OverlayEntry {
  return { ...plain, mode: 0o755, ...attributes, kind: "directory", path: name };
}

export function symlink(name: string, target: string, attributes: Attributes = {}): OverlayEntry {
  return { ...plain, mode: 0o777, ...attributes, kind: "symlink", path: name, target };
}

export function hardLink(name: string, target: string): OverlayEntry {
  return { ...plain, mode: 0o644, kind: "hard link", path: name, target };
}

export function device(
  name: string,
  kind: "character device" | "block device",
  major: number,
  minor: number,
): OverlayEntry {
  return { ...plain, mode: 0o600, kind, path: name, major, minor };
}

export function special(name: string, kind: "fifo" | "socket", attributes: Attributes = {}): OverlayEntry {
  return { ...plain, mode: 0o640, ...attributes, kind, path: name };
}

/** @throws Error with what e2fsck complains of */
export function judgeByE2fsck(image: string): void {
  // It complains on its standard output; the shell hands that on.
  call("sh", ["-c", 'said=$(e2fsck -fn "$1" 2>&1) || { echo "$said" >&2; exit 1; }', "sh", image], "e2fsprogs");
}

/** By path: kind, permissions, owner, time, number of names, and content, target or device. */
export type Listing = Readonly<Record<string, string>>;

/** What the kernel's own ext2 driver finds in an image. */
export function listedByKernel(image: string): Listing {
  const mounted = `${image}.mounted`;
  fs.mkdirSync(mounted);
  call("mount", ["-t", "ext2", "-o", "loop,ro", image, mounted], "mount");
  try {
    return listingOf(mounted);
  } finally {
    call("umount", [mounted], "mount");
    fs.rmdirSync(mounted);
  }
}

function listingOf(root: string): Listing {
  const found: Record<string, string> = {};
  for (const name of ["", ...namesBelow(root)]) {
    const at = path.join(root, name);
    const stats = fs.lstatSync(at);
    const detail = stats.isFile()
      ? digestOf(fs.readFileSync(at))
      : stats.isSymbolicLink()
        ? fs.readlinkSync(at)
        : stats.isCharacterDevice() || stats.isBlockDevice()
          ? deviceOf(stats.rdev)
          : "";
    found[name] = listed(kindOf(stats), stats.mode, stats.uid, stats.gid, stats.mtimeMs / 1000, stats.nlink, detail);
  }
  return found;
}

/** Not `readdir` with `recursive`, which goes through symbolic links. */
export function namesBelow(root: string, below = ""): string[] {
  return fs.readdirSync(path.join(root, below), { withFileTypes: true }).flatMap((entry) => {
    const name = path.join(below, entry.name);
    return entry.isDirectory() ? [name, ...namesBelow(root, name)] : [name];
  });
}

/** A line of a listing. */
export function listed(
  kind: string,
  mode: number,
  uid: number,
  gid: number,
  mtime: number,
  names: number,
  detail: string,
): string {
  return `${kind} ${(mode & 0o7777).toString(8)} ${uid}:${gid} @${mtime} ×${names} ${detail}`.trim();
}

export function digestOf(bytes: Uint8Array): string {
  return `${bytes.length} ${createHash("sha1").update(bytes).digest("hex")}`;
}

/** The line for an entry with `names` names. */
export function listedEntry(entry: OverlayEntry, names: number): string {
  const { content } = entry;
  const detail =
    entry.kind === "file"
      ? digestOf(content?.read(0, content.size) ?? new Uint8Array())
      : entry.kind === "symlink"
        ? (entry.target ?? "")
        : entry.kind.endsWith("device")
          ? `${entry.major ?? 0}:${entry.minor ?? 0}`
          : "";
  return listed(entry.kind, entry.mode, entry.uid, entry.gid, entry.mtime, names, detail);
}

function kindOf(stats: fs.Stats): string {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "directory";
  if (stats.isSymbolicLink()) return "symlink";
  if (stats.isCharacterDevice()) return "character device";
  if (stats.isBlockDevice()) return "block device";
  return stats.isFIFO() ? "fifo" : "socket";
}

/** As glibc's major(3) and minor(3) take a number apart. */
function deviceOf(rdev: number): string {
  return `${(rdev >>> 8) & 0xfff}:${(rdev & 0xff) | ((rdev >>> 12) & 0xfff00)}`;
}
