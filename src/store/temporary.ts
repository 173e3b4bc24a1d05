/**
 * Files that are not finished yet. Each has a name that says who writes it, so that what a killed process has left is
 * known as such and removed by the next one that writes.
 */
import {
  closeSync,
  constants,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { syncFile } from "../base/durable.ts";

/** Milliseconds. No download takes that long; what is older is removed even where its writer cannot be asked. */
const STALE_AFTER = 24 * 3600 * 1000;

export interface TemporaryFile extends Disposable {
  readonly path: string;
  readonly fd: number;
  write(bytes: Uint8Array): void;
  /** Waits until the bytes are on the disk, so that a power failure cannot leave a name without its content. */
  sync(): Promise<void>;
  /** The file is now somebody else's: it is not removed any more. */
  keep(): void;
}

export interface TemporaryOptions {
  /** The bytes are small and each write waits for the disk, in place of a `sync` at the end. */
  readonly isSmall?: boolean;
  /** A file that another process had begun, which becomes ours; and how many of its bytes are to stay. */
  readonly begun?: { readonly path: string; readonly bytes: number } | undefined;
}

/** A new file of our own in `folder`, which is made when missing. It is removed at the end unless it was kept. */
export function makeTemporary(folder: string, { isSmall = false, begun }: TemporaryOptions = {}): TemporaryFile {
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const path = join(folder, temporaryName());
  const fd = begun === undefined ? create(path, isSmall) : takeOver(begun, path);
  let kept = false;
  return {
    path,
    fd,
    write(bytes) {
      // A disk that is nearly full takes a part first and fails at the next call only.
      for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done);
    },
    sync: () => (isSmall ? Promise.resolve() : syncFile(path)),
    keep() {
      kept = true;
    },
    [Symbol.dispose]() {
      try {
        // Here a filesystem may say that bytes were lost.
        closeSync(fd);
      } finally {
        if (!kept) removeIfThere(path);
      }
    },
  };
}

/** A new name that says who we are. */
export function temporaryName(): string {
  // The clock's nanoseconds are the only ones that this process sees: random numbers would load all of node:crypto.
  return [encodeURIComponent(hostname()), process.pid, process.hrtime.bigint().toString(16)].join("~");
}

function create(path: string, isSmall: boolean): number {
  const { O_CREAT, O_EXCL, O_WRONLY, O_SYNC } = constants;
  return openSync(path, O_WRONLY | O_CREAT | O_EXCL | (isSmall ? O_SYNC : 0), 0o600);
}

function takeOver({ path: from, bytes }: { path: string; bytes: number }, path: string): number {
  renameSync(from, path);
  const fd = openSync(path, constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW);
  ftruncateSync(fd, bytes);
  return fd;
}

/** Removes what dead processes have left in `folder`. */
export function sweepTemporaries(folder: string): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (isLeft(name) || isOlderThan(path, STALE_AFTER)) removeIfThere(path);
  }
}

/** Was the temporary file of that name made by a process of this host that has ended? */
export function isLeft(name: string): boolean {
  const [owner, pid] = name.split("~");
  return owner === encodeURIComponent(hostname()) && !isAlive(Number(pid));
}

export function isAlive(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, under another user.
    return !(error instanceof Error && "code" in error && error.code === "ESRCH");
  }
}

function isOlderThan(path: string, age: number): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  return found !== undefined && Date.now() - found.mtimeMs > age;
}

export function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Somebody else has removed it, or we may not: it is no content either way.
  }
}
