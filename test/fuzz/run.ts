/**
 * Fuzzes every parser of outside bytes: `npm run fuzz -- [--time SECONDS] [--runs N] [--target NAME]… [--seed N]
 * [--jobs N] [--output FOLDER] [--json]`. Exit status 1 where something was found.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { parseArgs } from "node:util";
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
    json: { type: "boolean", default: false },
  },
});

const chosen = TARGETS.filter(({ name }) => values.target === undefined || values.target.includes(name));
const seconds = values.time === undefined ? null : numberOf("--time", values.time);
const rows = await fuzzTargets(chosen, {
  seed: numberOf("--seed", values.seed),
  runs: values.runs === undefined ? Number.MAX_SAFE_INTEGER : numberOf("--runs", values.runs),
  // All targets share the time that was given.
  milliseconds:
    seconds === null ? Number.MAX_SAFE_INTEGER : (seconds * 1000 * numberOf("--jobs", values.jobs)) / chosen.length,
  jobs: numberOf("--jobs", values.jobs),
  onRow: (row) => {
    if (!values.json) process.stdout.write(`${lineOf(row)}\n`);
  },
});
for (const row of rows) keepFindings(row, values.output);
if (values.json) process.stdout.write(`${JSON.stringify(rows.map(withoutInputs), null, 2)}\n`);
process.exitCode = rows.some(({ findings }) => findings.length > 0) ? 1 : 0;

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
function keepFindings({ target, findings }: Row, folder: string): void {
  for (const [index, { kind, what, input }] of findings.entries()) {
    fs.mkdirSync(folder, { recursive: true });
    const file = path.join(folder, `${target.replaceAll(/\W+/g, "-")}-${index + 1}`);
    fs.writeFileSync(`${file}.bin`, input);
    fs.writeFileSync(`${file}.txt`, `${kind}: ${what}\n`);
    process.stderr.write(`${target}: ${kind}: ${what.split("\n").slice(0, 4).join("\n")}\n  the input: ${file}.bin\n`);
  }
}
