import * as path from "node:path";
import { expect, it } from "vitest";
import { programPath, ROOT, runNode } from "./program.ts";

it("the benchmark works: one run each, with figures (their size is no test's business)", () => {
  programPath("guestboot");
  const ended = runNode([path.join(ROOT, "bench/run.ts"), "--runs", "1", "--rows", "starts,configs", "--json"]);
  expect(ended.status, ended.stderr).toBe(0);
  const { rows } = JSON.parse(ended.stdout) as { rows: { what: string; ratio: number; ours: { peak: number } }[] };
  expect(rows.length).toBeGreaterThanOrEqual(5);
  for (const { what, ratio, ours } of rows) {
    expect(ratio, what).toBeGreaterThan(0);
    expect(ours.peak, what).toBeGreaterThan(1);
  }
});
