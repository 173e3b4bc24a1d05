import { describe, expect, it } from "vitest";
import { formatBytes, transferLine } from "../../src/cli/progress.ts";

const half = { label: "http://m/dists/x/initrd.gz", total: 40_000_000, started: 0, bytes: 20_000_000 };

describe("a transfer's line", () => {
  it("shows a bar, percent, bytes, rate and time left", () => {
    const line = transferLine(half, 2_000, 100);
    expect(line).toBe("initrd.gz  [############------------]  50%  20.0 MB  10.0 MB/s  0:02 left");
  });

  it("has no bar and no end in sight where the size is not known", () => {
    expect(transferLine({ ...half, total: null }, 2_000, 100)).toBe("initrd.gz  20.0 MB  10.0 MB/s");
  });

  it.each([10, 40, 60, 80, 200])("never fills a terminal of %i columns to its last", (columns) => {
    const long = { ...half, label: `http://m/${"long-name-".repeat(30)}` };
    expect(transferLine(long, 2_000, columns).length).toBeLessThan(columns);
  });
});

describe("bytes in words", () => {
  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.0 kB"],
    [8_222_656, "8.2 MB"],
    [40_810_276, "40.8 MB"],
    [1.5e13, "15.0 TB"],
  ])("%i is %s", (bytes, words) => {
    expect(formatBytes(bytes)).toBe(words);
  });
});
