/**
 * Progress on standard error: on a terminal a bar for each transfer with rate and time left, else a line at its
 * start and its end.
 */
import { silent, type Progress, type Transfer } from "../base/progress.ts";

const REDRAW_MS = 100;
const BAR_WIDTH = 24;
const FALLBACK_COLUMNS = 80;

export function progressOnStandardError(options: { readonly quiet: boolean }): Progress {
  // The stream is made when it is first asked for, and loads the runtime's network modules.
  if (options.quiet) return silent;
  const stream = process.stderr;
  return stream.isTTY ? terminalProgress(stream) : plainProgress(stream);
}

function plainProgress(stream: NodeJS.WriteStream): Progress {
  const say = (line: string) => void stream.write(`${line}\n`);
  return {
    say,
    warn: (line) => say(`warning: ${line}`),
    transfer(label, total) {
      const started = performance.now();
      let bytes = 0;
      say(`fetching ${label}${total === null ? "" : ` (${formatBytes(total)})`}`);
      return {
        advance: (more) => void (bytes += more),
        end: (outcome) => say(`${outcome === "done" ? "fetched" : "failed"} ${label}: ${summary(bytes, started)}`),
      };
    },
  };
}

interface ShownTransfer {
  readonly label: string;
  readonly total: number | null;
  readonly started: number;
  bytes: number;
}

/** The lines of the running transfers stand below everything else and are drawn over in place. */
function terminalProgress(stream: NodeJS.WriteStream): Progress {
  const running: ShownTransfer[] = [];
  let drawn = 0;
  let lastDraw = 0;

  const erase = () => {
    if (drawn > 0) stream.write(`\x1b[${drawn}A\x1b[J`);
    drawn = 0;
  };
  const draw = () => {
    const columns = stream.columns > 0 ? stream.columns : FALLBACK_COLUMNS;
    erase();
    for (const transfer of running) stream.write(`${transferLine(transfer, performance.now(), columns)}\n`);
    drawn = running.length;
    lastDraw = performance.now();
  };
  const say = (line: string) => {
    erase();
    stream.write(`${line}\n`);
    draw();
  };
  return {
    say,
    warn: (line) => say(`warning: ${line}`),
    transfer(label, total): Transfer {
      const shown: ShownTransfer = { label, total, started: performance.now(), bytes: 0 };
      running.push(shown);
      draw();
      return {
        advance(bytes) {
          shown.bytes += bytes;
          if (performance.now() - lastDraw >= REDRAW_MS) draw();
        },
        end(outcome) {
          running.splice(running.indexOf(shown), 1);
          say(`${outcome === "done" ? "fetched" : "failed"} ${label}: ${summary(shown.bytes, shown.started)}`);
        },
      };
    },
  };
}

/** One line of at most `columns - 1` characters: `initrd.gz [#####-----]  52%  21.3 MB  88.1 MB/s  0:02 left`. */
export function transferLine(transfer: Readonly<ShownTransfer>, now: number, columns: number): string {
  const seconds = (now - transfer.started) / 1000;
  const rate = seconds > 0 ? transfer.bytes / seconds : 0;
  const { total, bytes } = transfer;
  const figures: string[] = [];
  if (total !== null && total > 0) {
    const part = Math.min(bytes / total, 1);
    const filled = Math.round(part * BAR_WIDTH);
    figures.push(
      `[${"#".repeat(filled)}${"-".repeat(BAR_WIDTH - filled)}] ${String(Math.floor(part * 100)).padStart(3)}%`,
    );
  }
  figures.push(formatBytes(bytes), `${formatBytes(rate)}/s`);
  if (total !== null && rate > 0) figures.push(`${formatDuration((total - bytes) / rate)} left`);
  const tail = figures.join("  ");
  const room = columns - 1 - tail.length - 2;
  const name = transfer.label.slice(transfer.label.lastIndexOf("/") + 1);
  const line = room < 4 ? tail : `${name.length > room ? `…${name.slice(name.length - room + 1)}` : name}  ${tail}`;
  return line.slice(0, columns - 1);
}

function summary(bytes: number, started: number): string {
  const seconds = (performance.now() - started) / 1000;
  return `${formatBytes(bytes)} in ${seconds.toFixed(1)} s (${formatBytes(seconds > 0 ? bytes / seconds : 0)}/s)`;
}

/** Decimal units, as servers and package tools state sizes. */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? String(Math.round(value)) : value.toFixed(1)} ${units[unit] ?? ""}`;
}

function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
