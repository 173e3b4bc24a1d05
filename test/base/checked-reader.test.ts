import { describe, expect, it } from "vitest";
import { CheckedReader } from "../../src/base/checked-reader.ts";

const reader = (...bytes: number[]) => new CheckedReader(Uint8Array.from(bytes), "thing");
const outOfBounds: unknown = expect.objectContaining({ code: "OUT_OF_BOUNDS" });

describe("the checked reader", () => {
  const eight = reader(0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef);

  it("reads numbers without a sign, least significant byte first", () => {
    expect(eight.u8(7, "f")).toBe(0xef);
    expect(eight.u16le(6, "f")).toBe(0xefcd);
    expect(eight.u32le(4, "f")).toBe(0xefcdab89);
  });

  it("reads numbers without a sign, most significant byte first", () => {
    expect(eight.u16be(6, "f")).toBe(0xcdef);
    expect(eight.u32be(4, "f")).toBe(0x89abcdef);
  });

  it("reads 64-bit numbers up to 2^53 - 1", () => {
    const largest = 0x1f_ffff_ffff_ffff;
    expect(reader(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0).u64le(0, "f")).toBe(largest);
    expect(reader(0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff).u64be(0, "f")).toBe(largest);
    expect(reader(0, 0, 0, 0x80, 0, 0, 0, 0).u64le(0, "f")).toBe(0x8000_0000);
  });

  it("refuses a 64-bit number that a double cannot hold, rather than to round it", () => {
    expect(() => reader(0, 0, 0, 0, 0, 0, 0x20, 0).u64le(0, "f")).toThrow(outOfBounds);
    expect(() => reader(0, 0x20, 0, 0, 0, 0, 0, 0).u64be(0, "f")).toThrow(outOfBounds);
    expect(() => reader(255, 255, 255, 255, 255, 255, 255, 255).u64le(0, "s_blocks")).toThrow(
      "thing: s_blocks is larger than anything real",
    );
  });

  it("refuses every field that does not lie inside, and names it", () => {
    const reads = [
      () => eight.u8(8, "f"),
      () => eight.u16le(7, "f"),
      () => eight.u16be(7, "f"),
      () => eight.u32le(5, "f"),
      () => eight.u32be(5, "f"),
      () => eight.u64le(1, "f"),
      () => eight.u64be(1, "f"),
      () => eight.u8(-1, "f"),
      () => eight.bytes(0, 9, "f"),
      () => eight.bytes(0, -1, "f"),
      () => eight.bytes(-1, 1, "f"),
      () => reader().u8(0, "f"),
    ];
    for (const read of reads) expect(read).toThrow(outOfBounds);
    expect(() => eight.u16le(7, "rec_len")).toThrow("thing: rec_len at 7 + 2 is past the end at 8");
  });

  it("respects the window that a view is, inside a larger buffer", () => {
    const view = Uint8Array.from({ length: 16 }, (_, index) => index).subarray(4, 8);
    const windowed = new CheckedReader(view, "thing");
    expect(windowed.length).toBe(4);
    expect(windowed.u32be(0, "f")).toBe(0x04050607);
    expect([...windowed.bytes(1, 2, "f")]).toEqual([5, 6]);
    expect(() => windowed.u8(4, "f")).toThrow(outOfBounds);
  });

  it("hands out bytes without copying them", () => {
    const bytes = Uint8Array.of(1, 2, 3);
    new CheckedReader(bytes, "thing").bytes(1, 1, "f")[0] = 9;
    expect(bytes[1]).toBe(9);
  });
});
