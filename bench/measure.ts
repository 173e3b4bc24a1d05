/**
 * Measures whole processes: several commands in turn (A B C A B C …), so that a machine that is slow for a while is
 * slow for all of them; medians, and ratios taken pair by pair.
 */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";

export interface Command {
  readonly name: string;
  readonly argv: readonly [string, ...string[]];
  /** Runs after each measured run, unmeasured: removes what the command made. */
  readonly tidy?: () => void;
}

export interface Measured {
  readonly name: string;
  /** Milliseconds of wall time, a run each. */
  readonly times: readonly number[];
  /** Milliseconds. */
  readonly median: number;
  /** MB of resident memory at its peak, from a run of its own under GNU time. */
  readonly peak: number;
}

/** @throws Error when a command fails: a time of a failure is no figure */
export function measureInTurn(commands: readonly Command[], runs: number): Measured[] {
  const times = commands.map((): number[] => []);
  for (let run = -1; run < runs; run++) {
    commands.forEach((command, index) => {
      const taken = runOnce(command);
      // The first round warms the page cache and is not counted.
      if (run >= 0) times[index]?.push(taken);
    });
  }
  return commands.map((command, index) => {
    const own = times[index] ?? [];
    return { name: command.name, times: own, median: medianOf(own), peak: peakOf(command) };
  });
}

/** The median of the ratios of runs that stood beside each other. */
export function ratioOf(a: Measured, b: Measured): number {
  return medianOf(a.times.map((time, index) => time / (b.times[index] ?? Number.NaN)));
}

export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

function runOnce(command: Command): number {
  const [program, ...args] = command.argv;
  const start = process.hrtime.bigint();
  const done = spawnSync(program, args, { stdio: ["ignore", "pipe", "pipe"], env: environment() });
  const taken = Number(process.hrtime.bigint() - start) / 1e6;
  command.tidy?.();
  if (done.error !== undefined) throw done.error;
  if (done.status !== 0) {
    throw new Error(`${command.name}: exit status ${String(done.status)}: ${done.stderr.toString()}`);
  }
  return taken;
}

function peakOf(command: Command): number {
  const report = "/tmp/guestboot-bench-time";
  const done = spawnSync("/usr/bin/time", ["-f", "%M", "-o", report, ...command.argv], {
    stdio: "ignore",
    env: environment(),
  });
  command.tidy?.();
  if (done.error !== undefined) throw new Error("GNU time is missing: apt-get install time", { cause: done.error });
  const kibibytes = Number(fs.readFileSync(report, "utf8").trim().split("\n").at(-1));
  fs.rmSync(report);
  return (kibibytes * 1024) / 1e6;
}

/** What a toolstack passes: PATH, and nothing that slows a runtime's start or lends it a cache. */
function environment(): NodeJS.ProcessEnv {
  return { PATH: process.env["PATH"] };
}
