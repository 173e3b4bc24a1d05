/**
 * `npm run build`: makes `dist/`: the single executable `guestboot` with its two other names, and what the npm package
 * holds (the bundle `main.cjs`, its launcher, and the library).
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { buildBundle, buildExecutable } from "./executable.ts";
import { buildLibrary } from "./library.ts";

const root = path.dirname(import.meta.dirname);
const dist = path.join(root, "dist");

fs.mkdirSync(dist, { recursive: true });
await buildBundle("src/cli/start.ts", path.join(dist, "main.cjs"));
for (const name of ["launch.js", "runtime-flags.js"]) {
  fs.copyFileSync(path.join(root, "src/cli", name), path.join(dist, name));
}
fs.chmodSync(path.join(dist, "launch.js"), 0o755);
await buildLibrary(path.join(dist, "library"));
// The start-up snapshot starts faster than the code cache: `npm run bench` shows both.
await buildExecutable({ kind: "snapshot", output: path.join(dist, "guestboot") });
for (const name of ["eliloader", "pygrub"]) {
  const link = path.join(dist, name);
  fs.rmSync(link, { force: true });
  fs.symlinkSync("guestboot", link);
}
