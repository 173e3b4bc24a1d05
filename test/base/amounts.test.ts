import { describe, expect, it } from "vitest";
import { readByteCount, readDuration } from "../../src/base/amounts.ts";

describe("amounts as admins write them", () => {
  it.each([
    ["0", 0],
    ["90", 90],
    ["90s", 90],
    ["5m", 300],
    ["1h", 3600],
    ["2d", 172_800],
    ["1w", 604_800],
  ] as const)("the duration %s is %d seconds", (text, seconds) => expect(readDuration(text)).toBe(seconds));
  it.each([
    ["0", 0],
    ["512", 512],
    ["4K", 4096],
    ["20G", 21_474_836_480],
    ["1 MiB", 1_048_576],
    ["1tb", 2 ** 40],
  ] as const)("the size %s is %d bytes", (text, bytes) => expect(readByteCount(text)).toBe(bytes));
  it.each(["", "-1", "1.5h", "h", "1y", "1 h h", "9999999999", "0x10"])("%j is no duration", (text) => {
    expect(readDuration(text)).toBeNull();
  });
  it.each(["", "-1", "1.5G", "G", "1P", "99999999999999T"])("%j is no size", (text) => {
    expect(readByteCount(text)).toBeNull();
  });
});
