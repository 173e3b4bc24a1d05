/**
 * Runs targets, each in a process of its own, a few at a time.
 */
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import type { Piece } from "./account.ts";
import { buildWorker, type BuiltWorker } from "./build-worker.ts";
import type { Finding, LoopResult } from "./fuzz-loop.ts";
import type { FuzzTarget } from "./target.ts";
import type { Assignment, Told } from "./worker.ts";

export interface Row extends LoopResult {
  readonly target: string;
  readonly seed: number;
}

export interface FuzzOptions {
  /** Time a piece. */
  readonly milliseconds: number;
  /** Processes side by side. */
  readonly jobs: number;
  /** Where inputs that went a way of their own are kept for further pieces, a folder a target; null: nowhere. */
  readonly kept: string | null;
  readonly onRow?: (row: Row) => void;
}

/** Different ways to fail after which a target is left. */
const MOST_FINDINGS = 5;

/** @returns a row a piece, in their order */
export async function fuzzTargets(pieces: readonly Piece[], options: FuzzOptions): Promise<readonly Row[]> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-fuzz-"));
  try {
    const worker = await buildWorker(folder);
    const seedsOf = seedFiles(folder);
    const rows = new Map<Piece, Row>();
    const waiting = [...pieces];
    const work = async (): Promise<void> => {
      for (let piece = waiting.shift(); piece !== undefined; piece = waiting.shift()) {
        const row = await fuzzPiece(piece, worker, await seedsOf(piece.target), options);
        rows.set(piece, row);
        options.onRow?.(row);
      }
    };
    await Promise.all(Array.from({ length: options.jobs }, work));
    return pieces.flatMap((piece) => rows.get(piece) ?? []);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

const fileName = (target: FuzzTarget): string => target.name.replaceAll(/\W+/g, "-");

/** The seeds of a target as files, made once. */
function seedFiles(folder: string): (target: FuzzTarget) => Promise<readonly string[]> {
  const made = new Map<FuzzTarget, Promise<readonly string[]>>();
  const make = async (target: FuzzTarget): Promise<readonly string[]> =>
    (await target.seeds()).map((bytes, index) => {
      const file = path.join(folder, `${fileName(target)}.${index}`);
      fs.writeFileSync(file, bytes);
      return file;
    });
  return (target) => {
    const files = made.get(target) ?? make(target);
    made.set(target, files);
    return files;
  };
}

async function fuzzPiece(
  { target, seed, runs }: Piece,
  worker: BuiltWorker,
  seeds: readonly string[],
  { milliseconds, kept: keptFolder }: FuzzOptions,
): Promise<Row> {
  const kept = keptFolder === null ? null : path.join(keptFolder, fileName(target));
  if (kept !== null) fs.mkdirSync(kept, { recursive: true });
  const assignment: Assignment = {
    target: target.name,
    seeds,
    kept,
    counters: worker.counters,
    options: { seed, runs, time: milliseconds, findings: MOST_FINDINGS },
  };
  const { findings, ...told } = await runWorker(worker.file, assignment);
  return {
    ...told,
    target: target.name,
    seed,
    findings: findings.map((each): Finding => ({ ...each, input: Buffer.from(each.input, "base64") })),
  };
}

function runWorker(file: string, assignment: Assignment): Promise<Told> {
  const writing = assignment.kept === null ? [] : [`--allow-fs-write=${assignment.kept}`];
  const flags = ["--permission", "--allow-fs-read=*", "--allow-worker", "--allow-net", ...writing];
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
