/**
 * What programs import from the npm package: the library as modules, its packages left to npm, and its declarations.
 */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { build } from "esbuild";

const root = path.dirname(import.meta.dirname);
const ENTRY = "library/index";

/** @param output the folder that the library is put into; an older one goes */
export async function buildLibrary(output: string): Promise<void> {
  const fresh = fs.mkdtempSync(`${output}.build-`);
  try {
    await build({
      entryPoints: [path.join(root, `src/${ENTRY}.ts`)],
      outdir: path.join(fresh, "library"),
      outbase: path.join(root, "src/library"),
      bundle: true,
      splitting: true,
      packages: "external",
      platform: "node",
      format: "esm",
      target: "node26",
      legalComments: "none",
      logLevel: "warning",
    });
    writeDeclarations(path.join(fresh, "library/types"));
    fs.rmSync(output, { recursive: true, force: true });
    fs.renameSync(path.join(fresh, "library"), output);
  } finally {
    fs.rmSync(fresh, { recursive: true, force: true });
  }
}

/** Of the whole program the compiler declares every file; those stay that the library's own lead to. */
function writeDeclarations(folder: string): void {
  const compiler = path.join(root, "node_modules/typescript/bin/tsc");
  const project = path.join(root, "scripts/tsconfig.library.json");
  execFileSync(process.execPath, [compiler, "-p", project, "--outDir", folder], { stdio: "inherit" });
  const needed = new Set<string>();
  const walk = (file: string): void => {
    if (needed.has(file)) return;
    needed.add(file);
    const text = fs.readFileSync(file, "utf8");
    for (const [, target = ""] of text.matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)) {
      walk(path.join(path.dirname(file), target.replace(/\.ts$/, ".d.ts")));
    }
  };
  walk(path.join(folder, `${ENTRY}.d.ts`));
  for (const name of fs.readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    const file = path.join(folder, name);
    if (name.endsWith(".d.ts") && !needed.has(file)) fs.rmSync(file);
  }
}
