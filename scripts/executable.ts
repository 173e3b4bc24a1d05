/**
 * The single executable: Node itself with our program inside (https://nodejs.org/api/single-executable-applications.html).
 */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { gunzipSync } from "node:zlib";
import { build, type BuildOptions } from "esbuild";
import { RUNTIME_FLAGS } from "../src/cli/runtime-flags.js";
import { parseCatalog } from "../src/distro/read-catalog.ts";
import { buildPackages, packagesAsAssets } from "./packages.ts";
import { entryOfPart, partBorders, PARTS, type Owners, type PartSource } from "./parts.ts";

const root = path.dirname(import.meta.dirname);
const SRC = path.join(root, "src");

export interface Executable {
  /** What of the program is prepared at the build: its heap, or only its compiled code. */
  readonly kind: "snapshot" | "code cache";
  readonly output: string;
  /** For measuring: walls of the confinement that are left out (see `src/pipeline/confine.ts`). */
  readonly without?: string;
}

/** One CommonJS file of everything that `entry` imports, below `root`. @param define in place of what a build sets */
export async function buildBundle(entry: string, output: string, define: Record<string, string> = {}): Promise<void> {
  const options = bundleOptions();
  await build({
    ...options,
    define: { ...options.define, ...define },
    entryPoints: [path.join(root, entry)],
    outfile: output,
  });
}

export async function buildExecutable({ kind, output, without = "" }: Executable): Promise<void> {
  const work = fs.mkdtempSync(`${output}.build-`);
  try {
    const main = path.join(work, "main.cjs");
    const assets = kind === "snapshot" ? await buildParts(main, work, without) : await buildWhole(main, work);
    // Node writes the output in place; one of ours that is running right now must keep its own bytes.
    const fresh = path.join(work, "guestboot");
    const config = path.join(work, "sea-config.json");
    fs.writeFileSync(config, JSON.stringify(seaConfig(kind, main, fresh, assets)));
    runNode(work, ["--build-sea", config]);
    fs.renameSync(fresh, output);
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
}

/** The program in one file, but for the packages. @returns the assets */
async function buildWhole(main: string, work: string): Promise<Record<string, string>> {
  const entryPoints = [path.join(root, "src/cli/start.ts")];
  await build({ ...bundleOptions(), entryPoints, outfile: main, plugins: [packagesAsAssets] });
  return { ...(await buildPackages(root, work)), ...catalogAsset(work) };
}

/** The program in parts (see `parts.ts`), of which `main` has the first. @returns the assets */
async function buildParts(main: string, work: string, without: string): Promise<Record<string, string>> {
  const owners: Owners = new Map();
  const shared = PARTS.map(() => new Set<string>());
  const bundle = async (own: number, outfile: string | null, source: PartSource = { kind: "assets" }) => {
    const wanted = (module: string, owner: number) => shared[owner]?.add(module);
    const result = await build({
      ...bundleOptions(without),
      stdin: { contents: entryOfPart(SRC, own, shared[own] ?? []), resolveDir: SRC, loader: "js" },
      outfile: outfile ?? path.join(work, "nowhere.cjs"),
      write: outfile !== null,
      metafile: true,
      absWorkingDir: SRC,
      plugins: [partBorders(SRC, own, owners, wanted, source), packagesAsAssets],
    });
    return Object.keys(result.metafile.inputs).map((name) => path.join(SRC, name));
  };
  // First who has which module, then the parts with what the later ones want of them.
  for (const own of PARTS.keys()) {
    for (const module of await bundle(own, null)) if (!owners.has(module)) owners.set(module, own);
  }
  const folder = path.join(work, "parts");
  const assets: Record<string, string> = { ...(await buildPackages(root, work)), ...catalogAsset(work) };
  for (const [own, { name }] of PARTS.entries()) {
    const file = path.join(folder, `${name}.cjs`);
    await bundle(own, own === 0 ? main : file);
    if (own === 0) continue;
    assets[`parts/${name}.cjs`] = file;
    assets[`parts/${name}.code`] = path.join(folder, `${name}.code`);
  }
  const keeper = path.join(work, "keep-code.cjs");
  await bundle(0, keeper, { kind: "folder", path: folder });
  runNode(work, [...RUNTIME_FLAGS, keeper]);
  return assets;
}

/** The catalog, read and checked. */
function catalogAsset(work: string): Record<string, string> {
  const file = path.join(work, "catalog.json");
  const folder = path.join(root, "distros");
  const names = fs.readdirSync(folder).filter((name) => name.endsWith(".json") && name !== "schema.json");
  const texts = names.sort().map((name) => ({ name, text: fs.readFileSync(path.join(folder, name), "utf8") }));
  fs.writeFileSync(file, JSON.stringify(parseCatalog(texts)));
  return { "catalog.json": file };
}

function runNode(work: string, args: readonly string[]): void {
  const warmUp = {
    GUESTBOOT_WARM_UP_IMAGE: warmUpImage(work),
    GUESTBOOT_WARM_UP_CATALOG: path.join(work, "catalog.json"),
    GUESTBOOT_WARM_UP_FOLDER: fs.mkdtempSync(path.join(work, "warm-up-")),
  };
  execFileSync(process.execPath, args, {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, ...warmUp },
  });
}

function bundleOptions(without = "") {
  const { version } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8")) as { version: string };
  return {
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node26",
    // Names of functions and classes stay for stack traces; blanks and comments cost start-up time only.
    minifySyntax: true,
    minifyWhitespace: true,
    define: {
      "import.meta.dirname": "__dirname",
      // openpgp makes itself a `require` from it.
      "import.meta.url": "__filename",
      GUESTBOOT_VERSION: JSON.stringify(version),
      GUESTBOOT_WITHOUT: JSON.stringify(without),
      GUESTBOOT_PLANTED_BUG: "false",
    },
    // V8 cannot yet write a compiled function that has a `using` into a snapshot, and crashes.
    supported: { using: false },
    legalComments: "none",
    logLevel: "warning",
  } as const satisfies BuildOptions;
}

function seaConfig(kind: Executable["kind"], main: string, output: string, assets: Readonly<Record<string, string>>) {
  return {
    main,
    output,
    disableExperimentalSEAWarning: true,
    useSnapshot: kind === "snapshot",
    useCodeCache: kind === "code cache",
    execArgv: RUNTIME_FLAGS,
    // NODE_OPTIONS of whoever calls must not reach into a boot loader that runs as root.
    execArgvExtension: "none",
    assets,
  };
}

/** A guest's disk in small, so that a build needs no tool to make one; see `fixtures/README.md`. */
function warmUpImage(folder: string): string {
  const image = path.join(folder, "warm-up.img");
  fs.writeFileSync(image, gunzipSync(fs.readFileSync(path.join(root, "fixtures/warm-up.img.gz"))));
  return image;
}
