/**
 * How much reading of a guest's disk may cost before it is given up. Whoever starts guestboot sets it once, before a
 * byte of a guest is looked at; the readers ask here for their budgets.
 *
 * Not here: what a format itself limits (the depth of its trees, the length of a name), what one filesystem may have
 * searched, and the limits of boot configs, which stand where they are read.
 */
import { Budget } from "./budget.ts";
import { monotonicMs } from "./clock.ts";
import type { ByteSource } from "./byte-source.ts";
import { GuestbootError } from "./errors.ts";
import { closeMemoryGauge, memoryUse, openMemoryGauge } from "./memory.ts";

export interface ReadLimits {
  /** Entries of one folder that is listed: all its names are in memory then, of up to 255 bytes each. */
  readonly directoryEntries: number;
  /** Separate pieces of one file. A boot file of 128 MiB in single blocks of 512 bytes has 262,144. */
  readonly extents: number;
  /** Symbolic links on the way of one path. Linux follows 40 (path_resolution(7)). */
  readonly links: number;
  /** Folders in one another, on the way of one path. */
  readonly treeDepth: number;
  /** Bytes of a disk that are read in all. What is sent from the disk inside the kernel is not among them. */
  readonly bytesRead: number;
  /** Seconds from the first byte of a disk on. While a person looks at a menu, no time passes. */
  readonly seconds: number;
  /** Bytes of resident memory, the runtime's own included. */
  readonly memory: number;
}

export const DEFAULT_READ_LIMITS: ReadLimits = {
  directoryEntries: 200_000,
  extents: 262_144,
  links: 40,
  treeDepth: 2048,
  bytesRead: 4 * 1024 ** 3,
  seconds: 300,
  memory: 256 * 1024 ** 2,
};

let current = DEFAULT_READ_LIMITS;

export function readLimits(): ReadLimits {
  return current;
}

/** For all that is opened from now on, and while files can be opened. */
export function setReadLimits(limits: ReadLimits): void {
  current = limits;
  openMemoryGauge();
}

/** For the build, whose snapshot must hold nothing of its own process. */
export function forgetReadLimits(): void {
  current = DEFAULT_READ_LIMITS;
  closeMemoryGauge();
}

export function directoryBudget(): Budget {
  return new Budget("entries of a folder", current.directoryEntries, settable("max-directory-entries"));
}

export function extentBudget(): Budget {
  return new Budget("separate pieces of a file", current.extents, settable("max-extents"));
}

/** What an admin does about a limit that a guest of good will has met. */
export function settable(key: string): string {
  return `if the guest is to be believed: set ${key} under [limits] in /etc/guestboot.conf`;
}

/** Between two reads no work of ours takes longer: the rest of the time a person was asked, and does not count. */
const LONGEST_WORK_MS = 10_000;

/** Asking how much memory there is takes a system call. */
const READS_BETWEEN_LOOKS = 32;
const BYTES_BETWEEN_LOOKS = 512 * 1024;

/** @throws BUDGET_EXCEEDED when more memory is resident than the limit */
export function checkMemory(): void {
  const use = memoryUse();
  if (use !== null && use.resident > current.memory) throw memoryExceeded(use.resident);
}

/**
 * The error of ours where memory could not be had because of the limit (V8 and zlib say so in several ways); null where
 * it is about something else.
 */
export function asMemoryExceeded(error: unknown): GuestbootError | null {
  if (!(error instanceof Error)) return null;
  const isAllocation = /allocation failed|Array buffer allocation|memory/i.test(error.message);
  const isNoMemory = "code" in error && (error.code === "ENOMEM" || error.code === "Z_MEM_ERROR");
  const isOurs = error instanceof GuestbootError;
  if (isOurs || !(isNoMemory || (error instanceof RangeError && isAllocation))) return null;
  return memoryExceeded(memoryUse()?.resident ?? null, error);
}

function memoryExceeded(resident: number | null, cause?: unknown): GuestbootError {
  const mebibytes = (bytes: number) => (bytes / 1024 ** 2).toFixed(0);
  const used = resident === null ? "" : `, and ${mebibytes(resident)} MiB are in use`;
  return new GuestbootError(
    "BUDGET_EXCEEDED",
    `reading the disk would take more memory than the limit of ${mebibytes(current.memory)} MiB${used}: gave up`,
    {
      cause,
      hint: "if the guest is to be believed: set max-ram-usage-mb under [limits] in /etc/guestboot.conf, or PYGRUB_MAX_RAM_USAGE_MB",
    },
  );
}

/**
 * The same bytes, until the limits are used up: BUDGET_EXCEEDED is thrown by every read from then on.
 * @param now milliseconds of a clock that only goes forward
 */
export function limitedSource(source: ByteSource, now: () => number = monotonicMs): ByteSource {
  const { bytesRead, seconds } = current;
  let bytes = 0;
  let milliseconds = 0;
  let last: number | null = null;
  let readsToLook = 0;
  let bytesToLook = 0;
  const look = (length: number): void => {
    readsToLook -= 1;
    bytesToLook -= length;
    if (readsToLook > 0 && bytesToLook > 0) return;
    [readsToLook, bytesToLook] = [READS_BETWEEN_LOOKS, BYTES_BETWEEN_LOOKS];
    checkMemory();
  };
  const spend = (length: number): void => {
    const time = now();
    milliseconds += last === null ? 0 : Math.min(time - last, LONGEST_WORK_MS);
    last = time;
    bytes += length;
    look(length);
    if (bytes > bytesRead) throw exceeded(`more than ${bytesRead} bytes of the disk`, "max-bytes-read-mb");
    if (milliseconds > seconds * 1000) throw exceeded(`more than ${seconds} seconds for the disk`, "max-seconds");
  };
  const onDisk = source.onDisk?.bind(source);
  return {
    size: source.size,
    read(offset, length, into) {
      spend(length);
      const read = source.read(offset, length, into);
      // However long the device takes, it is the disk's time.
      const time = now();
      milliseconds += time - (last ?? time);
      last = time;
      return read;
    },
    ...(onDisk === undefined
      ? {}
      : {
          onDisk(offset, length) {
            spend(0);
            return onDisk(offset, length);
          },
        }),
  };
}

function exceeded(what: string, key: string): GuestbootError {
  return new GuestbootError("BUDGET_EXCEEDED", `reading would take ${what}: gave up`, { hint: settable(key) });
}
