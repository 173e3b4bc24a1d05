import { expect, test } from "vitest";
import { quote } from "../../src/base/printable.ts";

test("plain text stands between quotation marks", () => {
  expect(quote("Größe ✓")).toBe('"Größe ✓"');
});
test("an escape sequence for the terminal does not reach it", () => {
  expect(quote("\u001b[2Jx\u009b1m")).toBe('"\\x1b[2Jx\\x9b1m"');
});
test("line breaks, and marks that turn the writing direction, are shown", () => {
  expect(quote("a\nb\u202ec\u2028d")).toBe('"a\\x0ab\\u{202e}c\\u{2028}d"');
});
test("a byte that was not UTF-8 is shown as that byte", () => {
  expect(quote("caf\udce9")).toBe('"caf\\xe9"');
});
test("quotation marks and backslashes are escaped", () => {
  expect(quote('a"b\\')).toBe('"a\\"b\\\\"');
});
test("long text is cut", () => {
  expect(quote("a".repeat(1000))).toBe(`"${"a".repeat(60)}…"`);
});
