/**
 * Pieces of memory on their way to the end of a file, one after the other, while more come.
 *
 * A very large file is written past the page cache (open(2), O_DIRECT): the disk takes it while it comes, so nothing is
 * left to wait for at the end, a processor need not copy it once more, and it does not push out what a small control
 * domain has cached. Files of the size that guests boot from go through the page cache, since they are read at once.
 */
import { closeSync, constants, openSync, write, writeSync } from "node:fs";
import { isSystemError } from "../base/errors.ts";
import { ALIGNMENT } from "./side-hash.ts";

export interface PieceWriter extends Disposable {
  /** Puts the piece at the end of the file; it must not change until `settled`. */
  add(piece: Uint8Array): void;
  /** Until all but the last `waiting` pieces are written. @throws the system's error of any of them */
  settled(waiting: number): Promise<void>;
}

/** Bytes: larger than what guests boot from usually is. */
const PAST_THE_CACHE = 128 * 1024 * 1024;

/** @param fd of `path`, open for writing, standing at `begun` bytes; @param expected bytes of the whole, if known */
export function startPieceWriter(
  { path, fd }: { readonly path: string; readonly fd: number },
  { begun, expected, isAligned }: { begun: number; expected: number | null; isAligned: boolean },
): PieceWriter {
  const isWorthIt = (expected ?? 0) - begun > PAST_THE_CACHE && isAligned && begun % ALIGNMENT === 0;
  return new Writer(fd, begun, isWorthIt ? openDirect(path) : null);
}

/** null where the filesystem has no such way. */
function openDirect(path: string): number | null {
  try {
    return openSync(path, constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_DIRECT);
  } catch {
    return null;
  }
}

class Writer implements PieceWriter {
  readonly #fd: number;
  #direct: number | null;
  #position: number;
  readonly #pending: Promise<void>[] = [];
  #last: Promise<void> = Promise.resolve();

  constructor(fd: number, position: number, direct: number | null) {
    this.#fd = fd;
    this.#position = position;
    this.#direct = direct;
  }

  add(piece: Uint8Array): void {
    const position = this.#position;
    this.#position += piece.length;
    // In their order, so that what a killed process leaves has no hole.
    this.#last = this.#last.then(() => this.#write(piece, position));
    // Told to whoever waits next.
    this.#last.catch(() => undefined);
    this.#pending.push(this.#last);
  }

  async settled(waiting: number): Promise<void> {
    while (this.#pending.length > waiting) await this.#pending.shift();
  }

  [Symbol.dispose](): void {
    if (this.#direct !== null) closeSync(this.#direct);
    this.#direct = null;
  }

  async #write(piece: Uint8Array, position: number): Promise<void> {
    if (this.#direct !== null && piece.length % ALIGNMENT === 0) {
      try {
        if ((await writeAt(this.#direct, piece, position)) === piece.length) return;
      } catch (error) {
        // Not this filesystem, or not this memory.
        if (!isSystemError(error, "EINVAL", "ENOTSUP", "EOPNOTSUPP")) throw error;
        closeSync(this.#direct);
        this.#direct = null;
      }
    }
    // A disk that is nearly full takes a part first and fails at the next call only.
    for (let done = 0; done < piece.length;) {
      done += writeSync(this.#fd, piece, done, piece.length - done, position + done);
    }
  }
}

function writeAt(fd: number, piece: Uint8Array, position: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  write(fd, piece, 0, piece.length, position, (error, written) => {
    if (error === null) resolve(written);
    else reject(error);
  });
  return promise;
}
