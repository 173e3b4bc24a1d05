import { expect, it } from "vitest";
import { fuzzTargets } from "./fuzz-targets.ts";
import { PLANTED } from "./planted.ts";

it("finds each defect that was planted, and none where there is none", async () => {
  const rows = await fuzzTargets(PLANTED, { seed: 1, runs: 100_000, milliseconds: 120_000, jobs: 2 });
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
