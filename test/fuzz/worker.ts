/**
 * The process of one target: a thread that runs the inputs, with every right of the runtime given up, and beside it
 * this one, which sees when an input never ends. What was found is told on standard output.
 */
import * as fs from "node:fs";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { Coverage, COUNTERS } from "./coverage.ts";
import { fuzz, type Finding, type LoopOptions, type LoopResult } from "./fuzz-loop.ts";
import { PLANTED } from "./planted.ts";
import { TARGETS } from "./targets.ts";

/** What the parent process hands over, as JSON in the first argument. */
export interface Assignment {
  readonly target: string;
  readonly seeds: readonly string[];
  readonly counters: number;
  readonly options: LoopOptions;
}

/** As `LoopResult`, with the inputs in base64. */
export type Told = Omit<LoopResult, "findings"> & {
  readonly findings: readonly (Omit<Finding, "input"> & { readonly input: string })[];
};

interface Handed {
  readonly assignment: Assignment;
  readonly seeds: readonly Uint8Array[];
  /** Number of the input that runs, and its length. */
  readonly state: Int32Array;
  readonly input: Uint8Array;
}

const LARGEST_INPUT = 8 << 20;
/** An input that takes so long has no end. */
const ENDLESS_MS = 20_000;

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

async function runThread({ assignment, seeds, state, input }: Handed): Promise<void> {
  const counters = new Uint8Array(Math.ceil(assignment.counters / 8) * 8);
  Reflect.set(globalThis, COUNTERS, counters);
  // Most inputs are refused by an error, and its stack is most of what that costs.
  Error.stackTraceLimit = 4;
  const target = [...TARGETS, ...PLANTED].find((each) => each.name === assignment.target);
  if (target === undefined) throw new Error(`no target ${assignment.target}`);
  giveUpRights();
  const result = await fuzz(target, seeds, new Coverage(counters), assignment.options, (bytes) => {
    input.set(bytes);
    Atomics.store(state, 1, bytes.length);
    Atomics.add(state, 0, 1);
  });
  parentPort?.postMessage(result);
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
  const seeds = assignment.seeds.map((file) => new Uint8Array(fs.readFileSync(file)));
  const handed: Handed = { assignment, seeds, state, input };
  const thread = new Worker(new URL(import.meta.url), { workerData: handed, stdout: false });
  const started = performance.now();
  let last = { number: -1, since: started };
  const watch = setInterval(() => {
    const number = Atomics.load(state, 0);
    const now = performance.now();
    if (number !== last.number) last = { number, since: now };
    else if (now - last.since > ENDLESS_MS) tellEndless();
  }, 500);
  thread.on("message", (result: LoopResult) => tell(result));
  thread.on("error", (error) => {
    clearInterval(watch);
    throw error;
  });
  thread.on("exit", () => clearInterval(watch));

  function tellEndless(): void {
    const bytes = Uint8Array.from(input.subarray(0, Atomics.load(state, 1)));
    const finding: Finding = { kind: "endless", what: `no end after ${ENDLESS_MS} ms`, input: bytes };
    const inputs = Math.max(0, last.number - seeds.length);
    const milliseconds = Math.round(performance.now() - started);
    const unknown = { accepted: 0, seeds: seeds.length, corpus: 0, reached: 0 };
    tell({ ...unknown, inputs, milliseconds, findings: [finding] });
    process.exit();
  }
}

function tell(result: LoopResult): void {
  const findings = result.findings.map((each) => ({ ...each, input: Buffer.from(each.input).toString("base64") }));
  const told: Told = { ...result, findings };
  fs.writeSync(1, JSON.stringify(told));
}
