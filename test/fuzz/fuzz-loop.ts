/**
 * One target's loop: change an input that is known, run it, keep it when it went a new way, judge how it ended.
 */
import { GuestbootError } from "../../src/base/errors.ts";
import { seeded } from "../base/seeded.ts";
import type { Coverage } from "./coverage.ts";
import { mutate, type Mutator } from "./mutate.ts";
import { bytesOf, DEFAULT_LARGEST, type FuzzTarget } from "./target.ts";

/** What no input may do. A parser that never ends is found from outside. */
export type FindingKind = "foreign error" | "defect" | "slow" | "memory" | "unhandled rejection" | "endless";

export interface Finding {
  readonly kind: FindingKind;
  /** The error with where it was thrown, or the figure. */
  readonly what: string;
  readonly input: Uint8Array;
}

export interface LoopOptions {
  readonly seed: number;
  /** Inputs to run, beside the seeds and what was kept. */
  readonly runs: number;
  /** Milliseconds after which the loop ends. */
  readonly time: number;
  /** Findings after which it ends; each way to fail counts once. */
  readonly findings: number;
}

export interface LoopResult {
  readonly inputs: number;
  /** Seeds that were parsed without an error. */
  readonly accepted: number;
  readonly seeds: number;
  /** Inputs that were kept, since each went a way of its own. */
  readonly corpus: number;
  /** Places of the code that were reached. */
  readonly reached: number;
  readonly milliseconds: number;
  readonly findings: readonly Finding[];
}

export interface Fuzzed {
  readonly result: LoopResult;
  /** Inputs that went a way of their own, without the seeds and what was given. */
  readonly kept: readonly Uint8Array[];
}

/** Limits of one input. */
const LONGEST_MS = 1000;
const MOST_KIB = 256 * 1024;

export interface Given {
  readonly seeds: readonly Uint8Array[];
  /** What earlier runs of the target have kept. */
  readonly kept: readonly Uint8Array[];
}

/** Called with each input before it is run. */
export type Announce = (input: Uint8Array) => void;

export async function fuzz(
  target: FuzzTarget,
  { seeds, kept }: Given,
  coverage: Coverage,
  options: LoopOptions,
  announce: Announce = () => undefined,
): Promise<Fuzzed> {
  const next = seeded(options.seed);
  const below = (bound: number): number => (bound <= 1 ? 0 : next() % bound);
  const mutator: Mutator = {
    below,
    dictionary: (target.dictionary ?? []).map((word) => (typeof word === "string" ? bytesOf(word) : word)),
    largest: target.largest ?? DEFAULT_LARGEST,
    isFixedSize: target.isFixedSize ?? false,
  };
  const findings = new Map<string, Finding>();
  const found = (finding: Finding): void => {
    const key = `${finding.kind} ${finding.what.split("\n").slice(0, 3).join(" ").replaceAll(/\d+/g, "N")}`;
    // The loop's memory is used again for the next input.
    if (!findings.has(key)) findings.set(key, { ...finding, input: finding.input.slice() });
  };
  const copyOf = copier(target);
  let current: Uint8Array = new Uint8Array();
  const rejected = (reason: unknown): void =>
    found({ kind: "unhandled rejection", what: wordsOf(reason), input: current });
  process.on("unhandledRejection", rejected);

  const memory = new ResidentMemory();
  const started = performance.now();
  const corpus: Uint8Array[] = [];
  let accepted = 0;
  for (const seed of seeds) {
    current = Uint8Array.from(seed);
    announce(seed);
    const judged = await judge(target, current, memory);
    if (judged === "accepted") accepted++;
    else if (judged !== "refused") found({ ...judged, input: seed });
    coverage.take();
    corpus.push(seed);
  }
  for (const input of kept) {
    current = input;
    announce(input);
    const judged = await judge(target, input, memory);
    if (typeof judged !== "string") found({ ...judged, input });
    if (coverage.take()) corpus.push(input);
  }
  const known = corpus.length;
  let inputs = 0;
  while (inputs < options.runs && !isOver(findings, options)) {
    // Promises that nobody waits for are only told of when the event loop turns.
    if (inputs % 256 === 0) await new Promise((resolve) => setImmediate(resolve));
    if (performance.now() - started > options.time) break;
    inputs++;
    // Half of the time a young input: it went a way that the old ones did not.
    const young = Math.min(corpus.length, 16);
    const parent = below(2) === 0 ? corpus[below(corpus.length)] : corpus[corpus.length - 1 - below(young)];
    const other = corpus[below(corpus.length)];
    const input = changed(target, copyOf(parent ?? NOTHING), other ?? NOTHING, mutator);
    target.repair?.(input, parent ?? NOTHING);
    current = input;
    announce(input);
    const judged = await judge(target, input, memory);
    if (typeof judged !== "string") found({ ...judged, input });
    if (coverage.take()) corpus.push(input.slice());
  }
  await new Promise((resolve) => setImmediate(resolve));
  process.off("unhandledRejection", rejected);
  const result: LoopResult = {
    inputs,
    accepted,
    seeds: seeds.length,
    corpus: corpus.length,
    reached: coverage.reached,
    milliseconds: Math.round(performance.now() - started),
    findings: [...findings.values()],
  };
  return { result, kept: corpus.slice(known) };
}

/** What was resident once is no measure any more, and more of what is slow takes too long: such a finding ends it. */
function isOver(findings: ReadonlyMap<string, Finding>, options: LoopOptions): boolean {
  if (findings.size >= options.findings) return true;
  return [...findings.values()].some(({ kind }) => kind === "memory" || kind === "slow");
}

const NOTHING = new Uint8Array();

/**
 * Copies of inputs, to be changed. Images take the same memory each time: to get so much anew, and to give it back, costs
 * more than all that is read of one.
 */
function copier({ isFixedSize = false }: FuzzTarget): (parent: Uint8Array) => Uint8Array {
  if (!isFixedSize) return (parent) => parent.slice();
  let memory = new Uint8Array();
  return (parent) => {
    if (memory.length < parent.length) memory = new Uint8Array(parent.length);
    memory.set(parent);
    return memory.subarray(0, parent.length);
  };
}

/** @param input may be changed */
function changed(target: FuzzTarget, input: Uint8Array, other: Uint8Array, mutator: Mutator): Uint8Array {
  const head = target.fixedHead?.(input) ?? 0;
  const body = mutate(input.subarray(head), other.subarray(target.fixedHead?.(other) ?? 0), mutator);
  // An image of fixed layout is changed where it lies.
  if (body.buffer === input.buffer && body.byteOffset === head && body.length === input.length - head) return input;
  if (head === 0) return body;
  const whole = new Uint8Array(head + body.length);
  whole.set(input.subarray(0, head));
  whole.set(body, head);
  return whole;
}

type Judged = "accepted" | "refused" | Omit<Finding, "input">;

async function judge(target: FuzzTarget, input: Uint8Array, memory: ResidentMemory): Promise<Judged> {
  const { judged, milliseconds } = await timed(target, input);
  const grown = memory.grownBy(milliseconds);
  if (grown > MOST_KIB) return { kind: "memory", what: `${grown} KiB more of resident memory` };
  if (milliseconds <= LONGEST_MS) return judged;
  // The machine may have been busy with something else: what counts is the thread's own time, at its best.
  const again = [await ownTime(target, input), await ownTime(target, input)];
  const best = Math.min(...again);
  return best > LONGEST_MS ? { kind: "slow", what: `${Math.round(best)} ms of the processor` } : judged;
}

/** To ask the kernel costs as much as a short input, and what would be found takes its time: pages are filled with zeros. */
const QUICK_MS = 4;
const QUICK_INPUTS = 64;

class ResidentMemory {
  #most = process.resourceUsage().maxRSS;
  #unasked = 0;

  /** KiB by which the most that was ever resident has grown in an input that took so long; 0 for a quick one. */
  grownBy(milliseconds: number): number {
    if (milliseconds < QUICK_MS && ++this.#unasked < QUICK_INPUTS) return 0;
    const before = this.#most;
    this.#unasked = 0;
    this.#most = process.resourceUsage().maxRSS;
    return this.#most - before;
  }
}

/** Milliseconds of the processor. */
async function ownTime(target: FuzzTarget, input: Uint8Array): Promise<number> {
  const before = process.threadCpuUsage();
  await timed(target, input);
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1000;
}

async function timed(target: FuzzTarget, input: Uint8Array): Promise<{ judged: Judged; milliseconds: number }> {
  const started = performance.now();
  let judged: Judged = "accepted";
  try {
    const result = target.run(input);
    if (result instanceof Promise) await result;
  } catch (error) {
    judged = target.isRefusal?.(error) === true ? "refused" : judgeError(error);
  }
  return { judged, milliseconds: performance.now() - started };
}

function judgeError(error: unknown): Judged {
  if (!(error instanceof GuestbootError)) return { kind: "foreign error", what: wordsOf(error) };
  return error.code === "INTERNAL" ? { kind: "defect", what: wordsOf(error.cause ?? error) } : "refused";
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
