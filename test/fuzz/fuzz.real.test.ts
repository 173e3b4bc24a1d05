import { expect, it } from "vitest";
import { fuzzTargets } from "./fuzz-targets.ts";
import { PLANTED } from "./planted.ts";
import { TARGETS } from "./targets.ts";

it("finds each defect that was planted, and none where there is none", async () => {
  const rows = await fuzzTargets(
    PLANTED.map((target) => ({ target, seed: 1, runs: 100_000 })),
    { milliseconds: 120_000, jobs: 2, kept: null },
  );
  const kinds = Object.fromEntries(rows.map(({ target, findings }) => [target, findings.map(({ kind }) => kind)]));
  expect(kinds).toEqual({
    "planted nothing": [],
    "planted foreign error": ["foreign error"],
    "planted file": ["foreign error"],
    "planted rejection": ["unhandled rejection"],
    "planted memory": ["memory"],
    "planted slow": ["slow"],
    "planted endless": ["endless"],
  });
  const file = rows.find(({ target }) => target === "planted file");
  expect(file?.findings[0]?.what).toContain("has been restricted");
}, 300_000);

it("finds nothing in any parser of outside bytes, with 5,000 inputs each", async () => {
  const rows = await fuzzTargets(
    TARGETS.map((target) => ({ target, seed: 1, runs: 5000 })),
    { milliseconds: 1_200_000, jobs: 2, kept: null },
  );
  const found = rows.flatMap(({ target, findings }) => findings.map(({ kind, what }) => `${target}: ${kind}: ${what}`));
  expect(found).toEqual([]);
  expect(rows.map(({ target, inputs }) => [target, inputs])).toEqual(TARGETS.map(({ name }) => [name, 5000]));
  // A target whose parser refuses all that it is said to take would show nothing.
  expect(rows.filter(({ accepted }) => accepted === 0).map(({ target }) => target)).toEqual([]);
}, 1_800_000);
