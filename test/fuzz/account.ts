/**
 * The account of a long run, which may be made in many pieces: a line of JSON for each piece of a target, added when the
 * piece has ended. What is interrupted is not counted, and no two pieces of a target have the same seed.
 */
import * as fs from "node:fs";
import type { FuzzTarget } from "./target.ts";

export interface AccountEntry {
  readonly target: string;
  readonly seed: number;
  readonly inputs: number;
  readonly milliseconds: number;
  /** Inputs that were kept so far, with those of the pieces before. */
  readonly corpus: number;
  /** Places of the code that were reached. */
  readonly reached: number;
  /** What was found, in words. */
  readonly findings: readonly string[];
  /** The commit whose code ran; null where there is no repository. */
  readonly commit: string | null;
}

export interface Total {
  readonly inputs: number;
  readonly milliseconds: number;
  readonly pieces: number;
  readonly corpus: number;
  readonly reached: number;
  readonly findings: readonly string[];
  readonly lastSeed: number;
}

/** A piece of work: inputs of one target, from one seed on. */
export interface Piece {
  readonly target: FuzzTarget;
  readonly seed: number;
  readonly runs: number;
}

/** Inputs after which the account is written; what an interruption loses at most, for each target at work. */
const INPUTS_OF_PIECE = 100_000;

/** No file: nothing has run yet. */
export function readAccount(file: string): AccountEntry[] {
  if (!fs.existsSync(file)) return [];
  const lines = fs.readFileSync(file, "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as AccountEntry);
}

export function addToAccount(file: string, entry: AccountEntry): void {
  fs.appendFileSync(file, `${JSON.stringify(entry)}\n`);
}

export function totalOf(account: readonly AccountEntry[], target: string): Total {
  const entries = account.filter((entry) => entry.target === target);
  const sum = (of: (entry: AccountEntry) => number): number => entries.reduce((total, entry) => total + of(entry), 0);
  const most = (of: (entry: AccountEntry) => number): number => Math.max(0, ...entries.map(of));
  return {
    inputs: sum(({ inputs }) => inputs),
    milliseconds: sum(({ milliseconds }) => milliseconds),
    pieces: entries.length,
    corpus: most(({ corpus }) => corpus),
    reached: most(({ reached }) => reached),
    findings: [...new Set(entries.flatMap(({ findings }) => findings))],
    lastSeed: most(({ seed }) => seed),
  };
}

/** What is left until each target has had so many inputs; the first piece of each, then the second of each, and so on. */
export function piecesLeft(targets: readonly FuzzTarget[], account: readonly AccountEntry[], runs: number): Piece[] {
  const rounds: Piece[][] = [];
  for (const target of targets) {
    const { inputs, lastSeed } = totalOf(account, target.name);
    for (let left = runs - inputs, round = 0; left > 0; left -= INPUTS_OF_PIECE, round++) {
      const piece = { target, seed: lastSeed + 1 + round, runs: Math.min(left, INPUTS_OF_PIECE) };
      (rounds[round] ??= []).push(piece);
    }
  }
  return rounds.flat();
}
