import { describe, expect, it } from "vitest";
import { algorithmOf, checksumFrom, isStrong, parseChecksum, readPin } from "../../src/base/checksum.ts";

const HEX = "0123456789ABCDEF".repeat(8);

describe("a checksum", () => {
  it.each([
    ["SHA256", 64, "sha256"],
    ["sha512", 128, "sha512"],
    ["sha1", 40, "sha1"],
  ])("of %s is written in small letters", (algorithm, length, name) => {
    const checksum = checksumFrom(algorithm, HEX.slice(0, length));
    expect(checksum).toBe(`${name}:${HEX.slice(0, length).toLowerCase()}`);
    expect(checksum === null ? null : algorithmOf(checksum)).toBe(name);
    expect(parseChecksum(checksum ?? "")).toBe(checksum);
  });

  it.each([
    ["md5", HEX.slice(0, 32)],
    ["sha256", HEX.slice(0, 63)],
    ["sha256", `${HEX.slice(0, 63)}g`],
    ["sha1", HEX.slice(0, 64)],
    ["constructor", HEX.slice(0, 64)],
  ])("is none of %s with %s", (algorithm, hex) => {
    expect(checksumFrom(algorithm, hex)).toBeNull();
  });

  it("of SHA-1 proves no more than damage", () => {
    expect(isStrong(`sha1:${HEX.slice(0, 40)}`)).toBe(false);
    expect(isStrong(`sha256:${HEX.slice(0, 64)}`)).toBe(true);
  });
});

describe("a pinned digest", () => {
  it("is what sha256sum prints, with or without the algorithm's name", () => {
    const hex = HEX.slice(0, 64);
    expect(readPin(hex)).toBe(`sha256:${hex.toLowerCase()}`);
    expect(readPin(` sha256:${hex} `)).toBe(`sha256:${hex.toLowerCase()}`);
    expect(readPin(hex.slice(1))).toBeNull();
    expect(readPin("")).toBeNull();
  });
});
