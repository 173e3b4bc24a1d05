/** How the parts of the program are cut out of its modules. */
import { build } from "esbuild";
import * as fs from "node:fs";
import { createRequire } from "node:module";
import * as path from "node:path";
import { runInNewContext } from "node:vm";
import { afterAll, expect, test } from "vitest";
import { namesWanted, readImports } from "../../scripts/imports.ts";
import { builtinsAsTheyAre, checkSnapshotModules, entryOfPart } from "../../scripts/parts.ts";
import { temporaryFolder } from "../program.ts";

const folder = temporaryFolder();
afterAll(() => folder[Symbol.dispose]());

test("a module of the runtime's that is imported whole is not copied", async () => {
  const entry = module(
    "reads",
    `import * as fs from "node:fs";\nexport const has = (file: string) => fs.existsSync(file);`,
  );
  const text = await bundled(entry);
  expect(text).toContain('require("node:fs")');
  expect(text).not.toMatch(/toESM\(require/);
  const made: { exports: { has?: (file: string) => boolean } } = { exports: {} };
  runInNewContext(text, { module: made, exports: made.exports, require: createRequire(entry) });
  expect(made.exports.has?.(folder.path)).toBe(true);
});

test("what modules want of each other is known, types left out", async () => {
  const errors = module(
    "errors",
    "export interface Fault { code: string }\nexport const a = 1;\nexport function b() {}\n",
  );
  const texts = {
    one: 'import { a, type Fault } from "./errors.ts";\nexport const fault: Fault = { code: String(a) };',
    renaming: 'import { b as other } from "./errors.ts";\nother();',
    late: 'export const load = async () => (await import("./errors.ts")).a;',
    handing: 'export { a } from "./errors.ts";',
    none: 'import type { Fault } from "./errors.ts";\nexport const none: Fault | null = null;',
  };
  const files = Object.entries(texts).map(([name, text]) => module(name, text));
  const imports = await readImports(folder.path, [errors, ...files]);
  const wantedBy = (name: string) =>
    namesWanted(imports, errors, (importer) => path.basename(importer) === `${name}.ts`);
  expect(Object.keys(texts).map((name) => [name, wantedBy(name)])).toEqual([
    ["one", ["a"]],
    ["renaming", ["b"]],
    ["late", ["a", "b"]],
    ["handing", ["a"]],
    ["none", []],
  ]);
  expect(namesWanted(imports, errors, () => true)).toEqual(["a", "b"]);
});

test("what later parts want of the snapshot's modules is made when they ask", () => {
  const file = path.join(folder.path, "base/errors.ts");
  const text = entryOfPart(folder.path, 0, [file], (module) => (module === file ? ["isKnown"] : []));
  expect(text).toContain('"base/errors.ts": () => ({ isKnown: m0.isKnown })');
});

test("a package that no start from disk needs does not get into the snapshot unseen", () => {
  checkSnapshotModules(["/x/src/cli/main.ts", "/x/node_modules/ini/lib/ini.js"]);
  const stray = ["/x/src/cli/main.ts", "/x/node_modules/valibot/dist/index.mjs"];
  expect(() => checkSnapshotModules(stray)).toThrow(/valibot.*would be in the start-up snapshot/);
});

function module(name: string, text: string): string {
  const file = path.join(folder.path, `${name}.ts`);
  fs.writeFileSync(file, text);
  return file;
}

async function bundled(entry: string): Promise<string> {
  const options = { bundle: true, write: false, format: "cjs", platform: "node" } as const;
  const { outputFiles } = await build({ ...options, entryPoints: [entry], plugins: [builtinsAsTheyAre] });
  return outputFiles[0]?.text ?? "";
}
