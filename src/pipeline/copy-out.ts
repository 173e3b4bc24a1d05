/**
 * Bytes out of the guest into a boot file, through descriptors only: by now every other right is gone.
 */
import * as fs from "node:fs";
import type { ByteSource } from "../base/byte-source.ts";
import { GuestbootError, isSystemError, systemReason } from "../base/errors.ts";

/** Larger buffers fall out of the processor's cache and are slower (measured: 1 MiB against 256 KiB). */
const BUFFER_SIZE = 256 * 1024;

/** The kernel's initramfs reader wants each archive of a concatenation to begin at a multiple of 4 bytes. */
const RAMDISK_ALIGNMENT = 4;

export interface CopyOutTarget {
  readonly fd: number;
  /** The file's path, for errors. */
  readonly path: string;
  /** "kernel", "ramdisk", for errors. */
  readonly role: string;
  /** Bytes that the target may have at most. */
  readonly maxSize: number;
}

/**
 * Writes `sources` one after the other; several ramdisks become one.
 * @throws FILE_TOO_LARGE before anything is written; NO_SPACE, OUTPUT_FAILED; what reading the guest throws
 */
export function copyOut(sources: readonly ByteSource[], target: CopyOutTarget): void {
  const starts: number[] = [];
  let total = 0;
  for (const source of sources) {
    total = Math.ceil(total / RAMDISK_ALIGNMENT) * RAMDISK_ALIGNMENT;
    starts.push(total);
    total += source.size;
  }
  if (total > target.maxSize) throw tooLarge(target, total);
  const buffer = new Uint8Array(Math.min(BUFFER_SIZE, Math.max(total, 1)));
  sources.forEach((source, index) => {
    const start = starts[index] ?? 0;
    for (let offset = 0; offset < source.size; offset += buffer.length) {
      const piece = source.read(offset, Math.min(buffer.length, source.size - offset), buffer);
      writeAll(target, piece, start + offset, total);
    }
  });
}

function writeAll(target: CopyOutTarget, bytes: Uint8Array, position: number, total: number): void {
  try {
    let written = 0;
    while (written < bytes.length) {
      written += fs.writeSync(target.fd, bytes, written, bytes.length - written, position + written);
    }
  } catch (error) {
    if (isSystemError(error, "ENOSPC", "EDQUOT")) {
      throw new GuestbootError(
        "NO_SPACE",
        `no space for the guest's ${target.role} (${total} bytes) at ${target.path}`,
        {
          cause: error,
          hint: "free some space there: df -h shows how much there is",
        },
      );
    }
    throw new GuestbootError("OUTPUT_FAILED", `${target.path} cannot be written: ${systemReason(error)}`, {
      cause: error,
    });
  }
}

function tooLarge(target: CopyOutTarget, total: number): GuestbootError {
  const mebibytes = (bytes: number) => `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
  return new GuestbootError(
    "FILE_TOO_LARGE",
    `the guest's ${target.role} has ${mebibytes(total)}, more than the limit of ${mebibytes(target.maxSize)}`,
    { hint: "set max-file-size-mb under [limits] in /etc/guestboot.conf, or PYGRUB_MAX_FILE_SIZE_MB" },
  );
}
