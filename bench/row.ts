/**
 * What the benchmark's table is made of. Each group of rows is a function of a `Setting`.
 */
import { measureInTurn, medianOf, ratioOf, type Command, type Measured } from "./measure.ts";

export interface Setting {
  /** Makes an empty folder of that name, on a disk. */
  readonly folder: (name: string) => string;
  /** An empty folder on a tmpfs; who puts something there takes it away. */
  readonly tmpfs: string;
  /** The folder of the built program. */
  readonly dist: string;
  /** Debian's own, whose sizes the rows name; a made-up small one in the short form. */
  readonly installer: { readonly kernel: string; readonly initrd: string };
  /** How often each command is measured. */
  readonly runs: number;
  /** Small sizes: to see that the benchmark works, not for figures. */
  readonly isShort: boolean;
}

/** Two commands beside each other. */
export interface TimedRow {
  readonly kind: "timed";
  readonly what: string;
  readonly ours: Measured;
  readonly other: Measured;
  readonly ratio: number;
  /** The most that the ratio may be; null where none is set. */
  readonly bar: number | null;
  /** MB of resident memory that ours may take at its peak. */
  readonly memoryBar: number;
  /** Milliseconds, where those are what counts, and the most that they may be. */
  readonly difference?: number | undefined;
  readonly differenceBar?: number | undefined;
}

/** Something that is counted and not timed. */
export interface CountedRow {
  readonly kind: "counted";
  readonly what: string;
  readonly count: number;
  /** "bytes read". */
  readonly unit: string;
  readonly bar: number | null;
}

export type Row = TimedRow | CountedRow;

/** MB. A start from disk stays below; what takes more says so in its row. */
const MEMORY_BAR_MB = 130;

export interface Bars {
  readonly bar?: number | null;
  readonly memoryBar?: number;
}

/** The second is what ours is held against. */
export function compare(what: string, commands: readonly [Command, Command], runs: number, bars: Bars = {}): TimedRow {
  const [ours, other] = measureInTurn(commands, runs);
  if (ours === undefined || other === undefined) throw new Error("two commands give two measurements");
  return timedRow(what, ours, other, bars);
}

export function timedRow(what: string, ours: Measured, other: Measured, bars: Bars = {}): TimedRow {
  const { bar = null, memoryBar = MEMORY_BAR_MB } = bars;
  return { kind: "timed", what, ours, other, ratio: ratioOf(ours, other), bar, memoryBar };
}

/** How cost grows: a row for each size but the first, beside the first. */
export function growth(
  what: string,
  sizes: readonly { readonly size: string; readonly command: Command }[],
  runs: number,
  memoryBar = MEMORY_BAR_MB,
): TimedRow[] {
  const [smallest, ...larger] = measureInTurn(
    sizes.map(({ command }) => command),
    runs,
  );
  if (smallest === undefined) throw new Error(`${what}: there must be a size`);
  return larger.map((measured, index) => {
    const name = `growth, ${what}: ${sizes[index + 1]?.size ?? ""} / ${sizes[0]?.size ?? ""}`;
    return timedRow(name, measured, smallest, { memoryBar });
  });
}

/** Milliseconds between the two: the median of neighbouring runs. */
export function differenceOf({ ours, other }: TimedRow): number {
  return medianOf(ours.times.map((time, run) => time - (other.times[run] ?? Number.NaN)));
}

/** Which of its bars a row misses, and by how much; empty when none. */
export function missesOf(row: Row): string[] {
  const misses =
    row.kind === "counted"
      ? [missed(row.count, row.bar, "")]
      : [
          missed(row.ratio, row.bar, "ratio "),
          missed(row.ours.peak, row.memoryBar, "memory "),
          missed(row.difference ?? 0, row.differenceBar ?? null, "time "),
        ];
  return misses.filter((words) => words !== "");
}

function missed(value: number, bar: number | null, what: string): string {
  if (bar === null || value <= bar) return "";
  // A bar that is missed by next to nothing is missed, too.
  return `MISSES its ${what}bar by ${Math.max(1, Math.round((value / bar - 1) * 100))}%`;
}
