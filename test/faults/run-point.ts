/**
 * Runs a start with one fault in it, by strace(1), and looks at what came of it and of the start after it.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { start, type Ended } from "../program.ts";
import type { Seen } from "./judge.ts";
import type { Point } from "./points.ts";
import { WATCHED } from "./points.ts";
import { answerOf, type WholeStart } from "./starts.ts";
import { placesOf, readTrace, type Call } from "./trace.ts";

const STRACE = "/usr/bin/strace";
const TIMEOUT_MS = 90_000;
/** The boot files' owner is a process of its own; it removes them within moments. */
const OWNER_MS = 6_000;

/** The calls of a start without a fault. @throws Error when strace is missing or that start fails */
export async function traceWhole(whole: WholeStart): Promise<Call[]> {
  whole.reset();
  const { ended, log } = await traced(whole, ["-e", `trace=${WATCHED.map((name) => `?${name}`).join(",")}`]);
  const answer = answerOf(ended.stdout);
  const isRight = answer !== null && whole.isRight(answer.kernel, answer.ramdisk);
  if (ended.status !== 0 || !isRight || whole.record() === "before") {
    throw new Error(`${whole.name}: the start without a fault failed: ${ended.stderr}`);
  }
  return readTrace(log);
}

export async function runPoint(whole: WholeStart, point: Point): Promise<Seen> {
  whole.reset();
  const { ended, log } = await traced(whole, straceOptions(point));
  const answer = ended.status === 0 ? answerOf(ended.stdout) : null;
  const answered = answer === null ? [] : [answer.kernel, answer.ramdisk];
  const isAnswerRight = answer === null ? null : isRight(whole, answer);
  const others = () => bootFiles(whole).filter((name) => !answered.includes(path.join(whole.bootFolder, name)));
  for (let waited = 0; others().length > 0 && waited < OWNER_MS; waited += 50) await wait(50);
  const seen = {
    error: point.error,
    ...hitOf(log, point, whole.folder),
    status: ended.status,
    signal: ended.signal,
    stdout: ended.stdout,
    stderr: ended.stderr,
    isAnswerRight,
    record: whole.record(),
    bootFiles: others(),
  };
  // A start that never came to the fault shows nothing.
  if (seen.hit === null) return { ...seen, cacheFault: null, nextFault: null, leftOver: [] };
  const cacheFault = await whole.cacheFault();
  whole.again();
  return { ...seen, cacheFault, nextFault: await nextStart(whole), leftOver: whole.leftOver() };
}

async function nextStart(whole: WholeStart): Promise<string | null> {
  const [program, ...args] = whole.argv;
  const { status, stdout, stderr } = await start(program, args, whole.environment);
  if (status !== 0 || stderr !== "") return `exit status ${status}, ${JSON.stringify(stderr)}`;
  const answer = answerOf(stdout);
  if (answer === null || !isRight(whole, answer)) return "its answer is not right";
  return whole.record() === "before" ? "its record is the one before" : null;
}

function isRight(whole: WholeStart, answer: { kernel: string; ramdisk: string | null }): boolean {
  try {
    return whole.isRight(answer.kernel, answer.ramdisk);
  } catch {
    return false;
  }
}

function bootFiles(whole: WholeStart): string[] {
  return fs.existsSync(whole.bootFolder) ? fs.readdirSync(whole.bootFolder) : [];
}

/** strace(1): `inject=set:error=errno:when=expr`. */
function straceOptions({ call, nth, error, counted }: Point): string[] {
  const fault = error.startsWith("SIG") ? `signal=${error}` : `error=${error}`;
  const options = ["-e", `trace=${call}`, "-e", `inject=${call}:${fault}:when=${nth}`];
  if (counted === "thread") return options;
  return ["-f", ...(counted === "everywhere" ? [] : ["-P", counted.path]), ...options];
}

/** `-D`: the program is our child and strace beside it, so that a program that hangs can be ended. */
async function traced(whole: WholeStart, options: readonly string[]): Promise<{ ended: Ended; log: string }> {
  if (!fs.existsSync(STRACE)) throw new Error("strace is missing: apt-get install strace");
  const file = path.join(whole.folder, "trace");
  fs.rmSync(file, { force: true });
  const argv = ["-D", "-qq", "-y", "-o", file, ...options, ...whole.argv];
  const ended = await start(STRACE, argv, whole.environment, TIMEOUT_MS);
  // strace says where a path that it was given leads.
  const stderr = ended.stderr.replaceAll(/^\S*strace: Requested path .*\n/gm, "");
  return { ended: { ...ended, stderr }, log: fs.readFileSync(file, "utf8") };
}

function hitOf(log: string, { call, nth, error }: Point, folder: string): Pick<Seen, "hit" | "place"> {
  const calls = readTrace(log);
  const index = calls.findIndex((each) => each.isInjected);
  const injected = calls[index];
  if (injected !== undefined) return { hit: { ...injected, nth }, place: placesOf(calls, [folder])[index] ?? null };
  const isHit = log.includes("(INJECTED)") || (error.startsWith("SIG") && log.includes(`killed by ${error}`));
  return { hit: isHit ? { name: call, nth, target: "", isInjected: true } : null, place: null };
}
