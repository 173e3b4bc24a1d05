/**
 * From one frame to the next in as few bytes as a slow line deserves: only rows that changed, and of those only what
 * follows their first difference. ECMA-48 sequences that every terminal since the VT100 knows; the alternate screen is
 * not used and the terminal is asked nothing, since behind Xen's console nobody may answer.
 */
import type { Frame, Row } from "./render.ts";
import { textWidth } from "./text-width.ts";

export interface Appearance {
  /** `plain`: no attributes, the `>` before the selected entry has to do. */
  readonly attributes: "reverse" | "plain";
  /** Not even the cursor can be moved: rows are written one below the other. */
  readonly isPaper: boolean;
}

/** What a terminal can, by its name and by what its owner wants (https://no-color.org/). */
export function appearanceOf(environment: Readonly<Record<string, string | undefined>>): Appearance {
  const term = environment["TERM"] ?? "";
  const wantsNone = (environment["NO_COLOR"] ?? "") !== "";
  return {
    attributes: KNOWN_TERMINALS.test(term) && !wantsNone ? "reverse" : "plain",
    isPaper: term === "dumb",
  };
}

/** Those whose reverse video is that of ECMA-48. Without a name the cursor can be moved, we hope, and no more. */
const KNOWN_TERMINALS =
  /^(?:xterm|vt[1-5]\d\d|linux|screen|tmux|rxvt|ansi|putty|konsole|gnome|vte|cygwin|alacritty|kitty|foot|st|wezterm|iterm|ms-terminal|hvc)/;

const CLEAR = "\x1b[H\x1b[J";

/** What to write to turn `previous` into `next`; `previous` is null on a terminal that shows something else. */
export function paint(previous: Frame | null, next: Frame, appearance: Appearance): string {
  if (appearance.isPaper) return paintPaper(previous, next);
  const isNew = previous?.rows.length !== next.rows.length;
  const rows = next.rows.map((row, index) =>
    paintRow(isNew ? EMPTY : (previous.rows[index] ?? EMPTY), row, index, appearance),
  );
  const changes = rows.join("");
  const { row, column } = next.cursor;
  const isMoved = isNew || changes !== "" || previous.cursor.row !== row || previous.cursor.column !== column;
  return `${isNew ? CLEAR : ""}${changes}${isMoved ? moveTo(row, column) : ""}`;
}

/** What to write when the menu is over: an empty screen, but for `line`. */
export function paintEnd(line: string, appearance: Appearance): string {
  return appearance.isPaper ? `\r\n${line}\r\n` : `${CLEAR}${line}\r\n`;
}

const EMPTY: Row = { text: "", isSelected: false };

function moveTo(row: number, column: number): string {
  return `\x1b[${row + 1};${column + 1}H`;
}

function paintRow(previous: Row, next: Row, index: number, { attributes }: Appearance): string {
  const isReverse = next.isSelected && attributes === "reverse";
  const wasReverse = previous.isSelected && attributes === "reverse";
  if (previous.text === next.text && isReverse === wasReverse) return "";
  const same = isReverse === wasReverse ? sharedStart(previous.text, next.text) : 0;
  const changed = next.text.slice(same);
  const erase = textWidth(previous.text) > textWidth(next.text) ? "\x1b[K" : "";
  const shown = isReverse && changed !== "" ? `\x1b[7m${changed}\x1b[0m` : changed;
  return `${moveTo(index, textWidth(next.text.slice(0, same)))}${shown}${erase}`;
}

/** How much of both is the same, in whole characters; a combining one goes with the one before it. */
function sharedStart(left: string, right: string): number {
  let same = 0;
  while (same < left.length && left[same] === right[same]) same += 1;
  const isInside = (text: string) =>
    /^[\p{M}\p{Cf}\udc00-\udfff]/u.test(text.slice(same, same + 2)) || startsLow(text, same);
  while (same > 0 && (isInside(left) || isInside(right))) same -= 1;
  return same;
}

/** Is the second half of a character above U+FFFF at `index`? */
function startsLow(text: string, index: number): boolean {
  const code = text.charCodeAt(index);
  return code >= 0xdc00 && code <= 0xdfff;
}

/** A new screen is written out whole; after that only rows that say something new, and what was typed on. */
function paintPaper(previous: Frame | null, next: Frame): string {
  const written = (frame: Frame) => frame.rows.map(({ text }) => text.trimEnd());
  const rows = written(next);
  if (previous === null) return asLines(rows.filter((row) => row !== ""));
  const { row } = next.cursor;
  const [before, now] = [previous.rows[row]?.text ?? "", next.rows[row]?.text ?? ""];
  const others = written(previous).map(withoutMark);
  const changed = rows.filter((text, index) => index !== row && text !== "" && withoutMark(text) !== others[index]);
  if (changed.length > 3) return asLines(rows.filter((text) => text !== ""));
  if (changed.length === 0 && previous.cursor.row === row && now.startsWith(before)) return now.slice(before.length);
  return asLines(now === before && previous.cursor.row === row ? changed : [...changed, now.trimEnd()]);
}

function asLines(rows: readonly string[]): string {
  return rows.map((row) => `\r\n${row}`).join("");
}

/** An entry that is no longer the selected one says nothing new. */
function withoutMark(row: string): string {
  return row.replace(/^ > /, "   ");
}
