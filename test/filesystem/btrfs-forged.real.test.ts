import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { memorySource } from "../../src/base/byte-source.ts";
import { seeded } from "../base/seeded.ts";
import { explore } from "./explore.ts";
import { Forged, makeForgeable, NODE_SIZE, SUPERBLOCK, TREE, TYPE, type ItemPlace } from "./btrfs-forge.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-btrfs-forged-"));
let forged: Forged;

beforeAll(() => {
  const image = path.join(folder, "disk.img");
  makeForgeable(image);
  forged = new Forged(image);
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));
afterEach(() => forged.restore());

const code = (...codes: readonly string[]): unknown =>
  expect.objectContaining({
    name: "GuestbootError",
    code: expect.stringMatching(new RegExp(`^(${codes.join("|")})$`)) as unknown,
  });
const damaged = code("FILESYSTEM_DAMAGED", "OUT_OF_BOUNDS");
const ROOT = 256;
const numberOf = (name: string) => (forged.open().find(name)?.id ?? 0) % 2 ** 40;
const readWhole = (name: string) => {
  const content = forged.open().open(name);
  return content.read(0, Math.min(content.size, 300_000));
};

describe("a btrfs superblock whose numbers cannot be", () => {
  const cases: readonly (readonly [what: string, change: (block: Buffer) => void])[] = [
    ["sectors of no bytes", (block) => block.writeUInt32LE(0, 0x90)],
    ["sectors of 3000 bytes", (block) => block.writeUInt32LE(3000, 0x90)],
    ["sectors of 128 KiB", (block) => block.writeUInt32LE(131072, 0x90)],
    ["tree blocks of no bytes", (block) => block.writeUInt32LE(0, 0x94)],
    ["tree blocks of 2^31 bytes", (block) => block.writeUInt32LE(2 ** 31, 0x94)],
    ["tree blocks smaller than sectors", (block) => block.writeUInt32LE(65536, 0x90)],
    ["a tree of 200 levels", (block) => block.writeUInt8(200, 0xc6)],
    ["a chunk tree of 9 levels", (block) => block.writeUInt8(9, 0xc7)],
    ["a chunk tree of another level", (block) => block.writeUInt8(3, 0xc7)],
    ["first chunks of 4000 bytes", (block) => block.writeUInt32LE(4000, 0xa0)],
    ["first chunks cut in the middle", (block) => block.writeUInt32LE(50, 0xa0)],
    ["no first chunks", (block) => block.writeUInt32LE(0, 0xa0)],
    ["a root tree that is nowhere", (block) => block.writeBigUInt64LE(2n ** 50n, 0x50)],
    ["a root tree past all numbers", (block) => block.writeBigUInt64LE(2n ** 64n - 1n, 0x50)],
    ["a root tree between sectors", (block) => block.writeBigUInt64LE(block.readBigUInt64LE(0x50) + 1n, 0x50)],
    ["a chunk tree that is nowhere", (block) => block.writeBigUInt64LE(0n, 0x58)],
    ["a root tree that is the chunk tree", (block) => block.writeBigUInt64LE(block.readBigUInt64LE(0x58), 0x50)],
    ["another UUID than its tree blocks", (block) => block.fill(7, 0x20, 0x30)],
    ["a generation to come", (block) => block.writeBigUInt64LE(2n ** 52n, 0x48)],
    ["a place where it is not", (block) => block.writeBigUInt64LE(4096n, 0x30)],
  ];
  it.each(cases)("(%s) is refused", (_what, change) => {
    forged.forgeSuperblock(change);
    expect(() => forged.open()).toThrow(damaged);
  });

  it("(its checksum is wrong) is refused", () => {
    forged.bytes.writeUInt8(1, SUPERBLOCK + 1000);
    expect(() => forged.open()).toThrow(damaged);
  });

  it.each([
    ["checksums that nobody knows", (block: Buffer) => block.writeUInt16LE(77, 0xc4)],
    ["zoned", (block: Buffer) => block.writeUInt16LE(block.readUInt16LE(0xbc) | 0x1000, 0xbc)],
    ["metadump", (block: Buffer) => block.writeUInt32LE(2, 0x3c)],
  ])("(%s) is refused by name", (_what, change) => {
    forged.forgeSuperblock(change);
    expect(() => forged.open()).toThrow(code("FEATURE_UNSUPPORTED"));
  });

  it("(another device of the same filesystem is said to be this one) is refused by name", () => {
    forged.forgeSuperblock((block) => {
      block.writeBigUInt64LE(2n, 0x88);
      block.writeBigUInt64LE(2n, 0xc9);
    });
    expect(() => forged.open()).toThrow(code("FEATURE_UNSUPPORTED"));
  });
});

describe("a chunk of btrfs", () => {
  const cases: readonly (readonly [what: string, change: (item: ItemPlace) => void])[] = [
    ["of no bytes", ({ data }) => data.writeBigUInt64LE(0n, 0)],
    ["of 2^63 bytes", ({ data }) => data.writeBigUInt64LE(2n ** 63n, 0)],
    ["that reaches into the next one", ({ data }) => data.writeBigUInt64LE(2n ** 52n, 0)],
    ["of no stripes", ({ data }) => data.writeUInt16LE(0, 44)],
    ["of 65535 stripes", ({ data }) => data.writeUInt16LE(65535, 44)],
    ["of RAID 10 without copies", ({ data }) => (data.writeUInt32LE(0x45, 24), data.writeUInt16LE(0, 46))],
    ["of RAID 0 in stripes of no bytes", ({ data }) => (data.writeUInt32LE(0x0d, 24), data.writeBigUInt64LE(0n, 16))],
  ];
  it.each(cases)("%s is refused", (_what, change) => {
    forged.forgeItem(TREE.chunk, TYPE.chunk, undefined, change);
    expect(() => forged.open()).toThrow(damaged);
  });

  it("that lies past the end of the disk, or past all numbers, is refused where it is read", () => {
    for (const offset of [2n ** 40n, 2n ** 64n - 1n]) {
      for (const item of forged.items(TREE.chunk, TYPE.chunk)) {
        item.data.writeBigUInt64LE(offset, 56);
        forged.seal(item.leaf);
      }
      expect(() => forged.open().list("/")).toThrow(damaged);
      forged.restore();
    }
  });
});

describe("a tree block of btrfs", () => {
  const rootLeaves = () => (forged.blocks.get(TREE.root) ?? []).filter((at) => forged.bytes.readUInt8(at + 100) === 0);
  const inner = () => (forged.blocks.get(TREE.files) ?? []).find((at) => forged.bytes.readUInt8(at + 100) > 0) ?? 0;

  it.each([
    ["that says to lie elsewhere", (block: Buffer) => block.writeBigUInt64LE(4096n, 48)],
    ["of another generation", (block: Buffer) => block.writeBigUInt64LE(1n, 80)],
    ["of another level", (block: Buffer) => block.writeUInt8(5, 100)],
    ["with 2^32 - 1 entries", (block: Buffer) => block.writeUInt32LE(0xffffffff, 96)],
    ["with one entry more than there is room for", (block: Buffer) => block.writeUInt32LE(160, 96)],
    ["whose keys do not ascend", (block: Buffer) => block.fill(0xff, 101, 109)],
    ["whose items reach out of it", (block: Buffer) => fillItems(block, 17, 0xfffffff0)],
    ["whose items are longer than it", (block: Buffer) => fillItems(block, 21, 0xffffffff)],
    ["without entries", (block: Buffer) => block.writeUInt32LE(0, 96)],
  ])("%s is refused", (_what, change) => {
    for (const leaf of rootLeaves()) forged.forgeBlock(leaf, change);
    expect(() => forged.open()).toThrow(damaged);
  });

  it("that leads to itself, in a circle, or twice to the same block, is refused", () => {
    const at = inner();
    expect(at).toBeGreaterThan(0);
    const own = forged.bytes.readBigUInt64LE(at + 48);
    const first = forged.bytes.readBigUInt64LE(at + 101 + 17);
    for (const target of [own, first]) {
      for (const index of [0, 1, 2]) {
        forged.forgeBlock(at, (block) => block.writeBigUInt64LE(target, 101 + index * 33 + 17));
      }
      expect(() => {
        forged.open().list("/folder");
        readWhole("/pieces");
      }).toThrow(damaged);
      forged.restore();
    }
  });

  it("whose leaf has been emptied is refused", () => {
    const leaf = (forged.blocks.get(TREE.files) ?? []).find((at) => forged.bytes.readUInt8(at + 100) === 0) ?? 0;
    forged.forgeBlock(leaf, (block) => block.writeUInt32LE(0, 96));
    expect(() => forged.open().list("/")).toThrow(damaged);
  });
});

function fillItems(block: Buffer, field: number, value: number): void {
  for (let index = 0; index < block.readUInt32LE(96); index++) block.writeUInt32LE(value, 101 + index * 25 + field);
}

describe("a folder of btrfs", () => {
  it.each([
    ["whose name reaches out of its item", (data: Buffer) => data.writeUInt16LE(200, 27)],
    ["whose name has 65535 bytes", (data: Buffer) => data.writeUInt16LE(65535, 27)],
    ["whose name is empty", (data: Buffer) => (data.writeUInt16LE(0, 27), data.writeUInt16LE(5, 25))],
    ["whose name has a slash", (data: Buffer) => data.write("/", 30)],
    ["whose name has a zero", (data: Buffer) => data.writeUInt8(0, 30)],
    ["that stands for no inode", (data: Buffer) => data.writeBigUInt64LE(2n ** 40n - 1n, 0)],
    ["that stands for an inode past all numbers", (data: Buffer) => data.writeBigUInt64LE(2n ** 64n - 1n, 0)],
    ["that stands for an extent", (data: Buffer) => data.writeUInt8(TYPE.extent, 8)],
  ])("%s: the entry is refused", (_what, change) => {
    forged.forgeItem(TREE.files, TYPE.dirIndex, ROOT, ({ data }) => change(data));
    expect(() => forged.open().list("/")).toThrow(damaged);
  });

  it("that is a subvolume which holds itself ends where paths end", () => {
    const { id } = forged.open().find("/subvolume") ?? { id: 0 };
    expect(id).toBeGreaterThan(2 ** 40);
    // The reference and the entry of "subvolume" lead to the top, in which they are.
    const [reference] = forged.items(TREE.root, TYPE.rootRef);
    if (reference === undefined) throw new Error("no reference");
    forged.bytes.writeBigUInt64LE(5n, reference.entry + 9);
    forged.seal(reference.leaf);
    for (const type of [TYPE.dirItem, TYPE.dirIndex]) {
      for (const item of forged.items(TREE.files, type, ROOT)) {
        if (item.data.readUInt8(8) === TYPE.root) item.data.writeBigUInt64LE(5n, 0);
        forged.seal(item.leaf);
      }
    }
    expect(forged.open().find(`${"/subvolume".repeat(200)}/inline`)?.size).toBe(6);
    expect(explore(memorySource(forged.bytes)).milliseconds).toBeLessThan(20_000);
  });
});

describe("an extent of btrfs", () => {
  const extents: readonly (readonly [what: string, name: string, change: (data: Buffer) => void])[] = [
    ["of an unknown kind", "/plain", (data) => data.writeUInt8(9, 20)],
    ["of no bytes", "/plain", (data) => data.writeBigUInt64LE(0n, 45)],
    ["of 2^64 - 1 bytes", "/plain", (data) => data.writeBigUInt64LE(2n ** 64n - 1n, 45)],
    ["that is longer than what it is part of", "/plain", (data) => data.writeBigUInt64LE(2n ** 40n, 45)],
    ["between sectors", "/plain", (data) => data.writeBigUInt64LE(data.readBigUInt64LE(21) + 1n, 21)],
    ["that lies nowhere", "/plain", (data) => data.writeBigUInt64LE(2n ** 45n, 21)],
    ["that begins past its end", "/plain", (data) => data.writeBigUInt64LE(2n ** 40n, 37)],
    ...["/zlib/file", "/lzo/file", "/zstd/file"].flatMap((name) => [
      ["that holds 2^40 bytes", name, (data: Buffer) => data.writeBigUInt64LE(2n ** 40n, 8)] as const,
      ["of 2^30 bytes", name, (data: Buffer) => data.writeBigUInt64LE(2n ** 30n, 29)] as const,
      ["that begins past its end", name, (data: Buffer) => data.writeBigUInt64LE(2n ** 20n, 37)] as const,
      ["that holds less", name, (data: Buffer) => data.writeBigUInt64LE(4096n, 8)] as const,
    ]),
    ["inline that holds 2^31 bytes", "/zstd/inline", (data) => data.writeBigUInt64LE(2n ** 31n, 8)],
  ];
  it.each(extents)("%s is refused: %s", (_what, name, change) => {
    forged.forgeItem(TREE.files, TYPE.extent, numberOf(name), ({ data }) => change(data));
    expect(() => readWhole(name)).toThrow(code("FILESYSTEM_DAMAGED", "OUT_OF_BOUNDS", "DATA_DAMAGED"));
  });

  it.each([
    ["compressed in an unknown way", 16],
    ["encrypted", 17],
    ["encoded otherwise", 18],
  ])("%s is refused by name", (_what, field) => {
    forged.forgeItem(TREE.files, TYPE.extent, numberOf("/plain"), ({ data }) => data.writeUInt8(77, field));
    expect(() => readWhole("/plain")).toThrow(code("FEATURE_UNSUPPORTED"));
  });

  it.each(["/zlib/inline", "/lzo/inline", "/zstd/inline"])("with damaged compressed bytes is refused: %s", (name) => {
    forged.forgeItem(TREE.files, TYPE.extent, numberOf(name), ({ data }) => data.fill(0xff, 21, 60));
    expect(() => readWhole(name)).toThrow(
      code("DATA_DAMAGED", "FILESYSTEM_DAMAGED", "OUT_OF_BOUNDS", "BUDGET_EXCEEDED"),
    );
  });
});

describe("an inode of btrfs", () => {
  it("of 2^52 bytes is read where something is, and is zeros elsewhere", () => {
    forged.forgeItem(TREE.files, TYPE.inode, numberOf("/plain"), ({ data }) => data.writeBigUInt64LE(2n ** 52n, 16));
    const content = forged.open().open("/plain");
    expect(content.size).toBe(2 ** 52);
    expect(content.read(2 ** 51, 1000).every((byte) => byte === 0)).toBe(true);
  });

  it.each([2n ** 53n, 2n ** 64n - 1n])("of %i bytes is refused", (size) => {
    forged.forgeItem(TREE.files, TYPE.inode, numberOf("/plain"), ({ data }) => data.writeBigUInt64LE(size, 16));
    expect(() => forged.open().find("/plain")).toThrow(damaged);
  });

  it("of a link of 5000 bytes is refused", () => {
    // The inode itself: "/link" would be followed.
    const link = forged
      .open()
      .list("/")
      .find(({ name }) => name === "link");
    const number = (link?.node.id ?? 0) % 2 ** 40;
    forged.forgeItem(TREE.files, TYPE.inode, number, ({ data }) => data.writeBigUInt64LE(5000n, 16));
    expect(() => forged.open().find("/link")).toThrow(damaged);
  });
});

const ROUNDS = 1000;
/** The bound on resident memory that hosts set by default. */
const MAX_RESIDENT = 256 * 1024 * 1024;
const INTERESTING = [0, 1, 2, 3, 0x7f, 0x80, 0xff, 0x100, 0x1000, 0x7fff, 0xffff, 0x10000, 0x7fffffff, 0xffffffff];

describe("a btrfs image", () => {
  it(`that was damaged in ${ROUNDS} ways gives results or our own errors, soon, and in little memory`, () => {
    expect(explore(memorySource(forged.bytes)).errors).toEqual({});
    const places = [SUPERBLOCK, ...[...forged.blocks.values()].flat()];
    const random = seeded(2026);
    const residentBefore = process.memoryUsage.rss();
    const seen: Record<string, number> = {};
    let slowest = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const touched: { readonly at: number; readonly before: Buffer }[] = [];
      for (let left = 1 + (random() % 3); left > 0; left--) {
        const at = places[random() % places.length] ?? SUPERBLOCK;
        touched.push({ at, before: Buffer.from(forged.bytes.subarray(at, at + NODE_SIZE)) });
        damage(forged.bytes.subarray(at, at + NODE_SIZE), random);
        // Now and then the checksum is left wrong. Superblocks have the size of these tree blocks.
        if (random() % 16 !== 0) forged.seal(at);
      }
      const explored = explore(memorySource(forged.bytes));
      slowest = Math.max(slowest, explored.milliseconds);
      for (const [name, count] of Object.entries(explored.errors)) seen[name] = (seen[name] ?? 0) + count;
      for (const { at, before } of touched.reverse()) before.copy(forged.bytes, at);
    }
    expect(slowest).toBeLessThan(5000);
    expect(process.memoryUsage.rss() - residentBefore).toBeLessThan(MAX_RESIDENT);
    // The damage really reached what is read.
    expect(seen["FILESYSTEM_DAMAGED"]).toBeGreaterThan(ROUNDS / 10);
  });
});

/** One change at one place; in half of the cases where the header and the keys are. */
function damage(block: Buffer, random: () => number): void {
  const within = random() % 2 === 0 ? block.length : 512;
  const at = 32 + (random() % (within - 40));
  switch (random() % 5) {
    case 0:
      block[at] = random();
      break;
    case 1:
      block[at] = (block[at] ?? 0) ^ (1 << (random() % 8));
      break;
    case 2:
      block.fill(random() % 2 === 0 ? 0 : 0xff, at, Math.min(within, at + 1 + (random() % 16)));
      break;
    case 3:
      block.writeUInt32LE(INTERESTING[random() % INTERESTING.length] ?? 0, at);
      break;
    default:
      // A word from elsewhere in the same block: a plausible number in the wrong place.
      block.writeUInt32LE(block.readUInt32LE((random() % (block.length / 4)) * 4), at);
  }
}
