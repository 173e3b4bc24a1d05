#!/usr/bin/env node
/**
 * The npm package's command. Plain JavaScript of any Node's age, so that an old one can say what is wrong; then it
 * becomes the real program, with the runtime's permission model switched on.
 */
import * as path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { RUNTIME_FLAGS } from "./runtime-flags.js";

/** Node 26 is the first long-term release with all that guestboot uses; older builds of it lack some. */
const NEEDED = [26, 10];
const [major, minor] = process.versions.node.split(".").map(Number);

if (major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1])) {
  process.stderr.write(
    `guestboot needs Node.js ${NEEDED.join(".")} or newer, and this is ${process.version}: install it, or use the single executable dist/guestboot, which brings its own.\n`,
  );
  process.exitCode = 1;
} else {
  const main = path.join(path.dirname(fileURLToPath(import.meta.url)), "main.cjs");
  process.execve(process.execPath, [process.argv0, ...RUNTIME_FLAGS, main, ...process.argv.slice(2)], process.env);
}
