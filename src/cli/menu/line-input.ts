/**
 * One line of text under a cursor, as the editor, the command line and the password prompt share it. The keys are
 * those of GRUB's own line editor, which are Emacs's.
 */
import { printable } from "../../base/printable.ts";
import type { Key } from "./key.ts";
import { characterWidth, takeWidth, textWidth } from "./text-width.ts";

export interface LineInput {
  readonly text: string;
  /** Index into `text`, never inside a character. */
  readonly cursor: number;
}

/** Characters of a line; the kernel takes 2048 to 4096. */
const MAX_LINE = 4096;

export function lineInput(text: string): LineInput {
  return { text, cursor: text.length };
}

/** The line after `key`; null when the key means nothing to a line. */
export function editLine(line: LineInput, key: Key): LineInput | null {
  if (key.kind === "text") return insertText(line, key.text);
  if (key.kind === "control") {
    const named = CONTROL_KEYS.get(key.letter);
    return named === undefined ? killKey(line, key.letter) : editLine(line, { kind: "named", name: named });
  }
  const { text, cursor } = line;
  switch (key.name) {
    case "left":
      return { text, cursor: before(text, cursor) };
    case "right":
      return { text, cursor: after(text, cursor) };
    case "home":
      return { text, cursor: 0 };
    case "end":
      return lineInput(text);
    case "backspace": {
      const start = before(text, cursor);
      return { text: text.slice(0, start) + text.slice(cursor), cursor: start };
    }
    case "delete":
      return { text: text.slice(0, cursor) + text.slice(after(text, cursor)), cursor };
    default:
      return null;
  }
}

/** `text` put in at the cursor; a line that is full stays as it is. */
export function insertText(line: LineInput, text: string): LineInput {
  if (line.text.length + text.length > MAX_LINE) return line;
  return {
    text: line.text.slice(0, line.cursor) + text + line.text.slice(line.cursor),
    cursor: line.cursor + text.length,
  };
}

/** What of the line shows in `columns` columns, and the column in it where the cursor stands. */
export function visibleLine(line: LineInput, columns: number): { readonly text: string; readonly column: number } {
  const shown = printable(line.text);
  const left = textWidth(printable(line.text.slice(0, line.cursor)));
  if (columns <= 1) return { text: "", column: 0 };
  if (textWidth(shown) < columns) return { text: shown, column: left };
  // Moved in steps of half the width, so that a key more does not paint the whole line anew.
  const step = Math.max(1, Math.floor(columns / 2));
  const skipped = left < columns - 1 ? 0 : Math.ceil((left - columns + 2) / step) * step;
  const start = takeWidth(shown, skipped);
  return { text: takeWidth(shown.slice(start.length), columns - 1), column: left - textWidth(start) };
}

const CONTROL_KEYS = new Map([
  ["a", "home"],
  ["e", "end"],
  ["b", "left"],
  ["f", "right"],
  ["d", "delete"],
  ["h", "backspace"],
] as const) as ReadonlyMap<string, "home" | "end" | "left" | "right" | "delete" | "backspace">;

function killKey({ text, cursor }: LineInput, letter: string): LineInput | null {
  if (letter === "k") return { text: text.slice(0, cursor), cursor };
  if (letter === "u") return { text: text.slice(cursor), cursor: 0 };
  if (letter !== "w") return null;
  const kept = text.slice(0, cursor).replace(/\S*\s*$/, "");
  return { text: kept + text.slice(cursor), cursor: kept.length };
}

/** A combining character goes with the one that it stands on. */
function before(text: string, cursor: number): number {
  let at = cursor;
  do at -= at >= 2 && /^[\ud800-\udbff][\udc00-\udfff]$/.test(text.slice(at - 2, at)) ? 2 : 1;
  while (at > 0 && isCombining(text, at));
  return Math.max(at, 0);
}

function after(text: string, cursor: number): number {
  let at = cursor;
  do at += (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
  while (at < text.length && isCombining(text, at));
  return Math.min(at, text.length);
}

function isCombining(text: string, at: number): boolean {
  return characterWidth(String.fromCodePoint(text.codePointAt(at) ?? 0)) === 0;
}
