/**
 * Where a start can fail: each system call that it makes from its first own one on, with each error that the system
 * can really give there.
 */
import { isEventLoop, type Call } from "./trace.ts";

/** One fault: the `nth` call of that name of the program's own thread ends with `error`. */
export interface Point {
  readonly call: string;
  readonly nth: number;
  readonly error: string;
  /** How the one call is met; see `CountedIn`. */
  readonly counted: CountedIn;
}

/**
 * strace counts calls by the thread. `thread`: only the program's main thread is traced, which makes all calls on files and
 * sockets. `everywhere`: each thread's nth call, for what the C library asks the kernel once a thread (setuid(2)).
 * Otherwise only calls on that path are counted, whichever thread or process makes them.
 */
export type CountedIn = "thread" | "everywhere" | { readonly path: string };

const FILE: Readonly<Record<string, readonly string[]>> = {
  openat: ["EIO", "EMFILE", "EINTR"],
  read: ["EIO", "EINTR"],
  pread64: ["EIO", "EINTR"],
  preadv: ["EIO"],
  write: ["ENOSPC", "EIO", "EINTR"],
  writev: ["ENOSPC"],
  pwrite64: ["ENOSPC"],
  pwritev: ["ENOSPC"],
  rename: ["EIO", "ENOSPC"],
  renameat: ["EIO"],
  renameat2: ["EIO"],
  link: ["EIO", "EXDEV", "ENOSPC"],
  linkat: ["EIO", "EXDEV"],
  symlink: ["EIO"],
  symlinkat: ["EIO"],
  unlink: ["EIO"],
  unlinkat: ["EIO"],
  rmdir: ["EIO"],
  mkdir: ["EIO", "ENOSPC"],
  mkdirat: ["EIO", "ENOSPC"],
  chmod: ["EIO"],
  fchmod: ["EIO"],
  fchmodat: ["EIO"],
  chown: ["EIO"],
  fchown: ["EIO"],
  fchownat: ["EIO"],
  utimensat: ["EIO"],
  ftruncate: ["EIO"],
  fallocate: ["ENOSPC"],
  fsync: ["EIO"],
  fdatasync: ["EIO"],
  sync: ["EIO"],
  syncfs: ["EIO"],
  sendfile: ["EIO", "EINTR"],
  copy_file_range: ["EIO"],
  ioctl: ["EIO"],
  fcntl: ["ENOLCK"],
  flock: ["ENOLCK"],
  stat: ["EIO"],
  lstat: ["EIO"],
  fstat: ["EIO"],
  statx: ["EIO"],
  newfstatat: ["EIO"],
  access: ["EIO"],
  faccessat2: ["EIO"],
  readlink: ["EIO"],
  readlinkat: ["EIO"],
  getdents64: ["EIO"],
  statfs: ["EIO"],
  close: ["EIO"],
};

const NETWORK: Readonly<Record<string, readonly string[]>> = {
  socket: ["EMFILE"],
  connect: ["ECONNREFUSED", "ENETUNREACH", "EINTR"],
  setsockopt: ["ENOBUFS"],
  bind: ["EADDRINUSE"],
  read: ["ECONNRESET", "EINTR"],
  recvfrom: ["ECONNRESET"],
  recvmsg: ["ECONNRESET"],
  write: ["ECONNRESET", "EINTR"],
  writev: ["ECONNRESET"],
  sendto: ["ECONNRESET"],
  sendmsg: ["ECONNRESET"],
  shutdown: ["ENOTCONN"],
  // A socket is closed without a word: libuv takes another answer for a defect of its own.
  close: [],
};

/** What a start asks of the system besides: the pipes to the boot files' owner, its process, and rights given up. */
const PROCESS: Readonly<Record<string, readonly string[]>> = {
  pipe2: ["EMFILE"],
  clone3: ["EAGAIN"],
  kill: ["EPERM"],
  // EPIPE needs an owner that is gone: see OWNER_POINTS.
  write: ["EINTR"],
  // No disk is behind a pipe: the runtime takes another answer for a defect of its own.
  read: ["EINTR"],
  // Nothing is behind a pipe that its close could wait for; and strace, which would leave it open, is no such failure.
  close: [],
};
const IN_EACH_THREAD: Readonly<Record<string, readonly string[]>> = {
  setgroups: ["EPERM"],
  setgid: ["EPERM"],
  setuid: ["EAGAIN"],
};

/** The names of all calls that matter, for strace's `trace=`. */
export const WATCHED: readonly string[] = [
  ...new Set([FILE, NETWORK, PROCESS, IN_EACH_THREAD].flatMap((table) => Object.keys(table))),
];

/** Counts differ a little between runs (how often the event loop wakes up): so many calls are tried past the last. */
const PAST_THE_END = 3;

/**
 * The calls that can fail, from the program's first own one on; before it the runtime starts, and nothing of ours has
 * run.
 */
export function ownCalls(calls: readonly Call[], firstOwn: string): readonly Call[] {
  const first = calls.findIndex((call) => call.name === "openat" && call.target === firstOwn);
  if (first === -1) throw new Error(`the trace of a whole start opens no ${firstOwn}`);
  return calls.slice(first).filter((call) => !isEventLoop(call) && errorsOf(call).length > 0);
}

/** @param calls of a start without a fault, whole; @param firstOwn the file that the program itself opens first */
export function listPoints(calls: readonly Call[], firstOwn: string): Point[] {
  const points = new Map<string, Point>();
  const add = (call: string, nth: number, errors: readonly string[], counted: CountedIn) => {
    for (const error of errors) points.set(`${call} ${nth} ${error}`, { call, nth, error, counted });
  };
  const last = new Map<string, Call>();
  for (const call of ownCalls(calls, firstOwn)) {
    const counted = call.name in IN_EACH_THREAD ? "everywhere" : "thread";
    add(call.name, call.nth, errorsOf(call), counted);
    if (counted === "thread") last.set(call.name, call);
  }
  for (const call of last.values()) {
    for (let more = 1; more <= PAST_THE_END; more += 1) add(call.name, call.nth + more, errorsOf(call), "thread");
  }
  return [...points.values()];
}

/** One fault for each call: the first of its errors, which is the most telling one. */
export function firstErrors(points: readonly Point[]): Point[] {
  const places = new Map<string, Point>();
  for (const point of points) {
    const place = `${point.call} ${point.nth}`;
    if (!places.has(place)) places.set(place, point);
  }
  return [...places.values()];
}

/**
 * Can the system give that error to the call that was met? Counts differ between runs, so that a file's error may have
 * come to a pipe.
 */
export function isPossible({ error, counted }: Point, hit: Call): boolean {
  return counted !== "thread" || errorsOf(hit).includes(error);
}

function errorsOf({ name, target }: Call): readonly string[] {
  const isSocket = target.startsWith("socket:") || target.startsWith("TCP");
  const isPipe = target.startsWith("pipe:");
  // The kernel's own words on itself: nothing is behind them that a close could wait for.
  if (name === "close" && target.startsWith("/proc/")) return [];
  const table = isSocket || !(name in FILE) ? NETWORK : FILE;
  return (isPipe ? PROCESS[name] : undefined) ?? table[name] ?? PROCESS[name] ?? IN_EACH_THREAD[name] ?? [];
}

/** As it is started. */
const SHELL = "/bin/sh";
/** What can befall the boot files' owner, a small shell beside the program. */
export const OWNER_POINTS: readonly Point[] = [
  { call: "execve", nth: 1, error: "ENOMEM", counted: { path: SHELL } },
  { call: "execve", nth: 1, error: "EIO", counted: { path: SHELL } },
  // It asks for its parent when it starts, and is gone before it reads a word.
  { call: "getppid", nth: 1, error: "SIGKILL", counted: "everywhere" },
];
