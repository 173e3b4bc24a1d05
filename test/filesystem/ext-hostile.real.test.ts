import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeFilesystemImage, type ExtType } from "../../fixtures/disk-images.ts";
import { memorySource } from "../../src/base/byte-source.ts";
import { noise, seeded } from "../base/seeded.ts";
import { debugfs } from "./ext-judges.ts";
import { explore } from "./explore.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-ext-hostile-"));
const content = path.join(folder, "content");

beforeAll(() => {
  fs.mkdirSync(path.join(content, "boot/grub"), { recursive: true });
  fs.mkdirSync(path.join(content, "many"));
  fs.writeFileSync(path.join(content, "boot/vmlinuz"), noise(700_000, 1));
  fs.writeFileSync(path.join(content, "boot/grub/menu.lst"), "title x\nkernel /boot/vmlinuz\n");
  fs.writeFileSync(path.join(content, "boot/inline"), noise(120, 2));
  fs.symlinkSync("vmlinuz", path.join(content, "boot/fast"));
  fs.symlinkSync(`./${"././".repeat(40)}vmlinuz`, path.join(content, "boot/slow"));
  const sparse = fs.openSync(path.join(content, "boot/sparse"), "w");
  for (let index = 0; index < 8; index++) fs.writeSync(sparse, noise(8192, index + 3), 0, 8192, index * 40_960);
  fs.closeSync(sparse);
  for (let index = 0; index < 120; index++)
    fs.writeFileSync(path.join(content, `many/a-name-of-some-length-${index}`), "");
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const KINDS: readonly (readonly [what: string, type: ExtType, options: readonly string[]])[] = [
  ["block lists, 1 KiB blocks", "ext2", ["-b", "1024"]],
  ["block lists, 4 KiB blocks", "ext3", ["-b", "4096", "-O", "^has_journal"]],
  ["extents, 1 KiB blocks", "ext4", ["-b", "1024", "-O", "^has_journal"]],
  ["extents, 4 KiB blocks", "ext4", ["-b", "4096", "-O", "^has_journal"]],
  ["inline data", "ext4", ["-b", "1024", "-O", "^has_journal,inline_data"]],
  ["meta groups", "ext4", ["-b", "1024", "-O", "^has_journal,meta_bg,^resize_inode", "-g", "256"]],
];

const ROUNDS = 700;
/** The bound on resident memory that hosts set by default. */
const MAX_RESIDENT = 256 * 1024 * 1024;

describe.each(KINDS)("an image with %s", (_what, type, options) => {
  it(`that was damaged in ${ROUNDS} ways gives results or our own errors, soon, and in little memory`, () => {
    const image = path.join(folder, "disk.img");
    makeFilesystemImage({ path: image, type, sizeMiB: 4, folder: content, options });
    const pristine = fs.readFileSync(image);
    expect(explore(memorySource(pristine))).toMatchObject({ errors: {}, files: 126 });

    const places = metadataPlaces(image, pristine);
    const random = seeded(2026);
    const disk = Buffer.from(pristine);
    const residentBefore = process.memoryUsage.rss();
    const seen: Record<string, number> = {};
    let slowest = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const touched = Array.from({ length: 1 + (random() % 3) }, () => damage(disk, places, random));
      const explored = explore(memorySource(disk));
      slowest = Math.max(slowest, explored.milliseconds);
      for (const [code, count] of Object.entries(explored.errors)) seen[code] = (seen[code] ?? 0) + count;
      for (const [start, end] of touched) pristine.copy(disk, start, start, end);
    }
    expect(slowest).toBeLessThan(1000);
    expect(process.memoryUsage.rss() - residentBefore).toBeLessThan(MAX_RESIDENT);
    // The damage really reached what is read.
    expect(seen["FILESYSTEM_DAMAGED"]).toBeGreaterThan(ROUNDS / 20);
  });
});

type Range = readonly [start: number, end: number];

/** Superblock, descriptors, inodes, blocks of folders and of maps: what damage is worth while in. */
function metadataPlaces(image: string, bytes: Buffer): readonly Range[] {
  const blockSize = 1024 << bytes.readUInt32LE(1024 + 0x18);
  const inodeSize = bytes.readUInt16LE(1024 + 0x58);
  const blocks = new Set<number>();
  const places: Range[] = [
    [1024, 1024 + 0x178],
    [1024, 1024 + 0x178],
    [Math.max(2048, blockSize), Math.max(2048, blockSize) + 256],
  ];
  for (const name of [
    "/",
    "/boot",
    "/boot/grub",
    "/boot/vmlinuz",
    "/boot/sparse",
    "/boot/slow",
    "/boot/inline",
    "/many",
  ]) {
    const place = /located at block (\d+), offset 0x([0-9a-f]+)/.exec(debugfs(image, `imap ${name}`));
    const start = Number(place?.[1]) * blockSize + Number.parseInt(place?.[2] ?? "", 16);
    places.push([start, start + inodeSize], [start, start + inodeSize]);
    const stat = debugfs(image, `stat ${name}`);
    // "(IND):55", "(DIND):1040", "(ETB0):33" are blocks of the map; "(0-3):40-43" the content.
    for (const [, block] of stat.matchAll(/\((?:[TD]?IND|ETB\d)\):(\d+)/g)) blocks.add(Number(block));
    if (/Type: directory/.test(stat)) {
      for (const block of debugfs(image, `blocks ${name}`).trim().split(/\s+/))
        if (block !== "") blocks.add(Number(block));
    }
  }
  for (const block of blocks) places.push([block * blockSize, (block + 1) * blockSize]);
  return places;
}

const INTERESTING = [
  0, 1, 2, 3, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0x8001, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff,
];

/** One change at one place; what range it touched. */
function damage(disk: Buffer, places: readonly Range[], random: () => number): Range {
  const [start, end] = places[random() % places.length] ?? [0, 4];
  const at = start + (random() % (end - start - 4));
  const word = at - ((at - start) % 4);
  switch (random() % 6) {
    case 0:
      disk[at] = random();
      return [at, at + 1];
    case 1:
      disk[at] = (disk[at] ?? 0) ^ (1 << (random() % 8));
      return [at, at + 1];
    case 2:
    case 3: {
      const length = Math.min(end - at, 1 + (random() % 16));
      disk.fill(random() % 2 === 0 ? 0 : 0xff, at, at + length);
      return [at, at + length];
    }
    case 4: {
      disk.writeUInt32LE(INTERESTING[random() % INTERESTING.length] ?? 0, word);
      return [word, word + 4];
    }
    default: {
      // A word from elsewhere in the same structure: a plausible number in the wrong place.
      const other = start + (random() % Math.floor((end - start) / 4)) * 4;
      disk.writeUInt32LE(disk.readUInt32LE(other), word);
      return [word, word + 4];
    }
  }
}
