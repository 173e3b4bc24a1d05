/** Whether a file will fit, asked before it is written, and said in the same words when it did not. */
import { statfsSync } from "node:fs";
import { GuestbootError } from "../base/errors.ts";

/** Bytes that may still be written to the filesystem of `folder`; null where the system does not say. */
export function freeSpace(folder: string): number | null {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return null;
  }
}

/** @throws NO_SPACE when `needed` bytes do not fit into the filesystem of `folder` */
export function checkSpace(folder: string, needed: number, what: string): void {
  const free = freeSpace(folder);
  if (free !== null && free < needed) throw noSpace(folder, needed, what);
}

/** @param needed bytes; null when it is not known how large the file would have become */
export function noSpace(folder: string, needed: number | null, what: string, cause?: unknown): GuestbootError {
  const free = freeSpace(folder);
  const size = needed === null ? "" : ` (${inMegabytes(needed)})`;
  const left = free === null ? "" : `; ${inMegabytes(free)} are free there`;
  return new GuestbootError("NO_SPACE", `not enough free space in ${folder} for ${what}${size}${left}`, {
    hint: `see what fills it: df -h ${folder}`,
    cause,
  });
}

function inMegabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
