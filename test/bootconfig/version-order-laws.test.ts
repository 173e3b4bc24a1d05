/**
 * Both orders sort menus, and a sort needs an order: the same both ways round, and without circles.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareRpmVersions, compareVersions } from "../../src/bootconfig/version-order.ts";

const part = fc.oneof(
  fc.nat({ max: 30 }).map(String),
  fc.constantFrom("00", "007", "rc1", "el8", "x86_64", "a", "b", "A", "fc40"),
  fc.constantFrom(".", "-", "~", "^", "_", "+", "~~", "^."),
);
const version = fc.array(part, { maxLength: 7 }).map((parts) => parts.join(""));

describe.each([
  ["the UAPI group's order", compareVersions],
  ["RPM's order", compareRpmVersions],
])("%s", (_name, compare) => {
  const isEqual = (a: string, b: string) => compare(a, b) === 0;

  it("is the same both ways round, and leaves what is itself where it is", () => {
    fc.assert(
      fc.property(version, version, (a, b) => {
        expect(Math.sign(compare(a, b)) + Math.sign(compare(b, a))).toBe(0);
        expect(isEqual(a, a)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  it("has no circles", () => {
    fc.assert(
      fc.property(version, version, version, (a, b, c) => {
        const [low = "", middle = "", high = ""] = [a, b, c].sort(compare);
        expect(compare(low, middle)).toBeLessThanOrEqual(0);
        expect(compare(middle, high)).toBeLessThanOrEqual(0);
        expect(compare(low, high)).toBeLessThanOrEqual(0);
        if (isEqual(low, middle) && isEqual(middle, high)) expect(isEqual(low, high)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});
