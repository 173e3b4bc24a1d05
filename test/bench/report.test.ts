/** What the benchmark says of a row, and that a missed bar cannot hide. */
import { describe, expect, it } from "vitest";
import { tableText } from "../../bench/report.ts";
import { missesOf, timedRow, type Row } from "../../bench/row.ts";

const measured = (name: string, times: readonly number[], peak = 50) => {
  return { name, times, median: times[1] ?? Number.NaN, peak };
};
const row = (bar: number | null) => timedRow("a / b", measured("a", [8, 9, 80]), measured("b", [10, 10, 10]), { bar });
const counted = (count: number): Row => ({ kind: "counted", what: "looked up", count, unit: "bytes read", bar: 100 });
const about = { machine: "1 × CPU", runs: 3, isShort: false, loadBefore: "0.1", loadAfter: "0.2" };

describe("a row of the benchmark", () => {
  it("has the median of the ratios of neighbouring runs", () => {
    expect(row(null).ratio).toBe(0.9);
  });

  it("misses no bar that it keeps, nor one that is not set", () => {
    for (const bar of [null, 0.9, 1]) expect(missesOf(row(bar))).toEqual([]);
    expect(missesOf(counted(100))).toEqual([]);
  });

  it("says by how much it misses each of its bars", () => {
    expect(missesOf(row(0.75))).toEqual(["MISSES its ratio bar by 20%"]);
    expect(missesOf({ ...row(null), memoryBar: 40 })).toEqual(["MISSES its memory bar by 25%"]);
    expect(missesOf({ ...row(null), difference: 11, differenceBar: 10 })).toEqual(["MISSES its time bar by 10%"]);
    expect(missesOf(counted(101))).toEqual(["MISSES its bar by 1%"]);
  });
});

describe("the benchmark's table", () => {
  it("names the machine and its load, marks the rows that miss, and counts them", () => {
    const text = tableText({ ...about, rows: [row(1), row(0.75), counted(7)] });
    expect(text).toMatch(/^1 × CPU; load 0\.1 before, 0\.2 after\n/);
    const lines = text.split("\n").filter((line) => line.startsWith("a / b"));
    expect(lines[0]).toMatch(/ 9\.0 +10\.0 +0\.90 +1\.00 +50 +50 +130$/);
    expect(lines[1]).toMatch(/ 0\.75 +50 +50 +130 +MISSES its ratio bar by 20%$/);
    expect(text).toMatch(/^looked up +7 bytes read, bar 100$/m);
    expect(text).toMatch(/\n1 of 3 rows miss a bar\.\n$/);
  });

  it("judges nothing in the short form", () => {
    const text = tableText({ ...about, isShort: true, rows: [row(0.75)] });
    expect(text).not.toContain("MISSES");
    expect(text).toMatch(/\nShort form: /);
  });
});
