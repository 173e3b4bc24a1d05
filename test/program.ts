/**
 * The built program as its callers start it: by its name, with next to no environment.
 */
import { spawn, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { newerSource } from "../scripts/freshness.ts";

export const ROOT = path.join(import.meta.dirname, "..");
export const DIST = path.join(ROOT, "dist");

export type ProgramName = "guestboot" | "eliloader" | "pygrub";

export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** @throws Error that says what to do when the program is not built, or older than its sources */
export function programPath(name: ProgramName): string {
  const program = path.join(DIST, name);
  if (!fs.existsSync(program)) throw new Error("dist/guestboot is missing: npm run build");
  const newer = newerSource(ROOT, program, ["src", "distros"]);
  if (newer !== null) throw new Error(`dist/guestboot is older than ${newer}: npm run build`);
  return program;
}

/** Only PATH, as xenopsd passes it, and what the test sets. */
export function environment(set: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  return { PATH: process.env["PATH"], ...set };
}

const TIMEOUT_MS = 60_000;
/** What hangs may take no notice of a gentler one. */
const killSignal = "SIGKILL";

/** Runs a program to its end. Not for programs that talk to a server inside this process: see `start`. */
export function run(program: string, args: readonly string[], set: Readonly<Record<string, string>> = {}): Ended {
  const done = spawnSync(program, args, { env: environment(set), encoding: "utf8", timeout: TIMEOUT_MS, killSignal });
  if (done.error !== undefined) throw done.error;
  return { status: done.status, signal: done.signal, stdout: done.stdout, stderr: done.stderr };
}

/**
 * Runs Node itself. The runtime hands its own permissions to each Node that it starts, through NODE_OPTIONS; here it
 * must not.
 */
export function runNode(args: readonly string[], node = path.join(ROOT, "node_modules/.bin/node")): Ended {
  return run("/usr/bin/env", ["-u", "NODE_OPTIONS", node, ...args]);
}

/** Runs a program beside this process. @param timeout milliseconds */
export async function start(
  program: string,
  args: readonly string[],
  set: Readonly<Record<string, string>> = {},
  timeout = TIMEOUT_MS,
): Promise<Ended> {
  const child = spawn(program, args, { env: environment(set), stdio: ["ignore", "pipe", "pipe"], timeout, killSignal });
  const output = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (output.stderr += text));
  const { promise, resolve, reject } = Promise.withResolvers<Ended>();
  child.on("error", reject);
  child.on("close", (status, signal) => resolve({ status, signal, ...output }));
  return promise;
}

/** A temporary folder that goes with the test that made it. */
export function temporaryFolder(base = os.tmpdir()): Disposable & { readonly path: string } {
  const folder = fs.mkdtempSync(path.join(base, "guestboot-test-"));
  return { path: folder, [Symbol.dispose]: () => fs.rmSync(folder, { recursive: true, force: true }) };
}

/** The lines of a `simple` answer by their first word. @throws Error when it is not in that form to the letter */
export function parseSimple(answer: string): { kernel: string; ramdisk: string | null; args: string | null } {
  const match = /^kernel (.*)\n(?:ramdisk (.*)\n)?(?:args (.*)\n)?\n$/.exec(answer);
  if (match?.[1] === undefined) throw new Error(`not an answer in the simple format: ${JSON.stringify(answer)}`);
  return { kernel: match[1], ramdisk: match[2] ?? null, args: match[3] ?? null };
}
