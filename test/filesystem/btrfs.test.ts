import { createHash } from "node:crypto";
import * as zlib from "node:zlib";
import { describe, expect, it } from "vitest";
import { blake2b256 } from "../../src/filesystem/btrfs/blake2b.ts";
import { checksumKind } from "../../src/filesystem/btrfs/checksum.ts";
import { nameHash } from "../../src/filesystem/btrfs/directory.ts";
import { checkFeatures, checkState } from "../../src/filesystem/btrfs/features.ts";
import { xxh64 } from "../../src/filesystem/btrfs/xxh64.ts";
import { noise } from "../base/seeded.ts";
import { call } from "./call.ts";

const hex64 = ({ high, low }: { high: number; low: number }) =>
  high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");

/** Around the steps of the algorithms: 4, 8, 32 and 128 bytes. */
const LENGTHS = [0, 1, 3, 4, 7, 8, 12, 31, 32, 33, 63, 64, 100, 127, 128, 129, 255, 256, 257, 4064, 4096];

describe("xxHash64", () => {
  it.each([
    ["", "ef46db3751d8e999"],
    ["a", "d24ec4f1a98c6e5b"],
    ["abc", "44bc2cf5ad770999"],
  ])("of %j is what its authors say", (text, hash) => {
    expect(hex64(xxh64(Buffer.from(text)))).toBe(hash);
  });

  it("has the lower half that zstd puts behind its frames (RFC 8878, section 3.1.1)", () => {
    for (const length of LENGTHS.slice(1)) {
      const bytes = noise(length, length);
      const frame = zlib.zstdCompressSync(bytes, { params: { [zlib.constants.ZSTD_c_checksumFlag]: 1 } });
      expect([length, xxh64(bytes).low]).toEqual([length, frame.readUInt32LE(frame.length - 4)]);
    }
  });
});

describe("BLAKE2b of 256 bits", () => {
  it("is that of b2sum", () => {
    for (const length of LENGTHS) {
      const bytes = noise(length, length + 1);
      const said = call("b2sum", ["-l", "256"], "coreutils", Buffer.from(bytes).toString("latin1"));
      expect([length, Buffer.from(blake2b256(bytes)).toString("hex")]).toEqual([length, said.slice(0, 64)]);
    }
  });
});

describe("the checksums of btrfs", () => {
  it("are of four kinds, and another is refused", () => {
    const digits = Buffer.from("123456789");
    // RFC 3720's check value; little-endian.
    expect(checksumKind(0).matches(digits, Buffer.from("839206e3", "hex"))).toBe(true);
    expect(checksumKind(0).matches(digits, Buffer.from("839206e4", "hex"))).toBe(false);
    expect(checksumKind(1).matches(Buffer.from("abc"), Buffer.from("44bc2cf5ad770999", "hex").reverse())).toBe(true);
    expect(checksumKind(1).matches(Buffer.from("abd"), Buffer.from("44bc2cf5ad770999", "hex").reverse())).toBe(false);
    expect(checksumKind(2).matches(digits, createHash("sha256").update(digits).digest())).toBe(true);
    expect([0, 1, 2, 3].map((type) => checksumKind(type).size)).toEqual([4, 8, 32, 32]);
    expect(() => checksumKind(4)).toThrow(expect.objectContaining({ code: "FEATURE_UNSUPPORTED" }));
  });

  it("hash a name as every btrfs files its default subvolume", () => {
    // As btrfs inspect-internal dump-tree shows it: key (ROOT_TREE_DIR DIR_ITEM 2378154706).
    expect(nameHash(Buffer.from("default"))).toBe(2378154706);
  });
});

describe("features of btrfs", () => {
  it.each([
    [12, "zoned"],
    [13, "extent_tree_v2"],
    [14, "raid_stripe_tree"],
    [15, "bit 15 (not known)"],
    [63, "bit 63 (not known)"],
  ])("that change what bytes mean are refused by name: bit %i, %s", (bit, name) => {
    expect(() => checkFeatures([0, bit])).toThrow(
      expect.objectContaining({ code: "FEATURE_UNSUPPORTED", message: expect.stringContaining(name) as unknown }),
    );
  });

  it("that can be read, or ignored, are not", () => {
    expect(() => checkFeatures([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 16])).not.toThrow();
  });

  it.each([33, 34, 35, 39, 40])("include states in which nothing is whole: flag %i", (bit) => {
    expect(() => checkState([0, bit])).toThrow(expect.objectContaining({ code: "FEATURE_UNSUPPORTED" }));
  });
});
