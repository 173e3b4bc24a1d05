/** `distros/schema.json` as an editor takes it, judged by Debian's python3-jsonschema. */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT } from "../program.ts";

const MODULES = "/usr/lib/python3/dist-packages/jsonschema/__init__.py";
const DISTROS = path.join(ROOT, "distros");

/** The schema's own faults first, then each document's; null where a document is as the schema says. */
const JUDGE = `
import json, sys
import jsonschema
schema, documents = json.load(sys.stdin)
judge = jsonschema.Draft202012Validator
judge.check_schema(schema)
print(json.dumps([next((e.message for e in judge(schema).iter_errors(d)), None) for d in documents]))
`;

/** What is wrong with each document, in jsonschema's words. */
function judge(documents: readonly unknown[]): readonly (string | null)[] {
  if (!fs.existsSync(MODULES)) throw new Error(`${MODULES} is missing: apt-get install python3-jsonschema`);
  const schema: unknown = JSON.parse(fs.readFileSync(path.join(DISTROS, "schema.json"), "utf8"));
  // Debian's own Python: another one on the PATH has other modules.
  const input = JSON.stringify([schema, documents]);
  const done = spawnSync("/usr/bin/python3", ["-c", JUDGE], { input, encoding: "utf8" });
  if (done.status !== 0) throw new Error(`python3: ${done.stderr}`);
  return JSON.parse(done.stdout) as (string | null)[];
}

const read = (file: string): Record<string, unknown> =>
  JSON.parse(fs.readFileSync(path.join(DISTROS, file), "utf8")) as Record<string, unknown>;

const without = (data: Readonly<Record<string, unknown>>, name: string) =>
  Object.fromEntries(Object.entries(data).filter(([field]) => field !== name));

/** The file that the README shows an admin. */
function fileOfReadme(): unknown {
  const readme = fs.readFileSync(path.join(ROOT, "README.md"), "utf8");
  const [, text] = /distros\.d\/[^]*?```json\n([^]*?)```/.exec(readme) ?? [];
  return JSON.parse(text ?? "");
}

describe("the schema of the catalog's files", () => {
  const files = fs.readdirSync(DISTROS).filter((name) => name.endsWith(".json") && name !== "schema.json");

  it("is a schema, and every file of the catalog is as it says", () => {
    expect(files.length).toBeGreaterThan(6);
    const wrong = judge(files.map(read)).flatMap((why, index) => (why === null ? [] : [`${files[index]}: ${why}`]));
    expect(wrong).toEqual([]);
  });

  it("refuses what is misspelt, missing or of another kind", () => {
    const right = read("debianlike.json");
    const wrong = [
      without(right, "family"),
      { ...right, layout: [] },
      { ...right, rounds: 3 },
      { ...right, arches: ["amd64"] },
    ];
    expect(judge(wrong).filter((why) => why === null)).toEqual([]);
  });

  it("wants a family whole that the program does not bring along, and knows those that it does", () => {
    const right = files.map(read);
    const names = right.map(({ family }) => family);
    expect(judge(names.map((family) => ({ family }))).filter((why) => why !== null)).toEqual([]);
    const mine = { ...right[0], family: "mine" };
    expect(judge([mine, without(mine, "arches")])).toEqual([null, "'arches' is a required property"]);
  });

  it("takes an admin's file that replaces or adds releases of a family, as the README shows it", () => {
    expect(judge([fileOfReadme()])).toEqual([null]);
  });
});
