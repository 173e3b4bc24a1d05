/**
 * Which part of the menu has how many rows; the state needs to know it for paging, the renderer for drawing.
 */
import type { TerminalSize } from "./menu-state.ts";
import { takeWidth } from "./text-width.ts";

export interface ListLayout {
  /** A heading, and an empty row under it. */
  readonly hasHeading: boolean;
  /** Two rows that name the keys, and an empty one above. */
  readonly hasHelp: boolean;
  /** The row of the countdown. */
  readonly hasFoot: boolean;
  /** Rows of entries, at least one. */
  readonly rows: number;
}

/** Larger terminals are drawn on only so far; nothing is allocated by what a terminal says of itself. */
const LARGEST = { columns: 500, rows: 200 };
const USUAL: TerminalSize = { columns: 80, rows: 24 };

/** What a terminal says of itself; one that knows no size (a console of Xen says 0 times 0) is taken for 80 × 24. */
export function sizeOf(columns: number | undefined, rows: number | undefined): TerminalSize {
  const bounded = (given: number | undefined, usual: number, largest: number) =>
    given === undefined || !Number.isInteger(given) || given <= 0 ? usual : Math.min(given, largest);
  return {
    columns: bounded(columns, USUAL.columns, LARGEST.columns),
    rows: bounded(rows, USUAL.rows, LARGEST.rows),
  };
}

export function listLayout({ rows }: TerminalSize): ListLayout {
  const hasFoot = rows >= 2;
  const hasHeading = rows >= 6;
  const hasHelp = rows >= 12;
  const taken = (hasFoot ? 1 : 0) + (hasHeading ? 2 : 0) + (hasHelp ? 3 : 0);
  return { hasFoot, hasHeading, hasHelp, rows: Math.max(1, rows - taken) };
}

export function listRows(size: TerminalSize): number {
  return listLayout(size).rows;
}

/** The last column stays free: a character in it makes some terminals go to the next row, and others not. */
export function usableColumns(size: TerminalSize): number {
  return Math.max(1, size.columns - 1);
}

/** `lines` broken into rows of at most `columns` columns. */
export function wrap(lines: readonly string[], columns: number): string[] {
  return lines.flatMap((line) => {
    const rows: string[] = [];
    let rest = line;
    do {
      const row = takeWidth(rest, columns);
      // A wide character in a single column: taken all the same, so that this comes to an end.
      const taken = row === "" && rest !== "" ? String.fromCodePoint(rest.codePointAt(0) ?? 0) : row;
      rows.push(row);
      rest = rest.slice(taken.length);
    } while (rest !== "");
    return rows;
  });
}
