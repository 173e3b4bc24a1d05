/**
 * Whether a start that met a fault ended as it must, from what was seen of it.
 */
import type { Call } from "./trace.ts";

export interface Seen {
  readonly error: string;
  /** The call that the fault was put into; null when the start made none that was counted so. */
  readonly hit: Call | null;
  /** Where in a start that call is; see `placesOf`. */
  readonly place: string | null;
  readonly status: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Are the files that the answer names the right ones, to the byte? null without an answer. */
  readonly isAnswerRight: boolean | null;
  /** Which of the two it may be the VM's record is; null when it is neither; "none" for a start that has none. */
  readonly record: "before" | "after" | "none" | null;
  /** Names in the boot directory after the start that no answer names. */
  readonly bootFiles: readonly string[];
  /** What `cache verify` finds wrong; null when nothing. */
  readonly cacheFault: string | null;
  /** What is wrong with a start without a fault after it; null when nothing. */
  readonly nextFault: string | null;
  /** Files that are still there after that start and belong to nothing. */
  readonly leftOver: readonly string[];
}

/**
 * `missed`: the start ended before it came to that call. `aborted`: the runtime had no thread for itself and gave up
 * with SIGABRT and no words, as libuv does; that cannot be met from inside. All else must hold for it too.
 */
export type Kind = "missed" | "failed cleanly" | "harmless" | "aborted";

export interface Verdict {
  readonly kind: Kind;
  readonly findings: readonly string[];
}

/** How the C library, the runtime and SQLite put the errors that are tried. */
const WORDS: Readonly<Record<string, RegExp>> = {
  EIO: /i\/o error|input\/output error/i,
  EMFILE: /too many open files/i,
  EINTR: /interrupted/i,
  ENOSPC: /no space left|not enough free space/i,
  EXDEV: /cross-device/i,
  ENOLCK: /no locks|locking protocol|i\/o error/i,
  ECONNREFUSED: /refused/i,
  ENETUNREACH: /unreachable|no route/i,
  ENOBUFS: /no buffer space/i,
  ECONNRESET: /reset|closed the connection|ended the connection/i,
  EPIPE: /broken pipe|went away/i,
  EAGAIN: /temporarily unavailable|try again/i,
  ENOMEM: /cannot allocate memory|not enough memory/i,
  EPERM: /not permitted/i,
};

export function judge(seen: Seen): Verdict {
  if (seen.hit === null) return { kind: "missed", findings: [] };
  const findings: string[] = [];
  const isDone = seen.status === 0;
  const isAborted = seen.hit.name === "clone3" && seen.signal === "SIGABRT" && seen.stdout === "";
  if (isDone) findings.push(...ofSuccess(seen));
  else if (!isAborted) findings.push(...ofFailure(seen));
  if (seen.bootFiles.length > 0) findings.push(`left in the boot directory: ${seen.bootFiles.join(", ")}`);
  if (seen.record === null) findings.push("the record is neither the one before nor the one after");
  if (seen.cacheFault !== null) findings.push(`the cache is not sound: ${seen.cacheFault}`);
  if (seen.nextFault !== null) findings.push(`the next start: ${seen.nextFault}`);
  if (seen.leftOver.length > 0) findings.push(`left behind: ${seen.leftOver.join(", ")}`);
  return { kind: isDone ? "harmless" : isAborted ? "aborted" : "failed cleanly", findings };
}

function* ofSuccess(seen: Seen): Generator<string> {
  if (seen.isAnswerRight !== true) yield "exit status 0, and the answer is not right";
  if (seen.record === "before") yield "exit status 0, and the record is the one before";
}

function* ofFailure({ status, signal, stdout, stderr, hit, error }: Seen): Generator<string> {
  if (status !== 1) yield `ended with ${signal ?? `exit status ${status}`}`;
  if (stdout !== "") yield `failed after an answer: ${JSON.stringify(stdout)}`;
  // A start whose standard error is what failed has no words.
  if (!/^RuntimeError: [^\n]+\n$/.test(stderr)) yield `words in the wrong form: ${JSON.stringify(stderr)}`;
  if (/unexpected|INTERNAL|defect/.test(stderr)) yield `told as a defect: ${stderr.trim()}`;
  if (WORDS[error]?.test(stderr) !== true && !namesTarget(stderr, hit)) yield `cause not named: ${stderr.trim()}`;
}

/**
 * Is the file that the call was about named, or a folder that it is in? Then it is said what failed, if not how: the
 * runtime's recursive mkdir looks at what is there after a failure, and gives that reason.
 */
function namesTarget(words: string, hit: Call | null): boolean {
  const targets = hit?.target.split(" → ").filter((target) => target.startsWith("/")) ?? [];
  const named = (words.match(/\/[^\s:;,"]+/g) ?? []).filter((name) => name.split("/").length > 3);
  // Whoever resolves a path looks at each folder on its way: then the path's end is what is named.
  const isWalk = hit?.name === "lstat";
  const isNamed = (target: string, name: string) =>
    `${target}/`.startsWith(`${name}/`) || (isWalk && `${name}/`.startsWith(`${target}/`));
  return targets.some((target) => named.some((name) => isNamed(target, name)));
}
