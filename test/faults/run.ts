/**
 * Puts a fault into every system call of a whole start, one at a time, and says what came of it.
 *
 *   node test/faults/run.ts [--start installation|disk] [--every K] [--part K/N] [--call NAME] [--one-error] [--lanes N] [--programs FOLDER] [--json]
 *
 * Exit status 1 when a start did not end as it must.
 */
import * as os from "node:os";
import * as path from "node:path";
import { parseArgs } from "node:util";
import { programPath, temporaryFolder } from "../program.ts";
import { findingsText, tableText } from "./report.ts";
import { tryPoints } from "./try-points.ts";

const { values } = parseArgs({
  options: {
    start: { type: "string" },
    every: { type: "string", default: "1" },
    part: { type: "string", default: "1/1" },
    call: { type: "string" },
    "one-error": { type: "boolean", default: false },
    lanes: { type: "string", default: String(Math.min(2, os.availableParallelism())) },
    programs: { type: "string" },
    json: { type: "boolean", default: false },
  },
});

const [k = 1, of = 1] = values.part.split("/").map(Number);

using folder = temporaryFolder();
const begun = performance.now();
const results = await tryPoints(path.join(folder.path, "lanes"), {
  programs: values.programs ?? path.dirname(programPath("guestboot")),
  starts: values.start === undefined ? ["installation", "disk"] : [values.start],
  every: Number(values.every),
  part: { k, of },
  call: values.call ?? null,
  oneError: values["one-error"],
  lanes: Number(values.lanes),
  onProgress: (line) => void process.stderr.write(`${line}\n`),
});
const seconds = Math.round((performance.now() - begun) / 1000);
if (values.json) process.stdout.write(`${JSON.stringify({ seconds, results }, null, 2)}\n`);
else process.stdout.write(`${tableText(results)}${findingsText(results)}in ${seconds} s\n`);
process.exitCode = results.some(
  ({ tried, uncovered }) => uncovered.length > 0 || tried.some((each) => each.verdict.findings.length > 0),
)
  ? 1
  : 0;
