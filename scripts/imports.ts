/**
 * Which names the modules of the program want of each other, so that a part of it (see `parts.ts`) hands on no more:
 * what no other part asks for, and its own does not use, a bundler leaves out.
 */
import * as path from "node:path";
import { build } from "esbuild";

/** Of each module (absolute paths): the modules that it imports, and what it wants of each. */
export type Imports = ReadonlyMap<string, ReadonlyMap<string, ReadonlySet<string>>>;

/** As esbuild writes them; names of types are gone by then. */
const NAMED = /^(?:import|export)\s*\{([^}]*)\}\s*from\s*"(\.[^"]+)";/gm;
const WHOLE = /(?:^(?:import|export) \*[^"]*from |\bimport\()"(\.[^"]+)"/gm;

/** @param modules absolute paths below `src` */
export async function readImports(src: string, modules: readonly string[]): Promise<Imports> {
  const { outputFiles, metafile } = await build({
    entryPoints: [...modules],
    absWorkingDir: src,
    outbase: src,
    outdir: path.join(src, "nowhere"),
    format: "esm",
    target: "node26",
    write: false,
    metafile: true,
    logLevel: "warning",
  });
  const outputs = new Map(
    Object.entries(metafile.outputs).map(([name, { entryPoint = "", exports }]) => {
      return [path.join(src, name), { module: path.join(src, entryPoint), exports }];
    }),
  );
  const exports = new Map([...outputs.values()].map((output) => [output.module, output.exports]));
  return new Map(
    outputFiles.flatMap(({ path: file, text }) => {
      const module = outputs.get(file)?.module;
      return module === undefined ? [] : [[module, importsIn(module, text, exports)]];
    }),
  );
}

function importsIn(module: string, text: string, exports: ReadonlyMap<string, readonly string[]>) {
  const found = new Map<string, Set<string>>();
  const add = (from: string, names: (target: string) => readonly string[]) => {
    const target = path.join(path.dirname(module), from);
    found.set(target, new Set([...(found.get(target) ?? []), ...names(target)]));
  };
  for (const [, names = "", from = ""] of text.matchAll(NAMED)) {
    const specifiers = names.split(",").map((specifier) => specifier.trim());
    add(from, () => specifiers.map((specifier) => specifier.replace(/ as .*$/, "")).filter((name) => name !== ""));
  }
  for (const [, from = ""] of text.matchAll(WHOLE)) add(from, (target) => exports.get(target) ?? []);
  return found;
}

/** What the importers that count want of that module, in the order of the alphabet. */
export function namesWanted(imports: Imports, target: string, counts: (importer: string) => boolean): string[] {
  const names = new Set<string>();
  for (const [importer, targets] of imports) {
    if (counts(importer)) for (const name of targets.get(target) ?? []) names.add(name);
  }
  return [...names].sort();
}
