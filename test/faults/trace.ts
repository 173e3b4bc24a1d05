/**
 * What strace(1) has written about a program, as system calls: which, the how many-th of its name, and on what.
 */

/** One system call of the traced thread. */
export interface Call {
  readonly name: string;
  /** Counted from 1 among the calls of that name, as strace's `when=` does. */
  readonly nth: number;
  /** The path or address that it is about; `""` when there is none. Two paths are joined by " → ". */
  readonly target: string;
  readonly isInjected: boolean;
}

/** Reads the log of `strace -y` without `-f`: one thread, so that each call is one line. */
export function readTrace(log: string): Call[] {
  const counts = new Map<string, number>();
  const calls: Call[] = [];
  for (const line of log.split("\n")) {
    const match = /^(?:\d+ +)?([a-z0-9_]+)\((.*)$/.exec(line);
    if (match?.[1] === undefined || match[2] === undefined) continue;
    const [, name, rest] = match;
    const nth = (counts.get(name) ?? 0) + 1;
    counts.set(name, nth);
    calls.push({ name, nth, target: targetOf(rest), isInjected: rest.endsWith("(INJECTED)") });
  }
  return calls;
}

/** libuv's own pipes: a byte "*" is its lock around signals, 512 bytes are what it reads of the signals that came. */
const SIGNAL_PIPE = /^\d+<[^>]*>, (?:"\*"|0x[0-9a-f]+|"[^"]*"(?:\.\.\.)?), (?:1|512)\)/;

/** The paths that are named, or else what the descriptor stands for (`-y` says it in angle brackets). */
function targetOf(rest: string): string {
  // `socket(AF_INET, …)`: it stands for nothing yet but its family.
  const family = /^(AF_[A-Z0-9]+), /.exec(rest)?.[1];
  if (family !== undefined) return family;
  // `AT_FDCWD</folder>, "path"` and `21</the/file>, ""`.
  const named = /^(?:(?:AT_FDCWD|\d+)(?:<[^>]*>)?, )?"([^"]+)"/.exec(rest)?.[1];
  const descriptor = /^-?\d+<((?:[^<>]|->)*)>/.exec(rest)?.[1];
  if (descriptor?.startsWith("pipe:") === true && SIGNAL_PIPE.test(rest)) return "event loop";
  if (named === undefined || descriptor !== undefined) return descriptor ?? named ?? "";
  const second = /^[^"]*"[^"]*", (?:(?:AT_FDCWD|\d+)(?:<[^>]*>)?, )?"([^"]+)"/.exec(rest)?.[1];
  return second === undefined ? named : `${named} → ${second}`;
}

/**
 * The same in each run: without process ids, random names and descriptors' inode numbers.
 * @param folders what is another folder in each run
 */
export function stepOf(call: Call, folders: readonly string[]): string {
  // What a link leads to is its answer, which a failing call has not.
  let target = call.name.startsWith("readlink") ? call.target.replace(/ → .*$/, "") : call.target;
  for (const folder of folders) target = target.replaceAll(folder, "");
  target = target
    .replaceAll(/[^/~ ]+~\d+~[0-9a-f]+/g, "TEMPORARY")
    .replaceAll(/\d+~[0-9a-f]{16}/g, "MARK")
    .replaceAll(/(guestboot-root)-[A-Za-z0-9]{6}/g, "$1")
    .replaceAll(/(boot_(?:kernel|ramdisk))\.[a-z0-9]{6}/g, "$1")
    .replaceAll(/\/proc\/\d+/g, "/proc/PID")
    .replaceAll(/:\[\d+\]/g, "");
  return `${call.name} ${target}`;
}

/**
 * Which step each call is and the how many-th of its kind, in words: that call in each run, also where what runs beside
 * it has changed its number.
 * @param calls from the first one on
 */
export function placesOf(calls: readonly Call[], folders: readonly string[]): string[] {
  const counts = new Map<string, number>();
  return calls.map((call) => {
    const step = stepOf(call, folders);
    const order = (counts.get(step) ?? 0) + 1;
    counts.set(step, order);
    return `${step}, number ${order}`;
  });
}

/**
 * Is the call about the runtime's own event loop (its eventfd, its signal pipe, its epoll set)? No disk, no network
 * and no other program is behind these, and the kernel has no failure for them that the runtime could outlive.
 */
export function isEventLoop({ target }: Call): boolean {
  return target === "event loop" || target.startsWith("anon_inode:");
}
