/**
 * The process of one target: a thread that runs the inputs, with every right of the runtime given up, and beside it
 * this one, which sees when an input never ends. What was found is told on standard output.
 */
import { hash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { Coverage, COUNTERS } from "./coverage.ts";
import { fuzz, type Finding, type Fuzzed, type Given, type LoopOptions, type LoopResult } from "./fuzz-loop.ts";
import { PLANTED } from "./planted.ts";
import { TARGETS } from "./targets.ts";

/** What the parent process hands over, as JSON in the first argument. */
export interface Assignment {
  readonly target: string;
  /** Files. */
  readonly seeds: readonly string[];
  /** A folder with what earlier runs of the target have kept, and for what this one keeps; null: none. */
  readonly kept: string | null;
  readonly counters: number;
  readonly options: LoopOptions;
}

/** As `LoopResult`, with the inputs of findings in base64. */
export type Told = Omit<LoopResult, "findings"> & {
  readonly findings: readonly (Omit<Finding, "input"> & { readonly input: string })[];
};

interface Handed {
  readonly assignment: Assignment;
  readonly given: Given;
  /** Number of the input that runs, and its length. */
  readonly state: Int32Array;
  readonly input: Uint8Array;
}

const LARGEST_INPUT = 8 << 20;
/** An input that takes so long has no end. */
const ENDLESS_MS = 20_000;
/** By the clock: of an input that waits and computes nothing. A busy machine gives one that computes little by then. */
const STUCK_MS = 90_000;

const RIGHTS = ["fs.read", "fs.write", "net", "child", "worker"] as const;

if (isMainThread) superviseThread(JSON.parse(process.argv[2] ?? "") as Assignment);
else {
  // The loop listens for rejections itself: a failure of its own must not look like one that nobody waited for.
  runThread(workerData as Handed).catch((error: unknown) => {
    setImmediate(() => {
      throw error;
    });
  });
}

async function runThread({ assignment, given, state, input }: Handed): Promise<void> {
  const counters = new Uint8Array(Math.ceil(assignment.counters / 8) * 8);
  Reflect.set(globalThis, COUNTERS, counters);
  // Most inputs are refused by an error, and its stack is most of what that costs.
  Error.stackTraceLimit = 4;
  const target = [...TARGETS, ...PLANTED].find((each) => each.name === assignment.target);
  if (target === undefined) throw new Error(`no target ${assignment.target}`);
  giveUpRights();
  const fuzzed = await fuzz(target, given, new Coverage(counters), assignment.options, (bytes) => {
    input.set(bytes);
    Atomics.store(state, 1, bytes.length);
    Atomics.add(state, 0, 1);
  });
  parentPort?.postMessage(fuzzed);
}

/** No file, no network, no program: what tries fails with an error of the runtime, and that is a finding. */
function giveUpRights(): void {
  const permission = process.permission as { drop(scope: string): void; has(scope: string): boolean } | undefined;
  for (const scope of RIGHTS) {
    permission?.drop(scope);
    if (permission?.has(scope) !== false) throw new Error(`the right ${scope} could not be given up`);
  }
}

function superviseThread(assignment: Assignment): void {
  const state = new Int32Array(new SharedArrayBuffer(8));
  const input = new Uint8Array(new SharedArrayBuffer(LARGEST_INPUT));
  const given: Given = { seeds: readAll(assignment.seeds), kept: readAll(keptFiles(assignment.kept)) };
  const handed: Handed = { assignment, given, state, input };
  const thread = new Worker(new URL(import.meta.url), { workerData: handed, stdout: false });
  const started = performance.now();
  let last = { number: -1, since: started, used: usedMs() };
  const watch = setInterval(() => {
    const number = Atomics.load(state, 0);
    const now = performance.now();
    if (number !== last.number) last = { number, since: now, used: usedMs() };
    else if (usedMs() - last.used > ENDLESS_MS || now - last.since > STUCK_MS) tellEndless();
  }, 500);
  thread.on("message", ({ result, kept }: Fuzzed) => {
    if (assignment.kept !== null) keep(kept, assignment.kept);
    tell(result);
  });
  thread.on("error", (error) => {
    clearInterval(watch);
    throw error;
  });
  thread.on("exit", () => clearInterval(watch));

  function tellEndless(): void {
    const bytes = Uint8Array.from(input.subarray(0, Atomics.load(state, 1)));
    const finding: Finding = {
      kind: "endless",
      what: `no end after ${Math.round(performance.now() - last.since)} ms`,
      input: bytes,
    };
    const inputs = Math.max(0, last.number - given.seeds.length - given.kept.length);
    const milliseconds = Math.round(performance.now() - started);
    const unknown = { accepted: 0, seeds: given.seeds.length, corpus: 0, reached: 0 };
    tell({ ...unknown, inputs, milliseconds, findings: [finding] });
    process.exit();
  }
}

/** What the process has computed so far, in milliseconds. */
function usedMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function keptFiles(folder: string | null): string[] {
  return folder === null ? [] : fs.readdirSync(folder).map((name) => path.join(folder, name));
}

function readAll(files: readonly string[]): Uint8Array[] {
  return files.map((file) => new Uint8Array(fs.readFileSync(file)));
}

/** By their digest: pieces that ran side by side may have found the same. */
function keep(inputs: readonly Uint8Array[], folder: string): void {
  for (const input of inputs) fs.writeFileSync(path.join(folder, hash("sha256", input)), input);
}

function tell(result: LoopResult): void {
  const findings = result.findings.map((each) => ({ ...each, input: Buffer.from(each.input).toString("base64") }));
  const told: Told = { ...result, findings };
  fs.writeSync(1, JSON.stringify(told));
}
