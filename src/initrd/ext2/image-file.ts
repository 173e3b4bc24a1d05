/**
 * The file that holds the image: an open file of our own, read and written in place. It closes nothing; the descriptor
 * stays its opener's.
 */
import { fstatSync, ftruncateSync, readSync, writeSync } from "node:fs";
import { checkRange, targetOf, type ByteSource } from "../../base/byte-source.ts";
import { GuestbootError, isSystemError, systemReason } from "../../base/errors.ts";

export interface ImageFile extends ByteSource {
  readonly what: string;
  /** @throws OUT_OF_BOUNDS past the end; NO_SPACE, OUTPUT_FAILED */
  write(offset: number, bytes: Uint8Array): void;
  /** Makes the file longer, with zeros; never shorter. @throws NO_SPACE, OUTPUT_FAILED */
  extend(size: number): void;
}

/**
 * @param fd open for reading and writing
 * @param what names the image in errors
 * @throws DISK_UNREADABLE when it is no regular file
 */
export function imageFile(fd: number, what: string): ImageFile {
  const status = attempt("DISK_UNREADABLE", `${what} cannot be read`, () => fstatSync(fd));
  if (!status.isFile()) throw new GuestbootError("DISK_UNREADABLE", `${what} is not a regular file`);
  let { size } = status;
  return {
    what,
    get size() {
      return size;
    },
    read(offset, length, into) {
      checkRange(offset, length, size, what);
      const target = targetOf(length, into);
      let done = 0;
      while (done < length) {
        const got = attempt("DISK_UNREADABLE", `${what} cannot be read`, () =>
          readSync(fd, target, done, length - done, offset + done),
        );
        if (got === 0) throw new GuestbootError("DISK_UNREADABLE", `${what} ended at byte ${offset + done} of ${size}`);
        done += got;
      }
      return target;
    },
    write(offset, bytes) {
      checkRange(offset, bytes.length, size, what);
      // A disk that is nearly full takes a part first and fails at the next call only.
      for (let done = 0; done < bytes.length;) {
        done += attempt("OUTPUT_FAILED", `${what} cannot be written`, () =>
          writeSync(fd, bytes, done, bytes.length - done, offset + done),
        );
      }
    },
    extend(wanted) {
      if (wanted <= size) return;
      attempt("OUTPUT_FAILED", `${what} cannot be made longer`, () => ftruncateSync(fd, wanted));
      size = wanted;
    },
  };
}

function attempt<T>(code: "DISK_UNREADABLE" | "OUTPUT_FAILED", words: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!isSystemError(error)) throw error;
    const isFull = isSystemError(error, "ENOSPC", "EDQUOT", "EFBIG");
    throw new GuestbootError(isFull ? "NO_SPACE" : code, `${words}: ${systemReason(error)}`, { cause: error });
  }
}
