import { describe, expect, test } from "vitest";
import { compareRpmVersions, compareVersions } from "../../src/bootconfig/version-order.ts";

describe("the UAPI group's order", () => {
  // The specification's own example, "Examples", oldest first.
  const EXAMPLE = [
    "122.1",
    "123~rc1-1",
    "123",
    "123-a",
    "123-a.1",
    "123-1",
    "123-1.1",
    "123^post1",
    "123.a-1",
    "123.1-1",
    "123a-1",
    "124-1",
  ];

  test("is that of the specification's example", () => {
    expect(EXAMPLE.toReversed().toSorted(compareVersions)).toEqual(EXAMPLE);
  });

  // "Examples" of the specification, each with its result.
  test.for([
    ["11", "11", 0],
    ["systemd-123", "systemd-123", 0],
    ["bar-123", "foo-123", -1],
    ["123a", "123", 1],
    ["123.a", "123", 1],
    ["123.a", "123.b", -1],
    ["123a", "123.a", 1],
    ["11α", "11β", 0],
    ["A", "a", -1],
    ["", "0", -1],
    ["0.", "0", 1],
    ["0.0", "0", 1],
    ["0", "~", 1],
    ["", "~", 1],
    ["1_", "1", 0],
    ["_1", "1", 0],
    ["1_", "1.2", -1],
    ["1_2_3", "1.3.3", 1],
    ["1+", "1", 0],
    ["+1", "1", 0],
    ["1+", "1.2", -1],
    ["1+2+3", "1.3.3", 1],
    ["6.1.0-13-amd64", "6.1.0-9-amd64", 1],
    ["007", "7", 0],
    ["99999999999999999998", "99999999999999999999", -1],
  ] as const)("%s against %s is %i", ([a, b, expected]) => {
    expect(Math.sign(compareVersions(a, b))).toBe(expected);
    expect(Math.sign(compareVersions(b, a)) + expected).toBe(0);
  });
});

describe("RPM's order", () => {
  // rpm's own tests, tests/rpmvercmp.at: inputs and results.
  test.for([
    ["1.0", "1.0", 0],
    ["1.0", "2.0", -1],
    ["2.0.1", "2.0", 1],
    ["2.0.1a", "2.0.1", 1],
    ["5.5p1", "5.5p2", -1],
    ["5.5p10", "5.5p1", 1],
    ["10xyz", "10.1xyz", -1],
    ["xyz10", "xyz10.1", -1],
    ["xyz.4", "8", -1],
    ["5.5p2", "5.6p1", -1],
    ["6.0.rc1", "6.0", 1],
    ["10b2", "10a1", 1],
    ["1.0aa", "1.0a", 1],
    ["10.0001", "10.1", 0],
    ["4.999.9", "5.0", -1],
    ["20101122", "20101121", 1],
    ["2_0", "2.0", 0],
    ["a+", "a_", 0],
    ["1.0~rc1", "1.0", -1],
    ["1.0~rc1", "1.0~rc2", -1],
    ["1.0~rc1~git123", "1.0~rc1", -1],
    ["1.0^", "1.0", 1],
    ["1.0^git1", "1.0", 1],
    ["1.0^git1", "1.0^git2", -1],
    ["1.0^git1", "1.01", -1],
    ["1.0^20160101", "1.0.1", -1],
    ["1.0~rc1^git1", "1.0~rc1", 1],
    ["1.0^git1~pre", "1.0^git1", -1],
  ] as const)("%s against %s is %i", ([a, b, expected]) => {
    expect(Math.sign(compareRpmVersions(a, b))).toBe(expected);
    expect(Math.sign(compareRpmVersions(b, a)) + expected).toBe(0);
  });
});
