/**
 * Bytes out of the guest into a boot file, through descriptors only: by now every other right is gone.
 */
import * as fs from "node:fs";
import type { ByteSource } from "../base/byte-source.ts";
import { GuestbootError, isSystemError, systemReason } from "../base/errors.ts";
import type { SendFile } from "../base/send-file.ts";

/** Larger buffers fall out of the processor's cache and are slower (measured: 1 MiB against 256 KiB). */
const BUFFER_SIZE = 256 * 1024;

/** The kernel's initramfs reader wants each archive of a concatenation to begin at a multiple of 4 bytes. */
const RAMDISK_ALIGNMENT = 4;

export interface CopyOutTarget {
  /** Stands at its start, and is empty. */
  readonly fd: number;
  /** The file's path, for errors. */
  readonly path: string;
  /** "kernel", "ramdisk", for errors. */
  readonly role: string;
  /** Bytes that the target may have at most. */
  readonly maxSize: number;
}

/** The disk that the sources lie on, and the way to send from it without reading. */
export interface SendingDisk {
  readonly fd: number;
  readonly send: SendFile;
}

/**
 * Writes `sources` one after the other; several ramdisks become one.
 * @throws FILE_TOO_LARGE before anything is written; NO_SPACE, OUTPUT_FAILED; what reading the guest throws
 */
export function copyOut(sources: readonly ByteSource[], target: CopyOutTarget, disk: SendingDisk | null): void {
  const total = sources.reduce((size, source) => aligned(size) + source.size, 0);
  if (total > target.maxSize) throw tooLarge(target, total);
  const buffer = new Uint8Array(Math.min(BUFFER_SIZE, Math.max(total, RAMDISK_ALIGNMENT)));
  const write = (bytes: Uint8Array) => writeAll(target, bytes, total);
  let written = 0;
  for (const source of sources) {
    write(new Uint8Array(aligned(written) - written));
    copySource(source, disk, target.fd, buffer, write);
    written = aligned(written) + source.size;
  }
}

function aligned(size: number): number {
  return Math.ceil(size / RAMDISK_ALIGNMENT) * RAMDISK_ALIGNMENT;
}

/** What lies on the disk as it is goes inside the kernel; the rest, and what the kernel will not send, through us. */
function copySource(
  source: ByteSource,
  disk: SendingDisk | null,
  fd: number,
  buffer: Uint8Array,
  write: (bytes: Uint8Array) => void,
): void {
  let offset = 0;
  while (offset < source.size) {
    const range = disk === null ? null : (source.onDisk?.(offset, source.size - offset) ?? null);
    const sent = range === null || disk === null ? 0 : disk.send(fd, disk.fd, range.offset, range.length);
    if (sent > 0) {
      offset += sent;
    } else {
      // Where sending failed, writing fails too, and says why.
      const piece = source.read(offset, Math.min(buffer.length, source.size - offset), buffer);
      write(piece);
      offset += piece.length;
    }
  }
}

function writeAll(target: CopyOutTarget, bytes: Uint8Array, total: number): void {
  try {
    let written = 0;
    // At the file's own position, which sending moves too.
    while (written < bytes.length) written += fs.writeSync(target.fd, bytes, written, bytes.length - written, null);
  } catch (error) {
    if (isSystemError(error, "ENOSPC", "EDQUOT")) {
      throw new GuestbootError(
        "NO_SPACE",
        `no space for the guest's ${target.role} (${total} bytes) at ${target.path}`,
        { cause: error, hint: "free some space there: df -h shows how much there is" },
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
