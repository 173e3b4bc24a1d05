/** btrfs images, filled by the host's kernel with what only a mounted filesystem can be given. */
import * as fs from "node:fs";
import * as path from "node:path";
import { noise } from "../base/seeded.ts";
import { call } from "./call.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** With `--rootdir` among the options, filled by mkfs.btrfs itself. */
export function makeBtrfsImage(image: string, sizeMiB: number, options: readonly string[]): void {
  fs.rmSync(image, { force: true });
  fs.writeFileSync(image, "");
  fs.truncateSync(image, sizeMiB * MIB);
  call("mkfs.btrfs", ["-q", "-f", ...options, image], "btrfs-progs");
}

/** @param options of mount: "ro", "rw,subvolid=5" */
export function withBtrfs<T>(image: string, options: string, work: (folder: string) => T): T {
  const folder = `${image}.mounted`;
  fs.mkdirSync(folder);
  call("mount", ["-t", "btrfs", "-o", `loop,${options}`, image, folder], "mount");
  try {
    return work(folder);
  } finally {
    call("umount", [folder], "mount");
    fs.rmdirSync(folder);
  }
}

export function btrfs(...args: readonly string[]): string {
  return call("btrfs", args, "btrfs-progs");
}

/** What `btrfs inspect-internal dump-super` says of a field. */
export function superField(image: string, field: string): string {
  const found = new RegExp(`^${field}\\s+(\\S+)`, "m").exec(btrfs("inspect-internal", "dump-super", image));
  return found?.[1] ?? "";
}

export const COMPRESSIONS = ["zlib", "lzo", "zstd"] as const;
const SIZES = [1, 100, 500, 2000, 2047, 2048, 4095, 4096, 4097, 5000, 65_536, 131_071, 131_072, 131_073, 1_000_003];

/** Bytes of which a part is something new: what compresses, and never to nothing. */
export function compressible(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(noise(length, seed));
  for (let at = 0; at < length; at++) if (at % 64 >= 8) bytes[at] = 0x20 + (at % 7);
  return bytes;
}

export interface BtrfsContent {
  /** What is copied into it. */
  readonly folder: string;
  /** Names of the folder `hundred-thousand`; 0 for none. */
  readonly entries: number;
}

export function fillBtrfs(mounted: string, { folder, entries }: BtrfsContent): void {
  call("cp", ["-a", `${folder}/.`, mounted], "coreutils");
  for (const [index, compression] of COMPRESSIONS.entries()) {
    makePacked(path.join(mounted, compression), compression, index * 100);
  }
  makeUncopied(path.join(mounted, "nodatacow"));
  makeReserved(path.join(mounted, "reserved"));
  makeFragments(path.join(mounted, "fragments"));
  makeShared(mounted);
  if (entries > 0) makeEntries(path.join(mounted, "hundred-thousand"), entries);
}

/** Inline, whole and partial extents of one compression, some overwritten or cut since. */
function makePacked(folder: string, compression: string, seed: number): void {
  fs.mkdirSync(folder);
  btrfs("property", "set", folder, "compression", compression);
  for (const size of SIZES) fs.writeFileSync(path.join(folder, String(size)), compressible(size, seed + 1));
  fs.writeFileSync(path.join(folder, "zeros"), Buffer.alloc(300_000));
  // What does not compress is stored as it is, piece by piece.
  const mixed = Buffer.concat([compressible(400_000, seed + 2), noise(400_000, seed + 3), Buffer.alloc(400_000)]);
  fs.writeFileSync(path.join(folder, "mixed"), mixed);
  const changed = path.join(folder, "changed");
  fs.writeFileSync(changed, compressible(1_000_000, seed + 4));
  call("sync", ["-f", folder], "coreutils");
  for (const at of [70_000, 200_001, 262_144, 700_000]) {
    const fd = fs.openSync(changed, "r+");
    fs.writeSync(fd, compressible(9000, seed + at), 0, 9000, at);
    fs.closeSync(fd);
    call("sync", ["-f", folder], "coreutils");
  }
  call("fallocate", ["-p", "-o", "400000", "-l", "100000", changed], "util-linux");
  fs.truncateSync(changed, 900_001);
  call("cp", ["--reflink=always", changed, path.join(folder, "shared")], "coreutils");
  const grown = path.join(folder, "grown");
  fs.writeFileSync(grown, compressible(700, seed + 5));
  call("sync", ["-f", folder], "coreutils");
  fs.truncateSync(grown, 3000);
}

/** Overwritten in place, and without checksums. */
function makeUncopied(folder: string): void {
  fs.mkdirSync(folder);
  call("chattr", ["+C", folder], "e2fsprogs");
  fs.writeFileSync(path.join(folder, "file"), noise(500_001, 41));
}

/** Reserved from end to end and behind it, written here and there. */
function makeReserved(file: string): void {
  fs.writeFileSync(file, "");
  call("fallocate", ["-l", "2000000", file], "util-linux");
  const fd = fs.openSync(file, "r+");
  for (const at of [0, 100_000, 1_000_000, 1_900_000]) fs.writeSync(fd, noise(50_000, at + 1), 0, 50_000, at);
  fs.closeSync(fd);
  call("fallocate", ["-n", "-o", "2000000", "-l", "500000", file], "util-linux");
}

/** More extents than a leaf has room for, with holes between them. */
function makeFragments(file: string): void {
  const content = noise(8 * KIB * 400, 42);
  fs.writeFileSync(file, content);
  call("sync", ["-f", file], "coreutils");
  const fd = fs.openSync(file, "r+");
  for (let index = 0; index < 400; index += 2) {
    fs.writeSync(fd, noise(4 * KIB, index + 1000), 0, 4 * KIB, index * 8 * KIB);
  }
  fs.closeSync(fd);
  for (let index = 1; index < 400; index += 4) {
    call("fallocate", ["-p", "-o", String(index * 8 * KIB), "-l", "4096", file], "util-linux");
  }
}

/** A copy that shares its extents, with one part of it rewritten, and one that is shared at another place. */
function makeShared(mounted: string): void {
  const copy = path.join(mounted, "shared");
  call("cp", ["--reflink=always", path.join(mounted, "five-megabytes"), copy], "coreutils");
  const fd = fs.openSync(copy, "r+");
  fs.writeSync(fd, noise(100_000, 43), 0, 100_000, 1_000_000);
  fs.closeSync(fd);
}

/** Hard links: a hundred thousand names without a hundred thousand inodes. */
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
