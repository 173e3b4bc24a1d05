/**
 * What the benchmark prints: the machine, one table, and the rows that miss a bar marked.
 */
import * as os from "node:os";
import type { Measured } from "./measure.ts";
import { missesOf, type CountedRow, type Row, type TimedRow } from "./row.ts";

const HEAD = ["", "ours ms", "other ms", "ratio", "bar", "ours MB", "other MB", "bar"];

export function machine(): string {
  const memory = Math.round(os.totalmem() / 1024 ** 3);
  return `${os.cpus().length} × ${os.cpus()[0]?.model ?? "unknown"}, ${memory} GiB, ${os.type()} ${os.release()}`;
}

/** What else the machine does: only on a quiet one are times figures. */
export function load(): string {
  return (os.loadavg()[0] ?? Number.NaN).toFixed(1);
}

export interface Report {
  readonly machine: string;
  readonly runs: number;
  readonly isShort: boolean;
  readonly loadBefore: string;
  readonly loadAfter: string;
  readonly rows: readonly Row[];
}

export function tableText(report: Report): string {
  const lines = report.rows.map((row) => ({ cells: cellsOf(row), remarks: remarksOf(row, report.isShort) }));
  const widths = HEAD.map((head, column) =>
    Math.max(head.length, ...lines.map(({ cells }) => cells[column]?.length ?? 0)),
  );
  const text = (cells: readonly string[], remarks = "") => {
    const padded = cells.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
    );
    return [...padded, remarks].join("  ").trimEnd();
  };
  const words = [
    `${report.machine}; load ${report.loadBefore} before, ${report.loadAfter} after`,
    `at most ${report.runs} runs each, in turn: median wall time, ratio of neighbouring runs, peak of resident memory`,
  ];
  const table = [text(HEAD), ...lines.map(({ cells, remarks }) => text(cells, remarks))];
  return [...words, "", ...table, "", conclusion(report), ""].join("\n");
}

function conclusion({ rows, isShort }: Report): string {
  if (isShort) return "Short form: small sizes, which the rows' names and bars are not meant for.";
  const count = rows.filter((row) => missesOf(row).length > 0).length;
  return count === 0 ? "No row misses a bar." : `${count} of ${rows.length} rows miss a bar.`;
}

/** The rows with what they miss, every single time with them. */
export function jsonText({ rows, ...about }: Report): string {
  const plain = ({ name, times, median, peak }: Measured) => ({ name, times, median, peak });
  const timed = (row: TimedRow) => ({ ...row, ours: plain(row.ours), other: plain(row.other) });
  const each = rows.map((row) => ({ ...(row.kind === "timed" ? timed(row) : row), misses: missesOf(row) }));
  return `${JSON.stringify({ ...about, rows: each }, null, 2)}\n`;
}

function cellsOf(row: Row): string[] {
  if (row.kind === "counted") return [row.what];
  const { what, ours, other, ratio, bar, memoryBar } = row;
  const times = [ours.median.toFixed(1), other.median.toFixed(1), ratio.toFixed(2), bar?.toFixed(2) ?? ""];
  return [what, ...times, ours.peak.toFixed(0), other.peak.toFixed(0), memoryBar.toFixed(0)];
}

function remarksOf(row: Row, isShort: boolean): string {
  const said = row.kind === "counted" ? countText(row) : differenceText(row);
  return [...said, ...(isShort ? [] : missesOf(row))].join(", ");
}

function countText({ count, unit, bar }: CountedRow): string[] {
  return [`${count} ${unit}${bar === null ? "" : `, bar ${bar}`}`];
}

function differenceText({ difference, differenceBar }: TimedRow): string[] {
  if (difference === undefined) return [];
  return [`${difference.toFixed(1)} ms${differenceBar === undefined ? "" : `, bar ${differenceBar} ms`}`];
}
