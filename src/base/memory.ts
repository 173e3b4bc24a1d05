/**
 * How much memory this process has, as the kernel counts it: /proc/self/statm, held open so that it can still be read
 * when nothing can be opened any more.
 */
import * as fs from "node:fs";

const PAGE_SIZE = 4096;

let statm: number | null = null;
const buffer = Buffer.alloc(128);

/** Bytes: resident, and of writable memory of our own (what RLIMIT_DATA counts). */
interface MemoryUse {
  readonly resident: number;
  readonly data: number;
}

/** Must be called while files can be opened. */
export function openMemoryGauge(): void {
  try {
    statm ??= fs.openSync("/proc/self/statm", fs.constants.O_RDONLY);
  } catch {
    // No /proc, no figures: the limits of formats and budgets remain.
  }
}

/** For the build, whose snapshot must not hold a descriptor. */
export function closeMemoryGauge(): void {
  if (statm !== null) fs.closeSync(statm);
  statm = null;
}

/** null where there is no gauge. */
export function memoryUse(): MemoryUse | null {
  if (statm === null) return null;
  const length = fs.readSync(statm, buffer, 0, buffer.length, 0);
  // proc(5): size resident shared text lib data dt, in pages.
  const fields = buffer.toString("latin1", 0, length).split(" ");
  return { resident: Number(fields[1]) * PAGE_SIZE, data: Number(fields[5]) * PAGE_SIZE };
}

/**
 * The limit of writable memory under which what is resident cannot grow far past `memory` by our own doing: the last
 * wall, which the runtime meets without words, so it stands behind the checks that have some. null: no gauge.
 */
export function dataLimit(memory: number): number | null {
  const use = memoryUse();
  return use === null ? null : use.data + Math.max(memory - use.resident, 0) + ROOM_FOR_WORDS;
}

/** What may come between two looks at the memory, and what it takes to say what is wrong. */
const ROOM_FOR_WORDS = 32 * 1024 * 1024;
