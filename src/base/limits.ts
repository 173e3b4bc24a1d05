/**
 * How much reading of a guest's disk may cost before it is given up. Whoever starts guestboot sets it once, before a
 * byte of a guest is looked at; the readers ask here for their budgets.
 *
 * Not here: what a format itself limits (the depth of its trees, the length of a name), what one filesystem may have
 * searched, and the limits of boot configs, which stand where they are read.
 */
import { Budget } from "./budget.ts";
import type { ByteSource } from "./byte-source.ts";
import { GuestbootError } from "./errors.ts";

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
}

export const DEFAULT_READ_LIMITS: ReadLimits = {
  directoryEntries: 200_000,
  extents: 262_144,
  links: 40,
  treeDepth: 2048,
  bytesRead: 4 * 1024 ** 3,
  seconds: 300,
};

let current = DEFAULT_READ_LIMITS;

export function readLimits(): ReadLimits {
  return current;
}

/** For all that is opened from now on. */
export function setReadLimits(limits: ReadLimits): void {
  current = limits;
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

/**
 * The same bytes, until the limits are used up: BUDGET_EXCEEDED is thrown by every read from then on.
 * @param now milliseconds of a clock that only goes forward
 */
export function limitedSource(source: ByteSource, now: () => number = () => performance.now()): ByteSource {
  const { bytesRead, seconds } = current;
  let bytes = 0;
  let milliseconds = 0;
  let last: number | null = null;
  const spend = (length: number): void => {
    const time = now();
    milliseconds += last === null ? 0 : Math.min(time - last, LONGEST_WORK_MS);
    last = time;
    bytes += length;
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
