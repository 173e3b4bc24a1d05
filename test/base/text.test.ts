import { describe, expect, it } from "vitest";
import { decodeText, encodeText } from "../../src/base/text.ts";
import { seeded } from "./seeded.ts";

/** Bytes in hexadecimal, and what Python's `bytes.decode("utf-8", "surrogateescape")` makes of them. */
const PYTHON: readonly (readonly [bytes: string, text: string])[] = [
  ["", ""],
  ["0001", "\x00\x01"],
  ["e282ac", "\u20ac"],
  ["efbbbf78", "\ufeffx"],
  ["f09f9280", "\u{1f480}"],
  ["ff", "\udcff"],
  ["618062", "a\udc80b"],
  ["c3a9e9", "\xe9\udce9"],
  ["e282", "\udce2\udc82"],
  ["f09f92", "\udcf0\udc9f\udc92"],
  ["c080", "\udcc0\udc80"],
  ["eda080", "\udced\udca0\udc80"],
  ["f4908080", "\udcf4\udc90\udc80\udc80"],
  ["f580", "\udcf5\udc80"],
  ["f09f9280ff", "\u{1f480}\udcff"],
];

const bytesOf = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"));
const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

describe("text of a guest", () => {
  it.each(PYTHON)("of the bytes %s is what Python's surrogateescape makes of them", (bytes, text) => {
    expect(decodeText(bytesOf(bytes))).toBe(text);
  });

  it.each(PYTHON.filter(([bytes]) => bytes !== "f09f9280ff"))("becomes the bytes %s again", (bytes, text) => {
    expect(hexOf(encodeText(text))).toBe(bytes);
  });

  it("gives the same bytes again, whatever they are", () => {
    const random = seeded(1);
    for (let round = 0; round < 3000; round++) {
      const bytes = Uint8Array.from({ length: random() % 40 }, () => random() % 0x100);
      expect(hexOf(encodeText(decodeText(bytes)))).toBe(hexOf(bytes));
    }
  });

  it("gives a character above U+FFFF again that stands beside a byte that is no UTF-8", () => {
    expect(hexOf(encodeText("\u{1f480}\udcff"))).toBe("f09f9280ff");
  });
});
