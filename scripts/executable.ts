/**
 * The single executable: Node itself with our program inside (https://nodejs.org/api/single-executable-applications.html).
 */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { gunzipSync } from "node:zlib";
import { build } from "esbuild";
import { RUNTIME_FLAGS } from "../src/cli/runtime-flags.js";
import { buildPackages, packagesAsAssets } from "./packages.ts";

const root = path.dirname(import.meta.dirname);

export interface Executable {
  /** What of the program is prepared at the build: its heap, or only its compiled code. */
  readonly kind: "snapshot" | "code cache";
  readonly output: string;
}

/**
 * One CommonJS file of everything that `entry` imports, below `root`.
 * @param isWhole false: but for the packages that are assets of an executable
 */
export async function buildBundle(entry: string, output: string, { isWhole = true } = {}): Promise<void> {
  const { version } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8")) as { version: string };
  await build({
    entryPoints: [path.join(root, entry)],
    outfile: output,
    bundle: true,
    platform: "node",
    plugins: isWhole ? [] : [packagesAsAssets],
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
    },
    // V8 cannot yet write a compiled function that has a `using` into a snapshot, and crashes.
    supported: { using: false },
    legalComments: "none",
    logLevel: "warning",
  });
}

export async function buildExecutable({ kind, output }: Executable): Promise<void> {
  const work = fs.mkdtempSync(`${output}.build-`);
  try {
    const main = path.join(work, "main.cjs");
    await buildBundle(kind === "snapshot" ? "src/cli/start-snapshot.ts" : "src/cli/start.ts", main, { isWhole: false });
    const packages = await buildPackages(root, work);
    // Node writes the output in place; one of ours that is running right now must keep its own bytes.
    const fresh = path.join(work, "guestboot");
    const config = path.join(work, "sea-config.json");
    fs.writeFileSync(config, JSON.stringify(seaConfig(kind, main, fresh, packages)));
    const warmUp = {
      GUESTBOOT_WARM_UP_IMAGE: warmUpImage(work),
      GUESTBOOT_WARM_UP_CATALOG: path.join(root, "distros"),
      GUESTBOOT_WARM_UP_FOLDER: fs.mkdtempSync(path.join(work, "warm-up-")),
    };
    execFileSync(process.execPath, ["--build-sea", config], {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, ...warmUp },
    });
    fs.renameSync(fresh, output);
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
}

function seaConfig(kind: Executable["kind"], main: string, output: string, packages: Readonly<Record<string, string>>) {
  const families = fs.readdirSync(path.join(root, "distros")).filter((name) => name !== "schema.json");
  return {
    main,
    output,
    disableExperimentalSEAWarning: true,
    useSnapshot: kind === "snapshot",
    useCodeCache: kind === "code cache",
    execArgv: RUNTIME_FLAGS,
    // NODE_OPTIONS of whoever calls must not reach into a boot loader that runs as root.
    execArgvExtension: "none",
    assets: {
      ...Object.fromEntries(families.map((name) => [`distros/${name}`, path.join(root, "distros", name)])),
      ...packages,
    },
  };
}

/** A guest's disk in small, so that a build needs no tool to make one; see `fixtures/README.md`. */
function warmUpImage(folder: string): string {
  const image = path.join(folder, "warm-up.img");
  fs.writeFileSync(image, gunzipSync(fs.readFileSync(path.join(root, "fixtures/warm-up.img.gz"))));
  return image;
}
