import { describe, expect, it } from "vitest";
import { appearanceOf, paint } from "../../../src/cli/menu/paint.ts";
import { sizeOf } from "../../../src/cli/menu/layout.ts";
import { config, entry, session } from "./session.ts";

const XTERM = appearanceOf({ TERM: "xterm-256color" });
const TEN = config(Array.from({ length: 10 }, (_, index) => entry(`entry number ${index}`)));

describe("painting", () => {
  it("clears once and writes every row that is not empty", () => {
    const bytes = paint(null, session(TEN).frame(), XTERM);
    expect(bytes.startsWith("\x1b[H\x1b[J")).toBe(true);
    expect(bytes).toContain("\x1b[3;1H\x1b[7m > entry number 0");
    expect(bytes).toContain("\x1b[4;1H   entry number 1");
    expect(bytes).not.toContain("\n");
  });

  it("writes nothing when nothing has changed", () => {
    const frame = session(TEN).frame();
    expect(paint(frame, frame, XTERM)).toBe("");
  });

  it("writes two rows for a step in the list", () => {
    const menu = session(TEN);
    const before = menu.frame();
    menu.press("down");
    const bytes = paint(before, menu.frame(), XTERM);
    expect(bytes.match(/\x1b\[\d+;1H/g)).toEqual(["\x1b[3;1H", "\x1b[4;1H"]);
    expect(bytes.length).toBeLessThan(200);
  });

  it("writes the changed figures of the countdown only: 2 seconds fit into a line of 300 baud many times", () => {
    const menu = session(TEN, { countdown: 9 });
    const before = menu.frame();
    menu.happen({ kind: "second" });
    const bytes = paint(before, menu.frame(), XTERM);
    expect(bytes).toBe("\x1b[24;11H8 s; any key stops it.\x1b[3;2H");
  });

  it("writes the letter that was typed, and moves the cursor", () => {
    const menu = session(TEN);
    menu.press("c");
    const before = menu.frame();
    menu.press("x");
    expect(paint(before, menu.frame(), XTERM)).toBe("\x1b[2;7Hx\x1b[2;8H");
  });

  it("erases what was longer before", () => {
    const menu = session(TEN, { countdown: 5 });
    const before = menu.frame();
    menu.press("z");
    expect(paint(before, menu.frame(), XTERM)).toContain("\x1b[24;1H\x1b[K");
  });

  it("writes combining characters together with what they stand on", () => {
    const menu = session(TEN);
    menu.press("a", "ctrl-u", "e");
    const before = menu.frame();
    menu.press("\u0301");
    expect(paint(before, menu.frame(), XTERM)).toContain("e\u0301");
  });

  it("asks the terminal nothing and takes no other screen", () => {
    const menu = session(TEN);
    for (const keys of [[], ["e"], ["escape", "c"], ["escape", "a"]]) {
      menu.press(...keys);
      const sequences = paint(null, menu.frame(), XTERM).match(/\x1b.[^A-Za-z]*[A-Za-z]/g) ?? [];
      for (const sequence of sequences) expect(sequence).toMatch(/^\x1b\[[\d;]*[HJKm]$/);
    }
  });

  it.each([
    [{ TERM: "xterm" }, "reverse"],
    [{ TERM: "vt100" }, "reverse"],
    [{ TERM: "linux" }, "reverse"],
    [{}, "plain"],
    [{ TERM: "unknown" }, "plain"],
    [{ TERM: "dumb" }, "plain"],
    [{ TERM: "xterm", NO_COLOR: "1" }, "plain"],
    [{ TERM: "xterm", NO_COLOR: "" }, "reverse"],
  ])("on %j uses %s", (environment, attributes) => {
    const appearance = appearanceOf(environment);
    expect(appearance.attributes).toBe(attributes);
    const bytes = paint(null, session(TEN).frame(), appearance);
    expect(/\x1b\[\d*m/.test(bytes)).toBe(attributes === "reverse");
    expect(bytes).toContain(" > entry number 0");
  });

  it("writes lines and no sequence at all on a dumb terminal", () => {
    const dumb = appearanceOf({ TERM: "dumb" });
    const menu = session(TEN, { countdown: 5 });
    const first = menu.frame();
    expect(paint(null, first, dumb)).toContain("\r\n > entry number 0\r\n   entry number 1\r\n");
    menu.press("down");
    const bytes = paint(first, menu.frame(), dumb);
    expect(bytes).toBe("\r\n > entry number 1");
    expect(paint(null, first, dumb) + bytes).not.toContain("\x1b");
  });
});

describe("the size of a terminal", () => {
  it.each([
    [0, 0, 80, 24],
    [undefined, undefined, 80, 24],
    [132, 43, 132, 43],
    [1, 1, 1, 1],
    [65535, 65535, 500, 200],
    [-5, Number.NaN, 80, 24],
  ])("%s × %s is taken for %i × %i", (columns, rows, ...taken) => {
    const size = sizeOf(columns, rows);
    expect([size.columns, size.rows]).toEqual(taken);
  });
});
