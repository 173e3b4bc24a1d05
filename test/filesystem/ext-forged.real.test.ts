import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { ExtType } from "../../fixtures/disk-images.ts";
import type { GuestFilesystem } from "../../src/filesystem/filesystem.ts";
import { noise } from "../base/seeded.ts";
import {
  FLAGS,
  forgeImage,
  MAP,
  putExtent,
  putExtentHeader,
  putIndex,
  putSize,
  SIZE,
  SUPERBLOCK,
  type Forged,
} from "./forge.ts";

const MIB = 1024 * 1024;
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-ext-forged-"));
const content = path.join(folder, "content");

beforeAll(() => {
  fs.mkdirSync(path.join(content, "d"), { recursive: true });
  fs.writeFileSync(path.join(content, "f"), noise(100_000, 1));
  fs.writeFileSync(path.join(content, "d/a"), "a");
  fs.symlinkSync("x".repeat(100), path.join(content, "link"));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const forge = (type: ExtType, ...options: readonly string[]): Forged =>
  forgeImage(path.join(folder, "disk.img"), content, type, options);

const ours = (code: string): unknown => expect.objectContaining({ name: "GuestbootError", code });
const damaged = ours("FILESYSTEM_DAMAGED");
const outOfBounds = ours("OUT_OF_BOUNDS");
const overBudget = ours("BUDGET_EXCEEDED");

let started = 0;
beforeEach(() => {
  started = performance.now();
});
const expectSoon = () => expect(performance.now() - started).toBeLessThan(5000);
const readHead = (filesystem: GuestFilesystem, name: string) => filesystem.open(name).read(0, Math.min(MIB, 4096));

describe("a superblock whose numbers cannot be", () => {
  it.each([
    ["no blocks", 0x4, 0],
    ["blocks of 2^31 KiB", 0x18, 31],
    ["blocks of 128 KiB", 0x18, 7],
    ["a first data block far away", 0x14, 0xffffffff],
    ["groups without blocks", 0x20, 0],
    ["groups without inodes", 0x28, 0],
    ["no inodes", 0x0, 0],
  ])("(%s) is refused", (_what, offset, value) => {
    const { bytes, open } = forge("ext4", "-b", "1024");
    bytes.writeUInt32LE(value, SUPERBLOCK + offset);
    expect(open).toThrow(damaged);
  });

  it.each([0, 3, 64, 100, 255, 2048, 65535])("(inodes of %i bytes) is refused", (size) => {
    const { bytes, open } = forge("ext4", "-b", "1024");
    bytes.writeUInt16LE(size, SUPERBLOCK + 0x58);
    expect(open).toThrow(damaged);
  });

  it.each([0, 3, 16, 33, 2048, 65535])("(group descriptors of %i bytes) is refused", (size) => {
    const { bytes, open } = forge("ext4", "-b", "1024");
    bytes.writeUInt16LE(size, SUPERBLOCK + 0xfe);
    expect(open).toThrow(damaged);
  });

  it("(2^64 - 1 blocks) is refused", () => {
    const { bytes, open } = forge("ext4", "-b", "1024");
    bytes.fill(0xff, SUPERBLOCK + 0x4, SUPERBLOCK + 0x8);
    bytes.fill(0xff, SUPERBLOCK + 0x150, SUPERBLOCK + 0x154);
    expect(open).toThrow(damaged);
  });
});

describe("an inode table that is nowhere", () => {
  it("past the filesystem's end is damage", () => {
    const { bytes, open } = forge("ext4", "-b", "1024");
    bytes.writeUInt32LE(4096, 2048 + 0x8);
    expect(open).toThrow(damaged);
    bytes.fill(0xff, 2048 + 0x28, 2048 + 0x2c);
    expect(open).toThrow(damaged);
  });

  it("past the disk's end is out of bounds", () => {
    const { bytes, open } = forge("ext4", "-b", "1024");
    bytes.writeUInt32LE(0x7fffffff, SUPERBLOCK + 0x4);
    bytes.writeUInt32LE(5000, 2048 + 0x8);
    expect(open).toThrow(outOfBounds);
  });

  it("is damage when a descriptor is asked for that no block holds", () => {
    const { bytes, open, blockOf } = forge("ext4", "-b", "1024");
    bytes.writeUInt32LE(0xffffffff, SUPERBLOCK);
    bytes.writeUInt32LE(0xfffffff0, blockOf("/") * 1024 + 24);
    expect(() => open().list("/")).toThrow(damaged);
  });
});

describe("an extent tree", () => {
  const small = () => forge("ext4", "-b", "1024");

  it("that points to itself is damage", () => {
    const { bytes, open, inodeOf, freeBlock } = small();
    const inode = inodeOf("/f");
    putExtentHeader(bytes, inode + MAP, 1, 1);
    putIndex(bytes, inode + MAP + 12, 0, freeBlock);
    putExtentHeader(bytes, freeBlock * 1024, 1, 1);
    putIndex(bytes, freeBlock * 1024 + 12, 0, freeBlock);
    expect(() => readHead(open(), "/f")).toThrow(damaged);
  });

  it.each([6, 100, 65535])("%i levels deep is damage", (depth) => {
    const { bytes, open, inodeOf } = small();
    bytes.writeUInt16LE(depth, inodeOf("/f") + MAP + 6);
    expect(() => readHead(open(), "/f")).toThrow(damaged);
  });

  it("with more entries than there is room is out of bounds", () => {
    const { bytes, open, inodeOf } = small();
    bytes.writeUInt16LE(65535, inodeOf("/f") + MAP + 2);
    expect(() => readHead(open(), "/f")).toThrow(outOfBounds);
  });

  it("whose every entry leads to the same block of the next level is damage", () => {
    const { bytes, open, inodeOf, freeBlock } = small();
    const inode = inodeOf("/f");
    putExtentHeader(bytes, inode + MAP, 4, 5);
    for (let index = 0; index < 4; index++) putIndex(bytes, inode + MAP + 12 + index * 12, 0, freeBlock);
    for (let depth = 4; depth >= 0; depth--) {
      const block = freeBlock + 4 - depth;
      putExtentHeader(bytes, block * 1024, 84, depth);
      for (let index = 0; index < 84; index++) {
        const at = block * 1024 + 12 + index * 12;
        if (depth > 0) putIndex(bytes, at, 0, block + 1);
        // Reserved and unwritten: nothing that a count of pieces would notice.
        else putExtent(bytes, at, index, 32769, 50);
      }
    }
    expect(() => readHead(open(), "/f")).toThrow(damaged);
    expectSoon();
  });

  it("whose nodes are read twice, each time for a later part of the file, is damage", () => {
    const { bytes, open, inodeOf, freeBlock } = small();
    const inode = inodeOf("/f");
    putExtentHeader(bytes, inode + MAP, 2, 2);
    for (let index = 0; index < 2; index++) putIndex(bytes, inode + MAP + 12 + index * 12, index * 1000, freeBlock);
    putExtentHeader(bytes, freeBlock * 1024, 1, 1);
    putIndex(bytes, freeBlock * 1024 + 12, 0, freeBlock + 1);
    putExtentHeader(bytes, (freeBlock + 1) * 1024, 0, 0);
    expect(() => readHead(open(), "/f")).toThrow(damaged);
  });

  it("of nothing but empty leaves ends soon", () => {
    const blockSize = 65536;
    const { bytes, open, inodeOf, freeBlock } = forge("ext4", "-b", String(blockSize));
    const inode = inodeOf("/f");
    putExtentHeader(bytes, inode + MAP, 1, 2);
    putIndex(bytes, inode + MAP + 12, 0, freeBlock);
    const entries = Math.floor((blockSize - 12) / 12);
    putExtentHeader(bytes, freeBlock * blockSize, entries, 1);
    for (let index = 0; index < entries; index++) {
      putIndex(bytes, freeBlock * blockSize + 12 + index * 12, index, freeBlock + 1);
    }
    putExtentHeader(bytes, (freeBlock + 1) * blockSize, 0, 0);
    expect(() => readHead(open(), "/f")).toThrow(overBudget);
    expectSoon();
  });

  it("whose extents overlap or go backwards is damage", () => {
    const { bytes, open, inodeOf } = small();
    const inode = inodeOf("/f");
    putExtentHeader(bytes, inode + MAP, 2, 0);
    putExtent(bytes, inode + MAP + 12, 10, 10, 100);
    putExtent(bytes, inode + MAP + 24, 15, 10, 200);
    expect(() => readHead(open(), "/f")).toThrow(damaged);
    putExtent(bytes, inode + MAP + 24, 0, 10, 200);
    expect(() => readHead(open(), "/f")).toThrow(damaged);
  });

  it.each([0, 4090, 0xffffffff])("with an extent of 10 blocks at block %i of 4096 is damage", (block) => {
    const { bytes, open, inodeOf } = small();
    const inode = inodeOf("/f");
    putExtentHeader(bytes, inode + MAP, 1, 0);
    putExtent(bytes, inode + MAP + 12, 0, 10, block);
    expect(() => readHead(open(), "/f")).toThrow(damaged);
  });
});

describe("block lists", () => {
  it.each([1024, 4096])("that point to themselves are damage (blocks of %i bytes)", (blockSize) => {
    const { bytes, open, inodeOf, freeBlock } = forge("ext2", "-b", String(blockSize));
    const inode = inodeOf("/f");
    putSize(bytes, inode, 1n << 40n);
    for (let index = 0; index < 15; index++) bytes.writeUInt32LE(freeBlock, inode + MAP + index * 4);
    for (let at = 0; at < blockSize; at += 4) bytes.writeUInt32LE(freeBlock, freeBlock * blockSize + at);
    expect(() => readHead(open(), "/f")).toThrow(damaged);
    expectSoon();
  });

  it("of which one has the same list again and again are damage", () => {
    const { bytes, open, inodeOf, freeBlock } = forge("ext2", "-b", "4096");
    const inode = inodeOf("/f");
    putSize(bytes, inode, 1n << 42n);
    bytes.fill(0, inode + MAP, inode + MAP + 60);
    bytes.writeUInt32LE(freeBlock, inode + MAP + 14 * 4);
    for (let at = 0; at < 4096; at += 4) {
      bytes.writeUInt32LE(freeBlock + 1, freeBlock * 4096 + at);
      bytes.writeUInt32LE(freeBlock + 2, (freeBlock + 1) * 4096 + at);
    }
    bytes.fill(0, (freeBlock + 2) * 4096, (freeBlock + 3) * 4096);
    expect(() => readHead(open(), "/f")).toThrow(damaged);
    expectSoon();
  });

  it("that name blocks past the end are damage", () => {
    const { bytes, open, inodeOf } = forge("ext2", "-b", "1024");
    bytes.writeUInt32LE(4096, inodeOf("/f") + MAP);
    expect(() => readHead(open(), "/f")).toThrow(damaged);
  });
});

describe("a size that nothing is behind", () => {
  it("is no work for a file: what is a hole reads as zeros", () => {
    const { bytes, open, inodeOf } = forge("ext4", "-b", "1024");
    putSize(bytes, inodeOf("/f"), (1n << 53n) - 1n);
    const file = open().open("/f");
    expect(file.size).toBe(2 ** 53 - 1);
    expect(file.read(0, 100_000)).toEqual(noise(100_000, 1));
    expect(file.read(2 ** 52, MIB).every((byte) => byte === 0)).toBe(true);
    expectSoon();
  });

  it.each([1n << 53n, 1n << 62n, (1n << 64n) - 1n])("of a file is damage when no number holds it: %i", (size) => {
    const { bytes, open, inodeOf } = forge("ext4", "-b", "1024");
    putSize(bytes, inodeOf("/f"), size);
    expect(() => open().open("/f")).toThrow(damaged);
  });

  it.each([1n << 30n, 1n << 40n, 1n << 52n])("of a folder is damage: %i", (size) => {
    const { bytes, open, inodeOf } = forge("ext4", "-b", "1024");
    putSize(bytes, inodeOf("/d"), size);
    expect(() => open().list("/d")).toThrow(damaged);
    expect(() => open().find("/d/x")).toThrow(damaged);
    expectSoon();
  });

  it("of a link is damage: 4 GiB", () => {
    const { bytes, open, inodeOf } = forge("ext4", "-b", "1024");
    bytes.writeUInt32LE(0xffffffff, inodeOf("/link") + SIZE);
    expect(() => open().find("/link")).toThrow(damaged);
  });
});

describe("a folder", () => {
  /** Its second entry, "..", and what follows it. */
  const SECOND = 12;

  it.each([
    ["0", 0],
    ["4", 4],
    ["less than a header", 7],
    ["an odd number", 13],
    ["more than there is", 1016],
    ["65535", 65535],
  ])("with an entry whose length is %s is damage", (_what, length) => {
    const { bytes, open, blockOf } = forge("ext4", "-b", "1024");
    bytes.writeUInt16LE(length, blockOf("/d") * 1024 + SECOND + 4);
    expect(() => open().list("/d")).toThrow(damaged);
    expect(() => open().find("/d/a")).toThrow(damaged);
  });

  it.each([0, 5, 255])("with a name of %i bytes in an entry for 4 is damage", (length) => {
    const { bytes, open, blockOf } = forge("ext4", "-b", "1024");
    bytes.writeUInt8(length, blockOf("/d") * 1024 + SECOND + 6);
    expect(() => open().list("/d")).toThrow(damaged);
  });

  it("with an entry whose inode there cannot be is damage", () => {
    const { bytes, open, blockOf } = forge("ext4", "-b", "1024");
    bytes.writeUInt32LE(0xffffffff, blockOf("/d") * 1024 + 24);
    expect(() => open().find("/d/a")).toThrow(damaged);
  });

  it("inside itself is walked as often as the path says", () => {
    const { bytes, open, blockOf } = forge("ext4", "-b", "1024");
    bytes.writeUInt32LE(2, blockOf("/d") * 1024 + 24);
    expect(open().find("/d/a/d/a/d/a/f")?.size).toBe(100_000);
    expect(open().find(`${"/d/a".repeat(1000)}/f`)?.size).toBe(100_000);
    expectSoon();
  });

  const HUGE = 512 * 1024 * 1024;

  /** A folder whose entry names the folder itself; its inode and its block. */
  function inItself(blockSize: number): Forged & { readonly inode: number; readonly block: number } {
    const forged = forge("ext4", "-b", String(blockSize));
    const { bytes, inodeOf, blockOf } = forged;
    const [inode, block] = [inodeOf("/d"), blockOf("/d")];
    bytes.writeUInt32LE(bytes.readUInt32LE(block * blockSize), block * blockSize + 24);
    putSize(bytes, inode, BigInt(HUGE));
    return { ...forged, inode, block };
  }

  /** 512 MiB of which the last block alone is there. */
  function holes(): Forged {
    const forged = inItself(1024);
    putExtentHeader(forged.bytes, forged.inode + MAP, 1, 0);
    putExtent(forged.bytes, forged.inode + MAP + 12, HUGE / 1024 - 1, 1, forged.block);
    return forged;
  }

  /** 512 MiB of the same empty blocks again and again, and the last block. */
  function emptyBlocks(): Forged {
    const forged = inItself(4096);
    const { bytes, inode, block, freeBlock } = forged;
    putExtentHeader(bytes, inode + MAP, 1, 1);
    putIndex(bytes, inode + MAP + 12, 0, freeBlock);
    const [pieces, count] = [320, 400];
    for (let piece = 0; piece < pieces; piece++) {
      putExtent(bytes, freeBlock * 4096 + 12 * (piece + 1), piece * count, count, freeBlock + 1);
    }
    putExtent(bytes, freeBlock * 4096 + 12 * (pieces + 1), HUGE / 4096 - 1, 1, block);
    putExtentHeader(bytes, freeBlock * 4096, pieces + 1, 0);
    return forged;
  }

  it("of 512 MiB of holes costs what its one block costs", () => {
    const filesystem = holes().open();
    expect(filesystem.list("/d").map(({ name }) => name)).toEqual(["a"]);
    // In all, 2 GiB of folders may be looked through.
    expect(filesystem.find(`/d${"/a".repeat(2000)}`)?.kind).toBe("directory");
    expectSoon();
  });

  it("of 512 MiB of empty blocks is looked through", () => {
    const filesystem = emptyBlocks().open();
    expect(filesystem.list("/d").map(({ name }) => name)).toEqual(["a"]);
    expectSoon();
  });

  it("of 512 MiB is not looked through two thousand times because a path says so", () => {
    const filesystem = emptyBlocks().open();
    expect(() => filesystem.find(`/d${"/a".repeat(2000)}`)).toThrow(overBudget);
    expectSoon();
  });

  it("of millions of entries is not listed into memory", () => {
    const { bytes, open, inodeOf, blockOf } = forge("ext2", "-b", "4096");
    const inode = inodeOf("/d");
    const block = blockOf("/d");
    for (let at = 0; at + 12 <= 4096; at += 12) {
      const last = at + 24 > 4096;
      bytes.writeUInt32LE(2, block * 4096 + at);
      bytes.writeUInt16LE(last ? 4096 - at : 12, block * 4096 + at + 4);
      bytes.writeUInt16LE(0x0201, block * 4096 + at + 6);
      bytes.write("zz", block * 4096 + at + 8);
    }
    putSize(bytes, inode, 12n * 4096n + 1024n * 4096n);
    for (let index = 0; index < 12; index++) bytes.writeUInt32LE(block, inode + MAP + index * 4);
    const list = forgedList(bytes, block);
    bytes.writeUInt32LE(list, inode + MAP + 12 * 4);
    bytes.writeUInt32LE(0, inode + FLAGS);
    expect(() => open().list("/d")).toThrow(overBudget);
    expect(open().find("/d/a")).toBeNull();
    expectSoon();
  });

  /** A block that names `block` 1024 times, at the very end of the image. */
  function forgedList(bytes: Buffer, block: number): number {
    const list = bytes.length / 4096 - 1;
    for (let at = 0; at < 4096; at += 4) bytes.writeUInt32LE(block, list * 4096 + at);
    return list;
  }
});
