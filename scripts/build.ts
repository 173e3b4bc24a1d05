/**
 * Builds `dist/`: the bundle (`main.cjs`), the launcher of the npm package (`launch.js`), and the single executable
 * `guestboot` with its two other names.
 */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { build } from "esbuild";
import { RUNTIME_FLAGS } from "../src/cli/runtime-flags.js";

const root = path.dirname(import.meta.dirname);
const dist = path.join(root, "dist");
const description = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8")) as { version: string };

fs.mkdirSync(dist, { recursive: true });
await bundle();
copyLauncher();
makeExecutable();

async function bundle(): Promise<void> {
  await build({
    entryPoints: [path.join(root, "src/cli/main.ts")],
    outfile: path.join(dist, "main.cjs"),
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node26",
    // Names of functions and classes stay for stack traces; blanks and comments cost start-up time only.
    minifySyntax: true,
    minifyWhitespace: true,
    define: {
      "import.meta.dirname": "__dirname",
      GUESTBOOT_VERSION: JSON.stringify(description.version),
    },
    legalComments: "none",
    logLevel: "warning",
  });
}

function copyLauncher(): void {
  for (const name of ["launch.js", "runtime-flags.js"]) {
    fs.copyFileSync(path.join(root, "src/cli", name), path.join(dist, name));
  }
  fs.chmodSync(path.join(dist, "launch.js"), 0o755);
}

function makeExecutable(): void {
  const families = fs.readdirSync(path.join(root, "distros")).filter((name) => name !== "schema.json");
  const executable = path.join(dist, "guestboot");
  const config = path.join(dist, "sea-config.json");
  // Node writes in place; a copy of ours that is running right now must keep its own bytes.
  const fresh = `${executable}.new`;
  fs.writeFileSync(
    config,
    JSON.stringify({
      main: path.join(dist, "main.cjs"),
      output: fresh,
      disableExperimentalSEAWarning: true,
      // Measured against a start-up snapshot: see the README's section on starting.
      useCodeCache: true,
      execArgv: RUNTIME_FLAGS,
      // NODE_OPTIONS of whoever calls must not reach into a boot loader that runs as root.
      execArgvExtension: "none",
      assets: Object.fromEntries(families.map((name) => [`distros/${name}`, path.join(root, "distros", name)])),
    }),
  );
  execFileSync(process.execPath, ["--build-sea", config], { stdio: ["ignore", "ignore", "inherit"] });
  fs.rmSync(config);
  fs.renameSync(fresh, executable);
  for (const name of ["eliloader", "pygrub"]) {
    const link = path.join(dist, name);
    fs.rmSync(link, { force: true });
    fs.symlinkSync("guestboot", link);
  }
}
