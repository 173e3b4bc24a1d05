/**
 * Fuzzes every parser of outside bytes: `npm run fuzz -- [--time SECONDS] [--runs N] [--target NAME]… [--seed N]
 * [--jobs N] [--output FOLDER] [--json] [--account FILE]`. Exit status 1 where something was found. The seed is that of
 * the changes: what mkfs makes for them to begin with has other UUIDs and times in each run, so what was found is kept
 * as a file.
 *
 * With `--account` the run is one of several: it goes on with what the earlier ones have kept until each target has had
 * `--runs` inputs in all, in pieces with seeds of their own, and writes down each piece.
 */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { parseArgs } from "node:util";
import { addToAccount, piecesLeft, readAccount, type AccountEntry, type Piece } from "./account.ts";
import { fuzzTargets, type Row } from "./fuzz-targets.ts";
import { TARGETS } from "./targets.ts";

const { values } = parseArgs({
  options: {
    time: { type: "string" },
    runs: { type: "string" },
    target: { type: "string", multiple: true },
    seed: { type: "string", default: "1" },
    jobs: { type: "string", default: "2" },
    output: { type: "string", default: path.join(import.meta.dirname, "../../dist/fuzz") },
    account: { type: "string" },
    json: { type: "boolean", default: false },
  },
});

const chosen = TARGETS.filter(({ name }) => values.target === undefined || values.target.includes(name));
const seconds = values.time === undefined ? null : numberOf("--time", values.time);
const runs = values.runs === undefined ? Number.MAX_SAFE_INTEGER : numberOf("--runs", values.runs);
const seed = numberOf("--seed", values.seed);
const { account } = values;
if (account !== undefined && values.runs === undefined) throw new Error("--account takes --runs: how many in all");
const pieces =
  account === undefined
    ? chosen.map((target): Piece => ({ target, seed, runs }))
    : piecesLeft(chosen, readAccount(account), runs);
const commit = spawnSync("git", ["rev-parse", "--short", "HEAD"], { cwd: import.meta.dirname, encoding: "utf8" });
const rows = await fuzzTargets(pieces, {
  // All share the time that was given.
  milliseconds:
    seconds === null ? Number.MAX_SAFE_INTEGER : (seconds * 1000 * numberOf("--jobs", values.jobs)) / pieces.length,
  jobs: numberOf("--jobs", values.jobs),
  kept: account === undefined ? null : path.join(values.output, "kept"),
  onRow: (row) => {
    if (account !== undefined) addToAccount(account, entryOf(row));
    keepFindings(row, values.output);
    if (!values.json) process.stdout.write(`${lineOf(row)}\n`);
  },
});
if (values.json) process.stdout.write(`${JSON.stringify(rows.map(withoutInputs), null, 2)}\n`);
process.exitCode = rows.some(({ findings }) => findings.length > 0) ? 1 : 0;

function entryOf({ target, seed, inputs, milliseconds, corpus, reached, findings }: Row): AccountEntry {
  const words = findings.map(({ kind, what }) => `${kind}: ${what.split("\n", 1)[0] ?? ""}`);
  const known = commit.status === 0 ? commit.stdout.trim() : null;
  return { target, seed, inputs, milliseconds, corpus, reached, findings: words, commit: known };
}

function numberOf(option: string, text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 1) throw new Error(`${option} takes a whole number from 1 on`);
  return number;
}

function lineOf({ target, inputs, milliseconds, corpus, reached, seeds, accepted, findings }: Row): string {
  const rate = Math.round((inputs * 1000) / Math.max(1, milliseconds));
  const counts = `${String(inputs).padStart(9)} inputs ${String(rate).padStart(6)}/s`;
  const ways = `${String(corpus).padStart(5)} kept, ${String(reached).padStart(5)} places, seeds ${accepted}/${seeds}`;
  return `${target.padEnd(24)} ${counts} ${ways}, ${findings.length} findings`;
}

function withoutInputs(row: Row): object {
  return { ...row, findings: row.findings.map(({ kind, what }) => ({ kind, what })) };
}

/** Each finding as a file, which is the input, and what it did beside it. */
function keepFindings({ target, seed, findings }: Row, folder: string): void {
  for (const [index, { kind, what, input }] of findings.entries()) {
    fs.mkdirSync(folder, { recursive: true });
    const file = path.join(folder, `${target.replaceAll(/\W+/g, "-")}-${seed}-${index + 1}`);
    fs.writeFileSync(`${file}.bin`, input);
    fs.writeFileSync(`${file}.txt`, `${kind}: ${what}\n`);
    process.stderr.write(`${target}: ${kind}: ${what.split("\n").slice(0, 4).join("\n")}\n  the input: ${file}.bin\n`);
  }
}
