/**
 * The one way in which everything below a disk is read: a block device, a disk image, a partition, a volume, a file
 * inside a guest's filesystem. Synchronous, because a boot loader is one short process in which async only costs.
 */
import { GuestbootError } from "./errors.ts";

/** A range of the disk itself, in bytes. */
export interface DiskRange {
  readonly offset: number;
  readonly length: number;
}

export interface ByteSource {
  /** Length in bytes. */
  readonly size: number;
  /**
   * Reads exactly `length` bytes at `offset` (both in bytes). With `into`, the bytes land at its start and the result
   * is a view of it, so that a long copy reuses one buffer.
   *
   * @throws GuestbootError OUT_OF_BOUNDS when the range is not inside the source; DISK_UNREADABLE when the device fails
   */
  read(offset: number, length: number, into?: Uint8Array): Uint8Array;
  /**
   * Where on the disk the bytes from `offset` on lie, as far as they lie there in one piece and as they are (at most
   * `length`); null where they do not (holes, what is decompressed). Sources that lie on no disk have no such method.
   * @throws as `read`
   */
  onDisk?(offset: number, length: number): DiskRange | null;
}

/** Throws OUT_OF_BOUNDS unless `offset`, `length` name a range inside `size` bytes. `what` names the source. */
export function checkRange(offset: number, length: number, size: number, what: string): void {
  if (
    !Number.isSafeInteger(offset) ||
    !Number.isSafeInteger(length) ||
    offset < 0 ||
    length < 0 ||
    length > size - offset
  ) {
    throw new GuestbootError(
      "OUT_OF_BOUNDS",
      `${what} ends at byte ${size}, and bytes ${offset} to ${offset + length} are needed: is it cut short?`,
    );
  }
}

/** The buffer that a read fills: the start of `into`, or a new one. */
export function targetOf(length: number, into: Uint8Array | undefined): Uint8Array {
  return into === undefined ? new Uint8Array(length) : into.subarray(0, length);
}

/** A window of another source: a partition of a disk, a filesystem at an offset. */
export function sliceSource(source: ByteSource, start: number, size: number, what: string): ByteSource {
  checkRange(start, size, source.size, what);
  return {
    size,
    read(offset, length, into) {
      checkRange(offset, length, size, what);
      return source.read(start + offset, length, into);
    },
    onDisk(offset, length) {
      checkRange(offset, length, size, what);
      return source.onDisk?.(start + offset, length) ?? null;
    },
  };
}

/** Bytes in memory as a source; for tests and for structures that were assembled in memory. */
export function memorySource(bytes: Uint8Array, what = "memory"): ByteSource {
  return {
    size: bytes.length,
    read(offset, length, into) {
      checkRange(offset, length, bytes.length, what);
      const target = targetOf(length, into);
      target.set(bytes.subarray(offset, offset + length));
      return target;
    },
  };
}
