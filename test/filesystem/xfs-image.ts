/**
 * XFS images: those that the host's kernel mounts are filled by its own driver, with what only a mounted filesystem can
 * be given; the others (version 4, names without case) by mkfs.xfs from a description of a tree.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { noise } from "../base/seeded.ts";
import { call } from "./call.ts";
import { manifestOfFolder, type Manifest } from "./manifest.ts";

const MIB = 1024 * 1024;

/** An empty filesystem. `sizeMiB` of less than 300 is one that mkfs.xfs calls unsupported; the format is the same. */
export function makeXfsImage(image: string, sizeMiB: number, options: readonly string[]): void {
  fs.rmSync(image, { force: true });
  fs.writeFileSync(image, "");
  fs.truncateSync(image, sizeMiB * MIB);
  const small = sizeMiB < 300 ? ["--unsupported"] : [];
  call("mkfs.xfs", ["-q", "-f", ...small, ...options, image], "xfsprogs");
}

/** One that mkfs.xfs fills with the content of a folder: files, folders, links, devices; no name with a space. */
export function makeXfsImageOf(image: string, sizeMiB: number, options: readonly string[], folder: string): void {
  const description = `${image}.proto`;
  const head = Buffer.from("/none\n0 0\nd--755 0 0\n");
  fs.writeFileSync(description, Buffer.concat([head, ...linesOf(Buffer.from(folder)), Buffer.from("$\n")]));
  try {
    makeXfsImage(image, sizeMiB, ["-p", description, ...options]);
  } finally {
    fs.rmSync(description);
  }
}

/** Extents of the file `fragments`: more than an inode has room for. */
const FRAGMENTS = 150;

/** See mkfs.xfs(8), "-p". */
function linesOf(folder: Buffer): Buffer[] {
  return fs.readdirSync(folder, { encoding: "buffer" }).flatMap((name) => {
    const file = Buffer.concat([folder, Buffer.from("/"), name]);
    const stats = fs.lstatSync(file);
    const line = (rest: string, tail: Uint8Array = Buffer.alloc(0)) =>
      Buffer.concat([name, Buffer.from(` ${rest}`), tail, Buffer.from("\n")]);
    if (stats.isSymbolicLink()) return [line("l--777 0 0 ", fs.readlinkSync(file, { encoding: "buffer" }))];
    if (stats.isFile()) return [line(`---${(stats.mode & 0o777).toString(8)} 0 0 `, file)];
    if (stats.isDirectory()) return [line("d--755 0 0"), ...linesOf(file), Buffer.from("$\n")];
    return [line("p--644 0 0")];
  });
}

export function withMounted<T>(image: string, mode: string, work: (folder: string) => T): T {
  const folder = `${image}.mounted`;
  fs.mkdirSync(folder);
  call("mount", ["-t", "xfs", "-o", `loop,${mode}`, image, folder], "mount");
  try {
    return work(folder);
  } finally {
    call("umount", [folder], "mount");
    fs.rmdirSync(folder);
  }
}

export interface XfsContent {
  /** What is copied into it. */
  readonly folder: string;
  /** Bytes: what is written into files alternately with holes is that large. */
  readonly blockSize: number;
  /** Blocks of the file `unwritten`, every second one of which is written. */
  readonly pieces: number;
  /** With a file of more than 4 GiB, which takes a while to compare. */
  readonly far: boolean;
  /** Entries of the folder `hundred-thousand`, hard links; 0 for none. */
  readonly entries: number;
}

/** Fills the image through the kernel's driver; what that reads back from it then. */
export function fillXfsImage(image: string, content: XfsContent): Manifest {
  withMounted(image, "rw", (mounted) => {
    makeFragments(path.join(mounted, "fragments"), content.blockSize);
    makeUnwritten(path.join(mounted, "unwritten"), content);
    call("cp", ["-a", `${content.folder}/.`, mounted], "coreutils");
    if (content.far) makeFar(path.join(mounted, "far"));
    makeShared(mounted);
    makeGaps(path.join(mounted, "gaps"));
    if (content.entries > 0) makeEntries(path.join(mounted, "hundred-thousand"), content.entries);
  });
  call("xfs_repair", ["-n", image], "xfsprogs");
  return withMounted(image, "ro", manifestOfFolder);
}

/** Every second block is taken out of it: no two blocks that are neighbours in the file are so on the disk. */
function makeFragments(file: string, blockSize: number): void {
  fs.writeFileSync(file, noise(2 * FRAGMENTS * blockSize, 11));
  const ranges = Array.from(
    { length: FRAGMENTS - 1 },
    (_, index) => `fcollapse ${(index + 1) * blockSize} ${blockSize}`,
  );
  call("xfs_io", [...ranges.flatMap((range) => ["-c", range]), file], "xfsprogs");
}

/** Reserved from end to end and behind it, written in every second block: a tree of extents, half of them unwritten. */
function makeUnwritten(file: string, { pieces, blockSize }: XfsContent): void {
  fs.writeFileSync(file, "");
  call("fallocate", ["-l", String(pieces * blockSize - 5), file], "util-linux");
  const content = noise(pieces * blockSize, 12);
  const fd = fs.openSync(file, "r+");
  for (let at = 0; at < content.length; at += 2 * blockSize) fs.writeSync(fd, content, at, blockSize, at);
  fs.closeSync(fd);
  fs.truncateSync(file, pieces * blockSize - 5);
  call("fallocate", ["-n", "-o", String(pieces * blockSize), "-l", "500000", file], "util-linux");
}

/** Over 4 GiB, most of it holes: places in it need more than 32 bits. */
function makeFar(file: string): void {
  const fd = fs.openSync(file, "w");
  const piece = noise(10_000, 13);
  for (const offset of [0, 2 ** 31 - 5000, 2 ** 32 - 5000, 2 ** 32 + 70_001]) {
    fs.writeSync(fd, piece, 0, piece.length, offset);
  }
  fs.closeSync(fd);
}

/** A copy that shares its blocks, where the filesystem can, with one part of it rewritten. */
function makeShared(mounted: string): void {
  const copy = path.join(mounted, "shared");
  call("cp", ["--reflink=auto", path.join(mounted, "five-megabytes"), copy], "coreutils");
  const fd = fs.openSync(copy, "r+");
  fs.writeSync(fd, noise(100_000, 15), 0, 100_000, 1_000_000);
  fs.closeSync(fd);
}

/** A folder that was large once: emptied blocks in its middle, a few names at either end. */
function makeGaps(folder: string): void {
  fs.mkdirSync(folder);
  const names = Array.from({ length: 2000 }, (_, index) => path.join(folder, `${"gap".repeat(20)}-${index}`));
  for (const name of names) fs.writeFileSync(name, "");
  for (const name of names.slice(20, -20)) fs.rmSync(name);
}

function makeEntries(folder: string, count: number): void {
  fs.mkdirSync(folder);
  const originals = new Map<number, string>();
  for (let index = 0; index < count; index++) {
    const name = path.join(folder, `entry-${index}`);
    const original = originals.get(index % 20);
    if (original !== undefined) fs.linkSync(original, name);
    else {
      fs.writeFileSync(name, String(index));
      originals.set(index, name);
    }
  }
}
