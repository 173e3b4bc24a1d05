import { describe, expect, it } from "vitest";
import { checkRange, memorySource, sliceSource, targetOf, type ByteSource } from "../../src/base/byte-source.ts";

const bytes = Uint8Array.from({ length: 100 }, (_, index) => index);
const outOfBounds: unknown = expect.objectContaining({ code: "OUT_OF_BOUNDS" });

describe("a range", () => {
  it("may touch the end, and may be empty even there", () => {
    for (const [offset, length] of [
      [0, 100],
      [99, 1],
      [100, 0],
      [0, 0],
    ] as const) {
      expect(() => checkRange(offset, length, 100, "disk")).not.toThrow();
    }
  });

  it.each([
    [0, 101],
    [100, 1],
    [101, 0],
    [-1, 1],
    [1, -1],
    [0.5, 1],
    [0, 0.5],
    [NaN, 1],
    [0, NaN],
    [Infinity, 1],
    [0, Infinity],
    [2 ** 53, 1],
    [2 ** 53 - 1, 2 ** 53 - 1],
  ])("of %s + %s bytes is not inside 100", (offset, length) => {
    expect(() => checkRange(offset, length, 100, "disk")).toThrow(outOfBounds);
  });

  it("that is wrong is told with the source, the numbers and the size", () => {
    expect(() => checkRange(90, 20, 100, "partition 1")).toThrow(
      "partition 1 ends at byte 100, and bytes 90 to 110 are needed: is it cut short?",
    );
  });
});

describe("a slice", () => {
  const slice = sliceSource(memorySource(bytes), 10, 20, "slice");

  it("counts from its own start", () => {
    expect(slice.size).toBe(20);
    expect([...slice.read(0, 3)]).toEqual([10, 11, 12]);
    expect([...slice.read(19, 1)]).toEqual([29]);
  });

  it("shows nothing of what surrounds it", () => {
    expect(() => slice.read(19, 2)).toThrow(outOfBounds);
    expect(() => slice.read(-1, 2)).toThrow(outOfBounds);
  });

  it("of a slice is a slice", () => {
    expect([...sliceSource(slice, 5, 5, "inner").read(4, 1)]).toEqual([19]);
    expect(() => sliceSource(slice, 15, 6, "inner")).toThrow(outOfBounds);
  });

  it("knows where on the disk it lies, and only of what is inside it", () => {
    const disk: ByteSource = { ...memorySource(bytes), onDisk: (offset, length) => ({ offset, length }) };
    const inner = sliceSource(sliceSource(disk, 10, 50, "partition"), 5, 20, "volume");
    expect(inner.onDisk?.(2, 3)).toEqual({ offset: 17, length: 3 });
    expect(() => inner.onDisk?.(19, 2)).toThrow(outOfBounds);
    expect(slice.onDisk?.(0, 1)).toBeNull();
  });

  it("may be empty", () => {
    expect(sliceSource(slice, 20, 0, "inner").read(0, 0).length).toBe(0);
  });
});

describe("a read into a buffer", () => {
  const sources: readonly (readonly [string, ByteSource])[] = [
    ["memory", memorySource(bytes)],
    ["a slice", sliceSource(memorySource(bytes), 0, 50, "slice")],
  ];

  it.each(sources)("of %s fills its start, answers a view of it and leaves the rest alone", (_name, source) => {
    const buffer = new Uint8Array(8).fill(255);
    const got = source.read(40, 4, buffer);
    expect([...got]).toEqual([40, 41, 42, 43]);
    expect(got.buffer).toBe(buffer.buffer);
    expect([...buffer]).toEqual([40, 41, 42, 43, 255, 255, 255, 255]);
  });

  it("does not hand out the source's own bytes when there is no buffer", () => {
    const source = memorySource(Uint8Array.of(1, 2, 3));
    source.read(0, 3).fill(9);
    expect([...source.read(0, 3)]).toEqual([1, 2, 3]);
  });

  it("gets a new buffer of the length where none is given", () => {
    expect(targetOf(5, undefined).length).toBe(5);
    expect(targetOf(5, new Uint8Array(9)).length).toBe(5);
  });
});
