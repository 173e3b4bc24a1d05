/**
 * A tolerant reader of INI as `.treeinfo` files are written: by Python's ConfigParser of many ages, and by hand.
 * `;` and `#` begin comment lines, `=` or `:` ends a key (whichever comes first), names of sections are taken as they
 * are. What is neither is skipped; a key that is given twice has its last value.
 *
 * Not here: values over several lines, and comments behind a value.
 */
import { Budget } from "../base/budget.ts";

export type IniSections = ReadonlyMap<string, ReadonlyMap<string, string>>;

const MOST_LINES = 100_000;

/** @param what names the file, for the error. @throws BUDGET_EXCEEDED for more lines than any real file has */
export function readIni(text: string, what: string): IniSections {
  const budget = new Budget(`lines in ${what}`, MOST_LINES);
  const sections = new Map<string, Map<string, string>>();
  let current: Map<string, string> | null = null;
  for (const line of linesOf(text, budget)) {
    const trimmed = line.trim();
    if (trimmed === "" || trimmed.startsWith(";") || trimmed.startsWith("#")) continue;
    const name = /^\[([^\]]*)\]/.exec(trimmed)?.[1]?.trim();
    if (name !== undefined) {
      current = sections.get(name) ?? new Map<string, string>();
      sections.set(name, current);
      continue;
    }
    const separator = trimmed.search(/[=:]/);
    if (separator > 0) current?.set(trimmed.slice(0, separator).trim(), trimmed.slice(separator + 1).trim());
  }
  return sections;
}

/** Lines one at a time, without their ends; a file of one long line makes one string and no more. */
export function* linesOf(text: string, budget: Budget): Generator<string> {
  const clean = text.startsWith("\ufeff") ? text.slice(1) : text;
  for (let at = 0; at < clean.length;) {
    budget.spend();
    const newline = clean.indexOf("\n", at);
    const end = newline === -1 ? clean.length : newline;
    yield clean.slice(at, clean[end - 1] === "\r" ? end - 1 : end);
    at = end + 1;
  }
}
