/**
 * The single executable: Node itself with our program inside (https://nodejs.org/api/single-executable-applications.html).
 */
import { execFile, execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import { build, type BuildOptions } from "esbuild";
import { RUNTIME_FLAGS } from "../src/cli/runtime-flags.js";
import { parseCatalog } from "../src/distro/read-catalog.ts";
import { keepBuiltinCode } from "./builtin-code.ts";
import { leaveOutLockChecks } from "./lock-checks.ts";
import { namesWanted, readImports } from "./imports.ts";
import { makeRoom, partsLoader, putCode, type Room } from "./kept-code.ts";
import { buildPackages, packagesAsAssets } from "./packages.ts";
import {
  assetOfPart,
  builtinsAsTheyAre,
  checkSnapshotModules,
  entryOfPart,
  partBorders,
  PARTS,
  type Owners,
  type Wanted,
} from "./parts.ts";
import { prepareWarmUp } from "./warm-up.ts";

const root = path.dirname(import.meta.dirname);
const SRC = path.join(root, "src");
const MOST_WARM_UP_MS = 120_000;

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
    const texts = kind === "snapshot" ? await buildParts(main, work, without) : await buildWhole(main, work);
    const rooms = Object.entries(texts).map(([asset, text]) => makeRoom(asset, text, work));
    const assets = {
      ...catalogAsset(work),
      ...Object.fromEntries(Object.entries(texts).map(([asset, text]) => [`${asset}.cjs`, text])),
      ...Object.fromEntries(rooms.map(({ room, file }) => [`${room.asset}.code`, file])),
    };
    // Node writes the output in place; one of ours that is running right now must keep its own bytes.
    const fresh = path.join(work, "guestboot");
    const config = path.join(work, "sea-config.json");
    fs.writeFileSync(config, JSON.stringify(seaConfig(kind, main, fresh, assets)));
    const image = warmUpImage(work);
    execFileSync(process.execPath, ["--build-sea", config], {
      stdio: ["ignore", "ignore", "inherit"],
      env: {
        ...process.env,
        GUESTBOOT_WARM_UP_IMAGE: image,
        GUESTBOOT_WARM_UP_FOLDER: fs.mkdtempSync(path.join(work, "copied-")),
        // The build's process is larger than any of ours.
        PYGRUB_MAX_RAM_USAGE_MB: "4096",
      },
    });
    leaveOutLockChecks(fresh);
    if (kind === "snapshot") {
      const emptyRooms = rooms.map(({ room }) => room);
      await keepCode(fresh, path.join(work, "warm-up"), image, emptyRooms);
    }
    // A copy, since Linux maps a file in pieces as large as it was written in: what was written in one would count as
    // some 40 MB more of resident memory.
    const copy = path.join(work, "copy");
    fs.copyFileSync(fresh, copy);
    fs.renameSync(copy, output);
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
}

/** Lets the executable run what prepares its code, puts that into it and nothing more, and sees whether it is taken. */
async function keepCode(executable: string, folder: string, image: string, rooms: readonly Room[]): Promise<void> {
  await using warmUp = await prepareWarmUp(folder, image);
  const runIt = (argv: readonly string[], environment: NodeJS.ProcessEnv = {}) =>
    promisify(execFile)(executable, argv, {
      env: { ...warmUp.environment, ...environment },
      timeout: MOST_WARM_UP_MS,
    });
  const keepIn = (kept: string, commands: readonly (readonly string[])[], environment: NodeJS.ProcessEnv = {}) => {
    fs.mkdirSync(kept, { recursive: true });
    fs.writeFileSync(path.join(kept, "commands.json"), JSON.stringify(commands));
    return runIt([], { ...environment, GUESTBOOT_KEEP_CODE: kept });
  };
  await keepIn(folder, warmUp.commands);
  const warm = path.join(folder, "warm-start");
  await keepIn(warm, [warmUp.warmStart], { GUESTBOOT_CACHE_FRESH_FOR: "1h" });
  putCode(executable, rooms, folder);
  const builtins = JSON.parse(fs.readFileSync(path.join(warm, "builtins.json"), "utf8")) as readonly string[];
  keepBuiltinCode(executable, new Set(builtins));
  for (const argv of warmUp.checks) await runIt(argv, { GUESTBOOT_KEEP_CODE: folder });
}

/** The program in one file, but for the packages. @returns the texts of the assets */
async function buildWhole(main: string, work: string): Promise<Record<string, string>> {
  const entryPoints = [path.join(root, "src/cli/start.ts")];
  await build({
    ...bundleOptions(),
    entryPoints,
    outfile: main,
    plugins: [packagesAsAssets, partsLoader(true), builtinsAsTheyAre],
  });
  return buildPackages(root, work);
}

/** The program in parts (see `parts.ts`), of which `main` has the first. @returns the texts of the assets */
async function buildParts(main: string, work: string, without: string): Promise<Record<string, string>> {
  const owners: Owners = new Map();
  const shared = PARTS.map(() => new Set<string>());
  const names = fs.readdirSync(SRC, { recursive: true, encoding: "utf8" }).filter((name) => /(?<!\.d)\.ts$/.test(name));
  const imports = await readImports(
    SRC,
    names.map((name) => path.join(SRC, name)),
  );
  const entries = new Set(PARTS.flatMap((part) => part.entries.map((entry) => path.join(SRC, entry))));
  const everybody = (target: string) => namesWanted(imports, target, () => true);
  const isLater = (module: string, than: number) => (owners.get(module) ?? -1) > than;
  // Entries are wanted by `import()` too, which may come from earlier parts.
  const laterParts = (target: string) =>
    entries.has(target)
      ? everybody(target)
      : namesWanted(imports, target, (importer) => isLater(importer, owners.get(target) ?? PARTS.length));
  const bundle = async (own: number, outfile: string | null, namesOf: Wanted) => {
    const wanted = (module: string, owner: number) => shared[owner]?.add(module);
    const result = await build({
      ...bundleOptions(without),
      // Source text is memory that each start fills, a third of it names; `dist/launch.js` runs the program with them.
      minifyIdentifiers: true,
      stdin: { contents: entryOfPart(SRC, own, shared[own] ?? [], namesOf), resolveDir: SRC, loader: "js" },
      outfile: outfile ?? path.join(work, "nowhere.cjs"),
      write: outfile !== null,
      metafile: true,
      absWorkingDir: SRC,
      plugins: [
        partBorders(SRC, own, owners, namesOf, wanted),
        partsLoader(own === 0),
        packagesAsAssets,
        builtinsAsTheyAre,
      ],
    });
    return Object.keys(result.metafile.inputs).map((name) => path.join(SRC, name));
  };
  // First who has which module, then the parts with what the later ones want of them.
  for (const own of PARTS.keys()) {
    const modules = await bundle(own, null, everybody);
    if (own === 0) checkSnapshotModules(modules);
    for (const module of modules) if (!owners.has(module)) owners.set(module, own);
  }
  const texts = await buildPackages(root, work);
  for (const [own, { name }] of PARTS.entries()) {
    const file = path.join(work, "parts", `${name}.cjs`);
    await bundle(own, own === 0 ? main : file, laterParts);
    if (own > 0) texts[assetOfPart(name)] = file;
  }
  return texts;
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

function bundleOptions(without = "") {
  const { version } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8")) as { version: string };
  return {
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node26",
    // Blanks and comments cost start-up time only.
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
    // A name that no module has must not wait for the command that uses it.
    logOverride: { "import-is-undefined": "error" },
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
