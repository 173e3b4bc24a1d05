import { describe, expect, it } from "vitest";
import { memorySource } from "../../src/base/byte-source.ts";
import { checksumOf, isIntact } from "../../src/filesystem/xfs/checksum.ts";
import { hashOf } from "../../src/filesystem/xfs/directory-index.ts";
import { findRun, type Run } from "../../src/filesystem/mapped-content.ts";
import { featureNames, refuseUnreadable, type FeatureWords } from "../../src/filesystem/xfs/features.ts";
import { Remembered } from "../../src/filesystem/xfs/remembered.ts";
import { hasXfsMagic } from "../../src/filesystem/xfs/superblock.ts";

describe("the checksum of a block", () => {
  // RFC 3720, appendix B.4: 32 bytes of zeros.
  it.each([0, 4, 8, 28])("counts its own field, at %i, as zeros", (field) => {
    const block = new Uint8Array(32).fill(0xee, field, field + 4);
    expect(checksumOf(block, field)).toBe(0x8a9136aa);
    expect(isIntact(block, field)).toBe(false);
    block.set([0xaa, 0x36, 0x91, 0x8a], field);
    expect(isIntact(block, field)).toBe(true);
  });

  it("is taken over any length", () => {
    // 40 bytes in steps of eight, and 43: one bit at the end must show.
    for (const length of [40, 43]) {
      const block = new Uint8Array(length);
      const before = checksumOf(block, 4);
      block[length - 1] = 1;
      expect(checksumOf(block, 4)).not.toBe(before);
    }
  });
});

describe("the hash of a name", () => {
  // As xfs_db's "hash" command prints them.
  it.each([
    ["a", 0x61],
    ["ab", 0x30e2],
    ["abc", 0x187163],
    ["abcd", 0xc38b1e4],
    ["vmlinuz", 0xcd3a6194],
    ["initrd.img-6.1.0-13-amd64", 0x91777621],
  ])("%s", (name, hash) => {
    expect(hashOf(Buffer.from(name))).toBe(hash);
  });
});

describe("the run of a block", () => {
  const runs: readonly Run[] = [
    { logical: 2, physical: 100, count: 3 },
    { logical: 5, physical: 50, count: 1 },
    { logical: 9, physical: 200, count: 2 },
  ];
  it.each([
    [0, 0],
    [2, 0],
    [4, 0],
    [5, 1],
    [6, 2],
    [10, 2],
    [11, 3],
  ])("%i is number %i, or that of the next", (block, index) => {
    expect(findRun(runs, block)).toBe(index);
  });
});

describe("features", () => {
  const none: FeatureWords = { versionnum: 0x2000, features2: 0, roCompat: 0, incompat: 0, logIncompat: 0 };

  it("have names for people, each once", () => {
    expect(featureNames({ ...none, features2: 0x300, incompat: 0x3, roCompat: 0x4 })).toEqual([
      "dirv2",
      "ftype",
      "crc",
      "sparse inodes",
      "reflink",
    ]);
  });

  it("are refused with every reason at once", () => {
    expect(() => refuseUnreadable({ ...none, versionnum: 0, incompat: 0x80000200 })).toThrow(
      "zoned (content lies in zones of a realtime section), folders of version 1 (IRIX before 2001), 0x80000000 (not known)",
    );
  });
});

describe("what is remembered", () => {
  it("is made once, and the oldest is forgotten first", () => {
    const made: number[] = [];
    const remembered = new Remembered<number, string>(2);
    for (const key of [1, 2, 1, 3, 2, 1]) {
      const value = remembered.get(key, () => {
        made.push(key);
        return `value ${key}`;
      });
      expect(value).toBe(`value ${key}`);
    }
    expect(made).toEqual([1, 2, 3, 1]);
  });

  it("is not what could not be made", () => {
    const remembered = new Remembered<number, number>(2);
    expect(() =>
      remembered.get(1, () => {
        throw new Error("no");
      }),
    ).toThrow("no");
    expect(remembered.get(1, () => 5)).toBe(5);
  });
});

describe("a volume is no XFS", () => {
  it.each([0, 3, 511])("when it has %i bytes", (size) => {
    const bytes = new Uint8Array(size);
    bytes.set(Buffer.from("XFSB").subarray(0, size));
    expect(hasXfsMagic(memorySource(bytes))).toBe(false);
  });
});
