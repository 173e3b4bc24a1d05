#!/usr/bin/env node
/**
 * The npm package's command. Plain JavaScript of any Node's age, so that an old one can say what is wrong; then it
 * becomes the real program, with the runtime's permission model switched on.
 */
import * as path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { RUNTIME_FLAGS } from "./runtime-flags.js";

const NEEDED = 26;
const major = Number(process.versions.node.split(".")[0]);

if (major < NEEDED) {
  process.stderr.write(
    `guestboot needs Node.js ${NEEDED} or newer, and this is ${process.version}: install it, or use the single executable dist/guestboot, which brings its own.\n`,
  );
  process.exitCode = 1;
} else {
  const main = path.join(path.dirname(fileURLToPath(import.meta.url)), "main.cjs");
  process.execve(process.execPath, [process.argv0, ...RUNTIME_FLAGS, main, ...process.argv.slice(2)], process.env);
}
