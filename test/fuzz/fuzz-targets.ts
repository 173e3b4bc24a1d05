/**
 * Runs targets, each in a process of its own, a few at a time.
 */
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { buildWorker, type BuiltWorker } from "./build-worker.ts";
import type { Finding, LoopResult } from "./fuzz-loop.ts";
import type { FuzzTarget } from "./target.ts";
import type { Assignment, Told } from "./worker.ts";

export interface Row extends LoopResult {
  readonly target: string;
}

export interface FuzzOptions {
  readonly seed: number;
  /** Inputs a target. */
  readonly runs: number;
  /** Time a target. */
  readonly milliseconds: number;
  /** Processes side by side. */
  readonly jobs: number;
  readonly onRow?: (row: Row) => void;
}

/** Different ways to fail after which a target is left. */
const MOST_FINDINGS = 5;

/** @returns a row a target, in their order */
export async function fuzzTargets(targets: readonly FuzzTarget[], options: FuzzOptions): Promise<readonly Row[]> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-fuzz-"));
  try {
    const worker = await buildWorker(folder);
    const rows = new Map<string, Row>();
    const waiting = [...targets];
    const work = async (): Promise<void> => {
      for (let target = waiting.shift(); target !== undefined; target = waiting.shift()) {
        const row = { target: target.name, ...(await fuzzTarget(target, worker, folder, options)) };
        rows.set(target.name, row);
        options.onRow?.(row);
      }
    };
    await Promise.all(Array.from({ length: options.jobs }, work));
    return targets.flatMap(({ name }) => rows.get(name) ?? []);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

async function fuzzTarget(
  target: FuzzTarget,
  worker: BuiltWorker,
  folder: string,
  { seed, runs, milliseconds }: FuzzOptions,
): Promise<LoopResult> {
  const seeds = (await target.seeds()).map((bytes, index) => {
    const file = path.join(folder, `${target.name.replaceAll(/\W+/g, "-")}.${index}`);
    fs.writeFileSync(file, bytes);
    return file;
  });
  const assignment: Assignment = {
    target: target.name,
    seeds,
    counters: worker.counters,
    options: { seed, runs, time: milliseconds, findings: MOST_FINDINGS },
  };
  const { findings, ...told } = await runWorker(worker.file, assignment);
  return {
    ...told,
    findings: findings.map((each): Finding => ({ ...each, input: Buffer.from(each.input, "base64") })),
  };
}

function runWorker(file: string, assignment: Assignment): Promise<Told> {
  const flags = ["--permission", "--allow-fs-read=*", "--allow-worker", "--allow-net"];
  // The test runner's own options are not meant for it.
  const env = { ...process.env, NODE_OPTIONS: "", NODE_NO_WARNINGS: "1" };
  const child = spawn(process.execPath, [...flags, file, JSON.stringify(assignment)], {
    stdio: ["ignore", "pipe", "inherit"],
    env,
  });
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    child.stdout.on("data", (piece: Buffer) => pieces.push(piece));
    child.once("error", reject);
    child.once("close", (status, signal) => {
      const text = Buffer.concat(pieces).toString();
      if (text !== "") resolve(JSON.parse(text) as Told);
      else reject(new Error(`the process of ${assignment.target} ended (${signal ?? status}) and told nothing`));
    });
  });
}
