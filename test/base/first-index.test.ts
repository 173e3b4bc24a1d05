import fc from "fast-check";
import { expect, it } from "vitest";
import { firstIndex } from "../../src/base/first-index.ts";

it("finds the first of those for which a claim holds, or tells that there is none", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 50 })), fc.integer({ min: -1, max: 51 }), (numbers, least) => {
      const sorted = numbers.toSorted((a, b) => a - b);
      const found = sorted.findIndex((number) => number >= least);
      expect(firstIndex(sorted.length, (index) => (sorted[index] ?? 0) >= least)).toBe(
        found < 0 ? sorted.length : found,
      );
    }),
  );
});
