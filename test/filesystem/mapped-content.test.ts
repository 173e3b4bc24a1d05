/**
 * Against the simplest way to read the same: all bytes of the file laid out one by one.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { memorySource } from "../../src/base/byte-source.ts";
import { MappedContent, type Run } from "../../src/filesystem/mapped-content.ts";
import { noise } from "../base/seeded.ts";

const BLOCK = 4;
const BLOCKS_OF_DISK = 64;
const disk = noise(BLOCK * BLOCKS_OF_DISK, 3);

/** Runs in order, with holes of any width between them. */
const runs: fc.Arbitrary<readonly Run[]> = fc
  .array(
    fc.record({
      hole: fc.integer({ min: 0, max: 5 }),
      count: fc.integer({ min: 1, max: 6 }),
      physical: fc.integer({ min: 0, max: BLOCKS_OF_DISK - 6 }),
    }),
    { maxLength: 8 },
  )
  .map((pieces) => {
    let end = 0;
    return pieces.map(({ hole, count, physical }) => {
      const logical = end + hole;
      end = logical + count;
      return { logical, physical, count };
    });
  });

function laidOut(mapped: readonly Run[], size: number): Buffer {
  const file = Buffer.alloc(size);
  for (const { logical, physical, count } of mapped) {
    disk.subarray(physical * BLOCK, (physical + count) * BLOCK).forEach((byte, index) => {
      if (logical * BLOCK + index < size) file[logical * BLOCK + index] = byte;
    });
  }
  return file;
}

const contentOf = (mapped: readonly Run[], size: number) =>
  new MappedContent({ source: memorySource(disk), blockSize: BLOCK, runs: () => mapped, size, what: "a file" });

/** A size, and reads inside of it in any order. */
const reads = fc.integer({ min: 0, max: 400 }).chain((size) =>
  fc.tuple(
    fc.constant(size),
    fc.array(
      fc.integer({ min: 0, max: size }).chain((offset) => {
        return fc.tuple(fc.constant(offset), fc.integer({ min: 0, max: size - offset }));
      }),
      { minLength: 1, maxLength: 12 },
    ),
  ),
);

describe("content of which runs stand on the disk", () => {
  it("is read as if it were laid out whole, in whatever order its parts are asked for", () => {
    fc.assert(
      fc.property(runs, reads, (mapped, [size, asked]) => {
        const expected = laidOut(mapped, size);
        const content = contentOf(mapped, size);
        for (const [offset, length] of asked) {
          expect(Buffer.from(content.read(offset, length))).toEqual(expected.subarray(offset, offset + length));
        }
      }),
    );
  });

  it("stands on the disk where it says so, byte for byte", () => {
    const source = { ...memorySource(disk), onDisk: (offset: number, length: number) => ({ offset, length }) };
    fc.assert(
      fc.property(runs, reads, (mapped, [size, asked]) => {
        const expected = laidOut(mapped, size);
        const content = new MappedContent({ source, blockSize: BLOCK, runs: () => mapped, size, what: "a file" });
        for (const [offset, length] of asked.filter(([, each]) => each > 0)) {
          const range = content.onDisk(offset, length);
          const isHole = !mapped.some(({ logical, count }) => {
            const block = Math.floor(offset / BLOCK);
            return block >= logical && block < logical + count;
          });
          expect(range === null).toBe(isHole);
          if (range === null) continue;
          expect(range.length).toBeGreaterThan(0);
          const standing = Buffer.from(disk.subarray(range.offset, range.offset + range.length));
          expect(standing).toEqual(expected.subarray(offset, offset + range.length));
        }
      }),
    );
  });
});
