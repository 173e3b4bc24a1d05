/**
 * The account of a long run as a page: `npm run fuzz:report [ACCOUNT]`, by default `docs/fuzzing.ndjson`, writes
 * `docs/FUZZING.md`.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { readAccount, totalOf, type AccountEntry } from "./account.ts";
import { TARGETS } from "./targets.ts";

const docs = path.join(import.meta.dirname, "../../docs");
const account = readAccount(process.argv[2] ?? path.join(docs, "fuzzing.ndjson"));
fs.writeFileSync(path.join(docs, "FUZZING.md"), pageOf(account));

function pageOf(entries: readonly AccountEntry[]): string {
  const totals = TARGETS.map(({ name }) => ({ name, ...totalOf(entries, name) }));
  const inputs = totals.reduce((sum, total) => sum + total.inputs, 0);
  const hours = totals.reduce((sum, total) => sum + total.milliseconds, 0) / 3_600_000;
  const least = Math.min(...totals.map((total) => total.inputs));
  const commits = [...new Set(entries.flatMap(({ commit }) => commit ?? []))];
  const rows = totals.map(({ name, inputs, milliseconds, pieces, corpus, reached, findings }) => {
    const rate = milliseconds === 0 ? 0 : (inputs * 1000) / milliseconds;
    const cells = [name, counted(inputs), pieces, counted(milliseconds / 1000), counted(rate), corpus, reached];
    return `| ${[...cells, findings.length].join(" | ")} |`;
  });
  const found = totals.flatMap(({ name, findings }) => findings.map((what) => `- ${name}: ${what}`));
  return `# The long fuzzing run
Written by \`npm run fuzz:report\` from the account \`docs/fuzzing.ndjson\`, which has a line for each piece of the run: target, seed, inputs, milliseconds, findings, commit. \`npm run fuzz -- --account docs/fuzzing.ndjson --runs 1000000\` goes on with it until each target has had so many; what a piece has kept is where the next one begins. What an input may not do is in README.md.

${counted(inputs)} inputs to ${totals.length} targets in ${hours.toFixed(1)} hours of their processes, at least ${counted(least)} to each${commits.length === 0 ? "" : ` (commits ${commits.join(", ")})`}. Different ways to fail that were found: ${found.length}.

| target | inputs | pieces | seconds | inputs/s | kept | places reached | findings |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
${rows.join("\n")}
${found.length === 0 ? "" : `\n## Found\n${found.join("\n")}\n`}`;
}

function counted(number: number): string {
  return Math.round(number).toLocaleString("en");
}
