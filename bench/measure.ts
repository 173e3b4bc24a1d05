/**
 * Measures whole processes: several commands in turn (A B C A B C …), so that a machine that is slow for a while is
 * slow for all of them; medians, and ratios taken pair by pair.
 */
import { spawnSync } from "node:child_process";

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
  /** MB of resident memory at the peak of its largest process, from a run of its own under GNU time. */
  readonly peak: number;
}

/** Bytes of what a command may print. */
const MOST_OUTPUT = 64 * 1024 * 1024;

/** @throws Error when a command fails: a time of a failure is no figure */
export function measureInTurn(commands: readonly Command[], runs: number): Measured[] {
  const times = commands.map((): number[] => []);
  for (let run = -1; run < runs; run++) {
    commands.forEach((command, index) => {
      const taken = timeOf(command);
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

/** Milliseconds. */
function timeOf(command: Command): number {
  const start = process.hrtime.bigint();
  const done = run(command.argv);
  const taken = Number(process.hrtime.bigint() - start) / 1e6;
  command.tidy?.();
  check(command, done);
  return taken;
}

const GNU_TIME = "/usr/bin/time";

/** MB. */
function peakOf(command: Command): number {
  const done = run([GNU_TIME, "-f", "%M", ...command.argv]);
  command.tidy?.();
  if (done.error !== undefined) throw new Error(`${GNU_TIME} is missing: apt-get install time`, { cause: done.error });
  check(command, done);
  // It writes behind all that the command says.
  const kibibytes = Number(done.stderr.toString().trim().split("\n").at(-1));
  return (kibibytes * 1024) / 1e6;
}

function run([program, ...args]: readonly [string, ...string[]]) {
  return spawnSync(program, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: environment(),
    maxBuffer: MOST_OUTPUT,
  });
}

function check({ name }: Command, done: ReturnType<typeof run>): void {
  if (done.error !== undefined) throw done.error;
  if (done.status !== 0) throw new Error(`${name}: exit status ${String(done.status)}: ${done.stderr.toString()}`);
}

/** What a toolstack passes: PATH, and nothing that slows a runtime's start or lends it a cache. */
function environment(): NodeJS.ProcessEnv {
  return { PATH: process.env["PATH"] };
}
