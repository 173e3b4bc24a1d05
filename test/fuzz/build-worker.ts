/**
 * The process that runs the targets, as one file, with counters in all that comes from `src/`.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { build } from "esbuild";
import { COUNTERS } from "./coverage.ts";
import { instrument } from "./instrument.ts";

const root = path.resolve(import.meta.dirname, "../..");
const source = path.join(root, "src");
/** A client reads what strangers answer, so the fuzzer is to see its ways, too; not what is WebAssembly in it. */
const UNDICI = /\/node_modules\/undici\/lib\/(?!llhttp\/).*\.js$/;

export interface BuiltWorker {
  readonly file: string;
  /** How many counters the code has. */
  readonly counters: number;
}

export async function buildWorker(folder: string): Promise<BuiltWorker> {
  const file = path.join(folder, "worker.mjs");
  let counters = 0;
  await build({
    entryPoints: [path.join(import.meta.dirname, "worker.ts")],
    outfile: file,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node26",
    absWorkingDir: root,
    banner: { js: BANNER },
    plugins: [
      {
        name: "clients without a network",
        setup(bundle) {
          bundle.onResolve({ filter: /^(?:node:)?net$/ }, ({ importer }) =>
            importer.includes("/node_modules/") ? { path: path.join(import.meta.dirname, "memory-net.ts") } : null,
          );
        },
      },
      {
        name: "counters",
        setup(bundle) {
          bundle.onLoad({ filter: /\.[jt]s$/ }, ({ path: name }) => {
            const isOurs = name.startsWith(source + path.sep) || path.basename(name) === "planted.ts";
            const isCounted = isOurs || UNDICI.test(name);
            if (!isCounted) return null;
            const { code, next } = instrument(fs.readFileSync(name, "utf8"), name, counters);
            counters = next;
            return { contents: code, loader: "js" };
          });
        },
      },
    ],
    logLevel: "warning",
  });
  if (counters > MOST_COUNTERS) throw new Error(`${counters} counters are more than ${MOST_COUNTERS}`);
  return { file, counters };
}

const MOST_COUNTERS = 1 << 17;

/** Packages in CommonJS ask for `require`; and code counts already while its modules are loaded. */
const BANNER = `import { createRequire as fuzzRequire } from "node:module";
const require = fuzzRequire("/");
globalThis.${COUNTERS} ??= new Uint8Array(${MOST_COUNTERS});`;
