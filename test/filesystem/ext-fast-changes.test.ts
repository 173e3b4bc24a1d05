import { describe, expect, it } from "vitest";
import { layOver, sumUp } from "../../src/filesystem/ext/fast-changes.ts";
import type { Piece } from "../../src/filesystem/ext/fast-commit.ts";
import { seeded } from "../base/seeded.ts";

/** Block by block, in order. */
function painted(pieces: readonly Piece[]): (number | null)[] {
  const blocks: (number | null)[] = Array.from({ length: 80 }, () => null);
  for (const { logical, count, physical } of pieces) {
    for (let index = 0; index < count; index++) blocks[logical + index] = physical === null ? null : physical + index;
  }
  return blocks;
}

describe("pieces that are laid over others", () => {
  it("hide what was there before, block for block", () => {
    const random = seeded(1);
    for (let round = 0; round < 300; round++) {
      const some = (most: number): Piece[] =>
        Array.from({ length: random() % most }, () => ({
          logical: random() % 60,
          count: random() % 20,
          physical: random() % 3 === 0 ? null : 1000 + (random() % 1000),
        }));
      const [before, later] = [some(8), some(8)];
      const result = layOver(before, later);
      expect(painted(result)).toEqual(painted([...before, ...later]));
      expect(result.every(({ logical }, index) => logical > (result[index - 1]?.logical ?? -1))).toBe(true);
    }
  });

  it("take no longer than their number, however they overlap", () => {
    const pieces = Array.from({ length: 140_000 }, (_, index) => ({ logical: index, count: 300_000, physical: 5 }));
    const started = performance.now();
    expect(layOver([], pieces).length).toBe(140_000);
    // Piece by piece it would take minutes.
    expect(performance.now() - started).toBeLessThan(20_000);
    expect(() => layOver(pieces, pieces)).toThrow(expect.objectContaining({ code: "BUDGET_EXCEEDED" }));
  });
});

describe("the sum of fast commits", () => {
  it("forgets the pieces of a file whose number another file got", () => {
    const inode = (generation: number) => Buffer.alloc(128).fill(generation, 0x64, 0x68);
    const piece = { logical: 0, count: 1, physical: 7 };
    const changes = [
      { kind: "inode", inode: 12, raw: inode(1) },
      { kind: "piece", inode: 12, piece },
      { kind: "inode", inode: 12, raw: inode(2) },
    ] as const;
    expect(sumUp(changes).pieces.get(12)).toBeUndefined();
    expect(sumUp(changes.slice(0, 2)).pieces.get(12)).toEqual([piece]);
  });
});
