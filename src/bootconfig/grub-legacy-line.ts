/**
 * GRUB legacy's lines: a command word and its value.
 *
 * The manual: `#` begins a comment at the beginning of a line only, blank lines are nothing, options are separated by
 * spaces, numbers are decimal or hexadecimal with `0x`, and text after what a command wants is ignored.
 * Scanned by hand, because a guest can make any backtracking pattern slow with a long run of blanks.
 */
import { Budget } from "../base/budget.ts";

/** One command of the config. `value` is without blanks at both ends. */
export interface Command {
  /** Counted from 1. */
  readonly line: number;
  readonly word: string;
  readonly value: string;
}

const MAX_LINES = 20_000;

/** The commands of a config in order, comments and empty lines left out. @throws BUDGET_EXCEEDED past 20,000 lines */
export function* readCommands(text: string): Generator<Command> {
  const budget = new Budget("lines in the boot config", MAX_LINES);
  let start = 0;
  for (let line = 1; start < text.length; line++) {
    budget.spend();
    const newline = text.indexOf("\n", start);
    const end = newline < 0 ? text.length : newline;
    const command = readCommand(trimBlanks(text.slice(start, end)), line);
    if (command !== null) yield command;
    start = end + 1;
  }
}

/** The first word of `text` and what follows it. */
export function splitWord(text: string): { readonly word: string; readonly rest: string } {
  let end = 0;
  while (end < text.length && !isBlank(text.charCodeAt(end))) end++;
  return { word: text.slice(0, end), rest: trimBlanks(text.slice(end)) };
}

/** The number that `text` begins with as a word of its own, or null. */
export function readNumber(text: string): number | null {
  const { word } = splitWord(text);
  return /^(?:\d{1,9}|0[xX][0-9a-fA-F]{1,7})$/.test(word) ? Number(word) : null;
}

function readCommand(line: string, number: number): Command | null {
  if (line === "" || line.startsWith("#")) return null;
  let end = 0;
  while (end < line.length && line[end] !== "=" && !isBlank(line.charCodeAt(end))) end++;
  const word = line.slice(0, end);
  const rest = trimBlanks(line.slice(end));
  // One `=` stands for a blank; a row of them is decoration in a title.
  const value = rest.startsWith("=") && rest[1] !== "=" ? trimBlanks(rest.slice(1)) : rest;
  return { line: number, word, value };
}

function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

/** Space, tab, and the carriage return of a config that was edited on Windows. */
function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0d;
}
