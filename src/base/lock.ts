/**
 * A lock between processes that ends with its holder however that ends: xenopsd cancels a start with SIGKILL, and no
 * later start may wait for a dead one.
 *
 * The kernel does that for locks by fcntl, which Node has no call for; its SQLite has: an exclusive transaction on an
 * empty database is such a lock. Nothing is ever written, so the file stays empty; it is never removed either, because
 * a process that waits on a removed file would hold a lock that nobody else sees.
 */
import { mkdirSync, readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { GuestbootError, isSystemError, systemReason } from "./errors.ts";

export interface LockOptions {
  /** Seconds to wait for another holder; 30 when not given, 0 for one try. */
  readonly timeoutSeconds?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const DEFAULT_TIMEOUT_SECONDS = 30;
/**
 * Milliseconds; the shares that are added at random keep waiting processes out of step. Who has waited long is waiting
 * for a download, maybe with many others: they look less often.
 */
const POLL_INTERVAL = 15;
const POLL_SPREAD = 10;
const LONG_WAIT = 1000;
const LONG_POLL_FACTOR = 6;
/**
 * The locks that are held. Without this a lock is reachable only through the work that it waits for, and where nothing
 * else holds on to that work, the garbage collector would close the lock under it.
 */
const held = new Set<DatabaseSync>();
/** https://www.sqlite.org/rescode.html */
const SQLITE_BUSY = 5;

/**
 * Does `work` while holding the lock `file`, which is made when it is missing, with its folder. Others in this process
 * are kept out as well as other processes. Who waited longest is not served first.
 *
 * @throws LOCK_TIMEOUT; LOCK_UNUSABLE when the file cannot be made or is something else; the signal's reason; and
 *   what `work` throws
 */
export async function withLock<T>(file: string, work: () => T | Promise<T>, options: LockOptions = {}): Promise<T> {
  options.signal?.throwIfAborted();
  const database = openLockFile(file);
  held.add(database);
  try {
    await acquire(database, file, options);
    return await work();
  } finally {
    held.delete(database);
    database.close();
  }
}

function openLockFile(file: string): DatabaseSync {
  const { DatabaseSync: Database } = process.getBuiltinModule("node:sqlite");
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
    return new Database(file);
  } catch (error) {
    const isFile = isSystemError(error, "EEXIST");
    throw unusable(file, isFile ? `${dirname(file)} is no folder` : systemReason(error), error);
  }
}

async function acquire(database: DatabaseSync, file: string, { timeoutSeconds, signal }: LockOptions): Promise<void> {
  const timeout = timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS;
  // Not `performance`, which the runtime loads when it is first asked for.
  const begun = process.hrtime.bigint();
  while (!tryLock(database, file)) {
    const waited = Number(process.hrtime.bigint() - begun) / 1e6;
    if (waited >= timeout * 1000) throw timedOut(file, timeout);
    const factor = waited > LONG_WAIT ? LONG_POLL_FACTOR : 1;
    await new Promise((resolve) => setTimeout(resolve, factor * (POLL_INTERVAL + Math.random() * POLL_SPREAD)));
    signal?.throwIfAborted();
  }
}

function tryLock(database: DatabaseSync, file: string): boolean {
  try {
    // Without this a journal file is made beside the lock and stays there when the holder is killed. (OFF would do
    // too, but SQLite refuses it in the "defensive" mode that is Node's default.)
    database.exec("PRAGMA journal_mode = MEMORY");
    database.exec("BEGIN EXCLUSIVE");
    return true;
  } catch (error) {
    if (sqliteCode(error) === SQLITE_BUSY) return false;
    throw unusable(file, systemReason(error), error);
  }
}

function timedOut(file: string, seconds: number): GuestbootError {
  const pid = holderOf(file);
  const holder = pid === null ? "another process" : `process ${pid}`;
  return new GuestbootError("LOCK_TIMEOUT", `${holder} has held the lock ${file} for more than ${seconds} seconds`, {
    hint: pid === null ? `see who has it open: fuser -v ${file}` : `see what it is doing: ps -fp ${pid}`,
  });
}

/** The process that holds the lock, as the kernel lists it (proc(5), /proc/locks); null when it does not say. */
function holderOf(file: string): number | null {
  try {
    // The lock file itself must not be opened here: closing it would give up every lock of this process on it.
    const inode = statSync(file).ino;
    const line = new RegExp(`^\\d+: POSIX +ADVISORY +WRITE (\\d+) [0-9a-f]+:[0-9a-f]+:${inode} `, "m");
    const pid = line.exec(readFileSync("/proc/locks", "latin1"))?.[1];
    return pid === undefined ? null : Number(pid);
  } catch {
    return null;
  }
}

function unusable(file: string, reason: string, cause: unknown): GuestbootError {
  return new GuestbootError("LOCK_UNUSABLE", `the lock file ${file} cannot be used: ${reason}`, {
    hint: `is its folder there, on a disk that is not full, and may this user write to it? ls -ld ${dirname(file)}`,
    cause,
  });
}

/** SQLite's result code, without what its extended codes add above the lowest byte. */
function sqliteCode(error: unknown): number | null {
  return error instanceof Error && "errcode" in error && typeof error.errcode === "number"
    ? error.errcode & 0xff
    : null;
}
