import { describe, expect, it } from "vitest";
import { cutToWidth, takeWidth, textWidth } from "../../../src/cli/menu/text-width.ts";

describe("the width of text", () => {
  it.each([
    ["", 0],
    ["plain", 5],
    ["Wörter", 6],
    ["漢字", 4],
    ["ｆｕｌｌ", 8],
    ["한국어", 6],
    ["e\u0301", 1],
    ["a\u200db", 2],
    ["😀", 2],
    ["\u00ad", 1],
  ])("%j takes %i columns", (text, columns) => {
    expect(textWidth(text)).toBe(columns);
  });

  it.each([
    ["fits", 4, "fits"],
    ["does not fit", 6, "does >"],
    ["漢字漢字", 6, "漢字>"],
    ["漢字漢字", 5, "漢字>"],
    ["漢字", 1, ">"],
    ["x", 0, ""],
  ])("%j cut to %i is %j", (text, columns, cut) => {
    expect(cutToWidth(text, columns)).toBe(cut);
  });

  it("takes a combining character together with what it stands on", () => {
    expect(takeWidth("e\u0301x", 1)).toBe("e\u0301");
  });

  it("does not follow a million combining characters", () => {
    expect(cutToWidth(`a${"\u0301".repeat(1_000_000)}`, 10).length).toBeLessThan(5000);
  });
});
