import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { memorySource } from "../../src/base/byte-source.ts";
import { openFilesystem } from "../../src/filesystem/detect.ts";
import type { GuestFilesystem } from "../../src/filesystem/filesystem.ts";
import { CRC, Forged, forgeableImage, type Place } from "./xfs-forge.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-xfs-forged-"));
const images: Partial<Record<4 | 5, Forged>> = {};

beforeAll(() => {
  for (const version of [4, 5] as const) {
    const image = path.join(folder, `disk-${version}.img`);
    forgeableImage(image, version);
    images[version] = new Forged(image);
  }
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const ours = (code: string): unknown => expect.objectContaining({ name: "GuestbootError", code });
const damaged = ours("FILESYSTEM_DAMAGED");
const outOfBounds = ours("OUT_OF_BOUNDS");
const overBudget = ours("BUDGET_EXCEEDED");
const either: unknown = expect.objectContaining({
  name: "GuestbootError",
  code: expect.stringMatching(/^(FILESYSTEM_DAMAGED|OUT_OF_BOUNDS)$/) as unknown,
});
const unsupported = (words: string): unknown =>
  expect.objectContaining({ code: "FEATURE_UNSUPPORTED", message: expect.stringContaining(words) as unknown });

let started = 0;
beforeEach(() => {
  started = performance.now();
});
afterEach(() => {
  expect(performance.now() - started).toBeLessThan(20_000);
  for (const forged of Object.values(images)) forged.restore();
});

function image(version: 4 | 5): Forged {
  const forged = images[version];
  if (forged === undefined) throw new Error("no image");
  return forged;
}

const BOTH = [4, 5] as const;
const readHead = (filesystem: GuestFilesystem, name: string) => filesystem.open(name).read(0, 1);

describe.each(BOTH)("version %i: a superblock whose numbers cannot be", (version) => {
  const cases: readonly (readonly [what: string, change: (block: Buffer) => void])[] = [
    ["blocks of no bytes", (block) => block.writeUInt32BE(0, 4)],
    ["blocks of 3000 bytes", (block) => block.writeUInt32BE(3000, 4)],
    ["blocks of 128 KiB", (block) => (block.writeUInt32BE(131072, 4), block.writeUInt8(17, 120))],
    ["blocks of 2^255 bytes", (block) => block.writeUInt8(255, 120)],
    ["no blocks", (block) => block.writeBigUInt64BE(0n, 8)],
    ["2^64 - 1 blocks", (block) => block.writeBigUInt64BE(2n ** 64n - 1n, 8)],
    ["2^53 - 1 blocks", (block) => block.writeBigUInt64BE(2n ** 53n - 1n, 8)],
    ["groups without blocks", (block) => block.writeUInt32BE(0, 84)],
    ["groups of 2^32 - 1 blocks", (block) => block.writeUInt32BE(0xffffffff, 84)],
    ["no groups", (block) => block.writeUInt32BE(0, 88)],
    ["2^32 - 1 groups", (block) => block.writeUInt32BE(0xffffffff, 88)],
    ["blocks numbered with 255 bits", (block) => block.writeUInt8(255, 124)],
    ["blocks numbered with 3 bits", (block) => block.writeUInt8(3, 124)],
    ["inodes of no bytes", (block) => block.writeUInt16BE(0, 104)],
    ["inodes of 64 KiB", (block) => (block.writeUInt16BE(0, 104), block.writeUInt8(16, 122))],
    ["another number of inodes in a block", (block) => block.writeUInt8(7, 123)],
    ["folders in blocks of 2^265 bytes", (block) => block.writeUInt8(255, 192)],
    ["no end of its making", (block) => block.writeUInt8(1, 126)],
    ["no root", (block) => block.writeBigUInt64BE(0n, 56)],
    ["a root that is nowhere", (block) => block.writeBigUInt64BE(2n ** 40n, 56)],
    ["a root past all numbers", (block) => block.writeBigUInt64BE(2n ** 64n - 1n, 56)],
  ];
  it.each(cases)("(%s) is refused", (_what, change) => {
    const forged = image(version);
    forged.forge(forged.superblock, CRC.superblock, change);
    expect(() => forged.open()).toThrow(either);
  });

  it("(its root is a file) is refused", () => {
    const forged = image(version);
    const number = forged.open().find("/f")?.id ?? 0;
    forged.forge(forged.superblock, CRC.superblock, (block) => block.writeBigUInt64BE(BigInt(number), 56));
    expect(() => forged.open()).toThrow(damaged);
  });
});

describe("features", () => {
  it.each([
    ["zoned", 216, 0x200],
    ["zone gaps", 216, 0x400],
    ["0x80000000 (not known)", 216, 0x80000000],
    ["0x800 (not known)", 216, 0x800],
    ["0x400 (not known)", 200, 0x400],
  ])("of version 5 that nobody can read are refused by name: %s", (name, offset, bit) => {
    const forged = image(5);
    forged.forge(forged.superblock, CRC.superblock, (block) => setBits(block, offset, bit));
    expect(() => forged.open()).toThrow(unsupported(name));
  });

  it.each([0x80000000, 0x40, 0x20])("of version 4 that nobody knows are refused: 0x%s", (bit) => {
    const forged = image(4);
    forged.forge(forged.superblock, CRC.superblock, (block) => setBits(block, 200, bit));
    expect(() => forged.open()).toThrow(unsupported("not known"));
  });

  it.each([
    ["exchange, parent, metadir", 216, 0x1c0],
    ["every one that only a writer must know", 212, 0xfffffff0],
    ["every one that may be in the log", 220, 0xffffffff],
    ["every one that is compatible", 208, 0xffffffff],
  ])("that do not matter to a reader are no reason to refuse: %s", (_name, offset, bits) => {
    const forged = image(5);
    forged.forge(forged.superblock, CRC.superblock, (block) => setBits(block, offset, bits));
    expect(forged.open().find("/node/a-name-of-some-length-7")?.size).toBe(1);
  });

  it.each([0, 1, 2, 3, 6, 15])("version %i is refused", (version) => {
    const forged = image(4);
    forged.forge(forged.superblock, null, (block) => block.writeUInt8((block.readUInt8(101) & 0xf0) | version, 101));
    expect(() => forged.open()).toThrow(version === 5 ? damaged : unsupported(`version ${version}`));
  });

  it("of folders of version 1 are refused by name", () => {
    const forged = image(4);
    forged.forge(forged.superblock, null, (block) => block.writeUInt16BE(block.readUInt16BE(100) & ~0x2000, 100));
    expect(() => forged.open()).toThrow(unsupported("folders of version 1"));
  });

  it("that ask for a repair are told in a note", () => {
    const forged = image(5);
    forged.forge(forged.superblock, CRC.superblock, (block) => setBits(block, 216, 0x10));
    expect(forged.open().notes).toEqual([expect.stringContaining("in need of repair")]);
  });

  it("that put a file into the realtime section make it, and only it, unreadable", () => {
    const forged = image(5);
    forged.forge(forged.inode("/f"), CRC.inode, (inode) => inode.writeUInt16BE(1, 90));
    const filesystem = forged.open();
    expect(() => filesystem.open("/f")).toThrow(unsupported("realtime"));
    expect(filesystem.open("/d/a").size).toBe(1);
  });

  it("make no difference to a volume that is cut short, which is told in a note", () => {
    const { bytes } = image(5);
    const filesystem = openFilesystem(memorySource(bytes.subarray(0, 40 << 20)));
    expect(filesystem.notes).toEqual(expect.arrayContaining([expect.stringContaining("its volume only")]));
  });
});

describe("a checksum that is wrong is damage", () => {
  const kinds: readonly (readonly [
    what: string,
    where: (forged: Forged) => Place,
    use: (filesystem: GuestFilesystem) => unknown,
  ])[] = [
    ["the superblock", (forged) => forged.superblock, (filesystem) => filesystem],
    ["an inode", (forged) => forged.inode("/f"), (filesystem) => filesystem.find("/f")],
    ["a block of names", (forged) => forged.block("/leaf", 0), (filesystem) => filesystem.list("/leaf")],
    ["an index", (forged) => forged.index("/node"), (filesystem) => filesystem.find("/node/x")],
    ["a tree of extents", (forged) => forged.treeBlock("/tree"), (filesystem) => readHead(filesystem, "/tree")],
    ["a long link", (forged) => forged.block("/long", 0), (filesystem) => filesystem.find("/long")],
  ];
  it.each(kinds)("in %s", (_what, place, use) => {
    const forged = image(5);
    forged.forge(place(forged), null, (block) => {
      block.writeUInt8(block.readUInt8(block.length - 20) ^ 1, block.length - 20);
    });
    expect(() => use(forged.open())).toThrow(damaged);
  });
});

describe("a block of another place, owner or filesystem is damage, its checksum right or not", () => {
  const kinds = [
    [
      "a block of names",
      CRC.data,
      8,
      24,
      40,
      (f: Forged) => f.block("/leaf", 0),
      (g: GuestFilesystem) => g.list("/leaf"),
    ],
    ["an index", CRC.index, 16, 32, 48, (f: Forged) => f.index("/node"), (g: GuestFilesystem) => g.find("/node/x")],
    [
      "a tree of extents",
      CRC.tree,
      24,
      40,
      56,
      (f: Forged) => f.treeBlock("/tree"),
      (g: GuestFilesystem) => readHead(g, "/tree"),
    ],
    ["a long link", CRC.link, 40, 16, 32, (f: Forged) => f.block("/long", 0), (g: GuestFilesystem) => g.find("/long")],
  ] as const;
  it.each(kinds)("(%s)", (_what, crc, place, uuid, owner, where, use) => {
    for (const offset of [place, uuid, owner]) {
      const forged = image(5);
      forged.restore();
      forged.forge(where(forged), crc, (block) => block.writeUInt8(block.readUInt8(offset + 7) ^ 1, offset + 7));
      expect(() => use(forged.open())).toThrow(damaged);
    }
  });

  it.each([152, 160])("(an inode, byte %i)", (offset) => {
    const forged = image(5);
    forged.forge(forged.inode("/f"), CRC.inode, (inode) =>
      inode.writeUInt8(inode.readUInt8(offset + 7) ^ 1, offset + 7),
    );
    expect(() => forged.open().find("/f")).toThrow(damaged);
  });
});

describe.each(BOTH)("version %i: an inode", (version) => {
  const cases: readonly (readonly [what: string, change: (inode: Buffer) => void])[] = [
    ["without its magic", (inode) => inode.writeUInt16BE(0, 0)],
    ["of version 9", (inode) => inode.writeUInt8(9, 4)],
    ["that is free", (inode) => inode.writeUInt16BE(0, 2)],
    ["with its attributes behind its end", (inode) => inode.writeUInt8(255, 82)],
    ["of 2^63 bytes", (inode) => inode.writeBigUInt64BE(2n ** 63n, 56)],
    ["with 2^32 - 1 extents", (inode) => inode.writeUInt32BE(0xffffffff, 76)],
    ["with 200 extents in itself", (inode) => inode.writeUInt32BE(200, 76)],
    ["with its content in itself", (inode) => inode.writeUInt8(1, 5)],
    ["with its content nowhere", (inode) => inode.writeUInt8(9, 5)],
    ["with a tree of no levels", (inode) => (inode.writeUInt8(3, 5), inode.fill(0, forkOf(version)))],
    ["with a tree of 65535 levels", (inode) => (inode.writeUInt8(3, 5), inode.writeUInt16BE(65535, forkOf(version)))],
  ];
  it.each(cases)("%s is damage", (_what, change) => {
    const forged = image(version);
    forged.forge(forged.inode("/f"), CRC.inode, change);
    expect(() => readHead(forged.open(), "/f")).toThrow(either);
  });
});

describe.each(BOTH)("version %i: an extent", (version) => {
  const first = forkOf(version);
  const cases: readonly (readonly [what: string, extents: readonly bigint[][]])[] = [
    ["of no blocks", [[0n, 100n, 0n]]],
    ["in block 0", [[0n, 0n, 1n]]],
    ["past the end of its group", [[0n, 100n, 0x1fffffn]]],
    ["past the last group", [[0n, 2n ** 51n, 1n]]],
    ["at 2^54 blocks", [[2n ** 54n - 1n, 100n, 1n]]],
    [
      "over another",
      [
        [0n, 100n, 10n],
        [5n, 200n, 10n],
      ],
    ],
    [
      "before another",
      [
        [50n, 100n, 10n],
        [0n, 200n, 10n],
      ],
    ],
  ];
  it.each(cases)("%s is damage", (_what, extents) => {
    const forged = image(version);
    forged.forge(forged.inode("/f"), CRC.inode, (inode) => {
      inode.writeUInt32BE(extents.length, 76);
      extents.forEach(([logical = 0n, physical = 0n, count = 0n], index) => {
        const whole = (logical << 73n) | (physical << 21n) | count;
        inode.writeBigUInt64BE(whole >> 64n, first + index * 16);
        inode.writeBigUInt64BE(whole & (2n ** 64n - 1n), first + index * 16 + 8);
      });
    });
    expect(() => readHead(forged.open(), "/f")).toThrow(either);
  });
});

describe.each(BOTH)("version %i: a tree of extents", (version) => {
  const owner = version === 5 ? "/tree" : "/node";
  const use = (filesystem: GuestFilesystem) => (version === 5 ? readHead(filesystem, owner) : filesystem.list(owner));
  const cases: readonly (readonly [what: string, change: (block: Buffer) => void])[] = [
    ["without its magic", (block) => block.writeUInt32BE(0, 0)],
    ["of another level", (block) => block.writeUInt16BE(1, 4)],
    ["with an empty block", (block) => block.writeUInt16BE(0, 6)],
    ["with one extent too few", (block) => block.writeUInt16BE(block.readUInt16BE(6) - 1, 6)],
    ["with 65535 extents", (block) => block.writeUInt16BE(65535, 6)],
  ];
  it.each(cases)("%s is damage", (_what, change) => {
    const forged = image(version);
    forged.forge(forged.treeBlock(owner), CRC.tree, change);
    expect(() => use(forged.open())).toThrow(damaged);
  });

  it("that goes round in a circle is damage", () => {
    const forged = image(version);
    const block = forged.treeBlock(owner);
    const inode = forged.inode(owner);
    const fork = forkOf(version);
    const pointer = pointerIn(forged, inode.at + fork, owner);
    const header = version === 5 ? 72 : 24;
    const room = Math.floor((forged.blockSize - header) / 16);
    forged.forge(inode, CRC.inode, (bytes) => bytes.writeUInt16BE(9, fork));
    forged.forge(block, CRC.tree, (bytes) => {
      bytes.writeUInt16BE(8, 4);
      bytes.writeUInt16BE(room, 6);
      for (let index = 0; index < room; index++) bytes.writeBigUInt64BE(pointer, header + (room + index) * 8);
    });
    expect(() => use(forged.open())).toThrow(damaged);
  });

  it.each([0n, 2n ** 63n, 2n ** 50n])("whose block is number %i is damage", (number) => {
    const forged = image(version);
    const inode = forged.inode(owner);
    forged.forge(inode, CRC.inode, (bytes) => bytes.writeBigUInt64BE(number, pointerAt(forged, inode.at, owner)));
    expect(() => use(forged.open())).toThrow(either);
  });
});

describe.each(BOTH)("version %i: a short folder", (version) => {
  const first = forkOf(version);
  const cases: readonly (readonly [what: string, change: (inode: Buffer) => void])[] = [
    ["of 255 names", (inode) => inode.writeUInt8(255, first)],
    ["with a name of no bytes", (inode) => inode.writeUInt8(0, first + 6)],
    ["with a name of 255 bytes", (inode) => inode.writeUInt8(255, first + 6)],
    ["of numbers of 64 bits that have 32", (inode) => inode.writeUInt8(1, first + 1)],
    ["with a slash in a name", (inode) => inode.write("/", first + 9)],
    ["with a zero in a name", (inode) => inode.writeUInt8(0, first + 9)],
    ["with an inode that there cannot be", (inode) => inode.writeUInt32BE(0xffffffff, first + 10 + (version - 4))],
    ["with inode 0", (inode) => inode.writeUInt32BE(0, first + 10 + (version - 4))],
  ];
  it.each(cases)("%s is damage", (_what, change) => {
    const forged = image(version);
    forged.forge(forged.inode("/d"), CRC.inode, change);
    expect(() => forged.open().list("/d")).toThrow(either);
  });

  it("inside itself is walked as often as the path says", () => {
    const forged = image(version);
    const self = forged.open().find("/d")?.id ?? 0;
    forged.forge(forged.inode("/d"), CRC.inode, (inode) => inode.writeUInt32BE(self, first + 10 + (version - 4)));
    expect(forged.open().find(`/d${"/a".repeat(1000)}/b`)?.size).toBe(1);
  });
});

describe.each(BOTH)("version %i: a block of names", (version) => {
  const header = version === 5 ? 64 : 16;
  /** Behind "." and "..", which take 16 bytes each. */
  const third = header + 32;
  const cases: readonly (readonly [what: string, change: (block: Buffer) => void])[] = [
    ["without its magic", (block) => block.writeUInt32BE(0, 0)],
    ["with an entry in the middle of nothing", (block) => block.writeUInt16BE(0xffff, third)],
    ["with an empty space of no bytes", (block) => block.writeUInt32BE(0xffff0000, third)],
    ["with an empty space of 12 bytes", (block) => block.writeUInt32BE(0xffff000c, third)],
    ["with an empty space of 65528 bytes", (block) => block.writeUInt32BE(0xfffffff8, third)],
    ["with a name of no bytes", (block) => block.writeUInt8(0, third + 8)],
    ["with a name of 255 bytes", (block) => block.writeUInt8(255, third + 8)],
    ["with an inode past all numbers", (block) => block.writeUInt32BE(0x80000000, third)],
    ["with an inode that there cannot be", (block) => block.writeUInt32BE(0x10, third)],
    ["with a slash in a name", (block) => block.write("/", third + 9)],
  ];
  it.each(cases)("%s is damage", (_what, change) => {
    for (const name of ["/block", "/leaf"]) {
      const forged = image(version);
      forged.forge(forged.block(name, 0), CRC.data, change);
      expect(() => forged.open().list(name)).toThrow(either);
    }
  });

  it.each([0xffffffff, 0x10000000, 512])("with an index of %i entries in a folder of one block is damage", (count) => {
    const forged = image(version);
    forged.forge(forged.block("/block", 0), CRC.data, (block) => block.writeUInt32BE(count, block.length - 8));
    expect(() => forged.open().list("/block")).toThrow(damaged);
    expect(() => forged.open().find("/block/a-name-of-some-length-1")).toThrow(damaged);
  });
});

describe.each(BOTH)("version %i: an index", (version) => {
  const header = version === 5 ? 64 : 16;
  const countAt = version === 5 ? 56 : 12;
  const name = "a-name-of-some-length-7";

  it.each([0, 1, 2 ** 29, 0xffffffff, 3])("whose entries are all at %i finds nothing, or is damage", (address) => {
    for (const folderName of ["/leaf", "/block"]) {
      const forged = image(version);
      const isLeaf = folderName === "/leaf";
      const place = isLeaf ? forged.index(folderName) : forged.block(folderName, 0);
      forged.forge(place, isLeaf ? CRC.index : CRC.data, (block) => {
        const count = isLeaf ? block.readUInt16BE(countAt) : block.readUInt32BE(block.length - 8);
        const first = isLeaf ? header : block.length - 8 - count * 8;
        for (let index = 0; index < count; index++) block.writeUInt32BE(address, first + index * 8 + 4);
      });
      if (address === 0) expect(forged.open().find(`${folderName}/${name}`)).toBeNull();
      else expect(() => forged.open().find(`${folderName}/${name}`)).toThrow(damaged);
    }
  });

  it.each(["/leaf", "/node"])("of 65535 entries is damage: %s", (folderName) => {
    const forged = image(version);
    forged.forge(forged.index(folderName), CRC.index, (block) => block.writeUInt16BE(65535, countAt));
    expect(() => forged.open().find(`${folderName}/${name}`)).toThrow(damaged);
  });

  it("whose root is a tree of 65535 levels, or of none, is damage", () => {
    for (const level of [65535, 6, 0]) {
      const forged = image(version);
      forged.forge(forged.index("/node"), CRC.index, (block) => block.writeUInt16BE(level, countAt + 2));
      expect(() => forged.open().find(`/node/${name}`)).toThrow(damaged);
    }
  });

  it.each([
    ["itself", 2 ** 35],
    ["the first block of names", 0],
    ["behind all", 2 ** 36],
    ["where nothing is", 2 ** 35 + 2 ** 30],
    ["the middle of a block", 2 ** 35 + 1024],
  ])("whose nodes lead to %s is damage", (_what, offset) => {
    const forged = image(version);
    forged.forge(forged.index("/node"), CRC.index, (block) => {
      const count = block.readUInt16BE(countAt);
      for (let index = 0; index < count; index++) block.writeUInt32BE(offset / 1024, header + index * 8 + 4);
    });
    expect(() => forged.open().find(`/node/${name}`)).toThrow(damaged);
  });

  it("whose leaf follows itself, with one hash for all, is given up", () => {
    const forged = image(version);
    const { hash, leaf } = collide(forged, "/leaf");
    forged.forge(leaf, CRC.index, (block) => block.writeUInt32BE(2 ** 35 / 1024, 0));
    expect(hash).toBeGreaterThan(0);
    expect(() => forged.open().find("/leaf/missing")).toThrow(overBudget);
    expect(() => forged.open().find(`/leaf${"/missing".repeat(500)}`)).toThrow(overBudget);
  });

  it("whose entries are in no order is searched without end to it", () => {
    const forged = image(version);
    forged.forge(forged.index("/leaf"), CRC.index, (block) => {
      const count = block.readUInt16BE(countAt);
      for (let index = 0; index < count; index++) block.writeUInt32BE((index * 2654435761) >>> 0, header + index * 8);
    });
    expect(() => forged.open().find("/leaf/missing")).not.toThrow();
  });

  /** Gives all entries the hash of the name "missing". */
  function collide(forged: Forged, folderName: string) {
    const leaf = forged.index(folderName);
    // The hash by the specification's formula: rotate by 7, exclusive or with the byte.
    const hash = [...Buffer.from("missing")].reduce(
      (all, byte) => Number((((BigInt(all) << 7n) | (BigInt(all) >> 25n)) & 0xffffffffn) ^ BigInt(byte)),
      0,
    );
    forged.forge(leaf, CRC.index, (block) => {
      const count = block.readUInt16BE(countAt);
      for (let index = 0; index < count; index++) block.writeUInt32BE(hash, header + index * 8);
    });
    return { hash, leaf };
  }
});

describe.each(BOTH)("version %i: a symbolic link", (version) => {
  it.each([0n, 1025n, 2n ** 31n, 2n ** 53n - 1n, 2n ** 64n - 1n])("of %i bytes is damage", (size) => {
    for (const name of ["/short", "/long"]) {
      const forged = image(version);
      forged.forge(forged.inode(name), CRC.inode, (inode) => inode.writeBigUInt64BE(size, 56));
      expect(() => forged.open().find(name)).toThrow(either);
    }
  });

  it("that is longer than the inode has room for is damage", () => {
    const forged = image(version);
    forged.forge(forged.inode("/short"), CRC.inode, (inode) => inode.writeBigUInt64BE(1000n, 56));
    expect(() => forged.open().find("/short")).toThrow(damaged);
  });
});

describe("version 5: the block of a symbolic link", () => {
  it.each([
    ["without its magic", 0, 0],
    ["with a piece of another place", 4, 100],
    ["with a piece of no bytes", 8, 0],
    ["with a piece of fewer bytes", 8, 100],
    ["with a piece of 2^32 - 1 bytes", 8, 0xffffffff],
  ])("%s is damage", (_what, offset, value) => {
    const forged = image(5);
    forged.forge(forged.block("/long", 0), CRC.link, (block) => block.writeUInt32BE(value, offset));
    expect(() => forged.open().find("/long")).toThrow(damaged);
  });
});

describe("version 4: an inode of version 1", () => {
  it("is read as one of version 2", () => {
    const forged = image(4);
    forged.forge(forged.inode("/d/a"), null, (inode) => inode.writeUInt8(1, 4));
    expect(Buffer.from(forged.open().open("/d/a").read(0, 1)).toString()).toBe("a");
  });
});

describe("a disk that ends before what is named", () => {
  it("is out of bounds, not a crash", () => {
    const { bytes } = image(5);
    const head = memorySource(bytes.subarray(0, 4 << 20));
    const filesystem = openFilesystem(head);
    expect(() => {
      for (const name of ["/f", "/tree"]) filesystem.open(name).read(0, 100_000);
      for (const name of ["/leaf", "/node"]) filesystem.list(name);
    }).toThrow(outOfBounds);
  });
});

function forkOf(version: 4 | 5): number {
  return version === 5 ? 176 : 100;
}

/** Where in an inode the first pointer of its tree is: behind room for as many keys as fit. */
function pointerAt(forged: Forged, inodeAt: number, name: string): number {
  const fork = forged.version === 5 ? 176 : 100;
  const { length } = forged.inode(name);
  const attributes = forged.bytes.readUInt8(inodeAt + 82) * 8;
  const room = attributes === 0 ? length - fork : attributes;
  return fork + 4 + Math.floor((room - 4) / 16) * 8;
}

function pointerIn(forged: Forged, forkAt: number, name: string): bigint {
  const inodeAt = forkAt - (forged.version === 5 ? 176 : 100);
  return forged.bytes.readBigUInt64BE(inodeAt + pointerAt(forged, inodeAt, name));
}

function setBits(block: Buffer, offset: number, bits: number): void {
  block.writeUInt32BE((block.readUInt32BE(offset) | bits) >>> 0, offset);
}
