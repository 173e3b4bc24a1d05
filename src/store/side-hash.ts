/**
 * The digest of bytes while they are on their way, computed beside the thread that receives and writes them: a
 * processor hashes more slowly than a good network delivers, and the two must not wait for each other.
 *
 * The bytes go through a few pieces of shared memory. The other thread knows nothing but them, and the beginning of
 * the file, which it reads by itself: a transfer that goes on where an earlier one broke off is hashed as a whole.
 */
import type { Worker } from "node:worker_threads";
import type { Digest } from "./digest.ts";

export interface SideHash extends AsyncDisposable {
  /** Do the pieces begin at multiples of `ALIGNMENT`? */
  readonly isAligned: boolean;
  /**
   * The next piece of memory to put bytes into, at most `PIECE_BYTES`, as soon as one is free.
   * @throws the other thread's error
   */
  nextPiece(): Promise<Buffer>;
  /** The piece that was last given holds `length` bytes: they are the next ones of the file. */
  add(length: number): void;
  /** Ends the hashing. @throws the other thread's error */
  digest(): Promise<Digest>;
}

export const PIECE_BYTES = 1024 * 1024;
const PIECES = 4;
/** What disks and their filesystems want of memory that they are to read from without a copy: open(2), O_DIRECT. */
export const ALIGNMENT = 4096;

/** A piece's word in the control block: whose it is. */
const FREE = 0;
const FULL = 1;
const LAST = 2;

interface WorkerInput {
  readonly control: SharedArrayBuffer;
  readonly memory: SharedArrayBuffer;
  /** Where in `memory` the first piece begins. */
  readonly begin: number;
  readonly pieces: number;
  readonly pieceBytes: number;
  /** The file's beginning, and how many bytes of it are hashed before the first piece. */
  readonly path: string;
  readonly prefix: number;
}

/** @param prefix bytes of the file at `path` that come before those that are added */
export function startSideHash(path: string, prefix: number): SideHash {
  const { Worker: Thread } = process.getBuiltinModule("node:worker_threads");
  const control = new SharedArrayBuffer(2 * PIECES * Int32Array.BYTES_PER_ELEMENT);
  const memory = new SharedArrayBuffer(ALIGNMENT + PIECES * PIECE_BYTES);
  const alignedAt = alignmentOf(memory);
  const begin = alignedAt ?? 0;
  const input: WorkerInput = { control, memory, begin, pieces: PIECES, pieceBytes: PIECE_BYTES, path, prefix };
  // A single executable has no file of ours that a thread could be started from.
  const thread = new Thread(`(${hashPieces.toString()})()`, {
    eval: true,
    workerData: input,
    execArgv: ["--no-warnings"],
    env: {},
    // Megabytes: what it handles is not on its heap.
    resourceLimits: { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 16 },
  });
  return sideHash(thread, new Int32Array(control), Buffer.from(memory, begin), alignedAt !== null);
}

/** The first place in the memory whose address is a multiple of `ALIGNMENT`; null where that cannot be known. */
function alignmentOf(memory: SharedArrayBuffer): number | null {
  try {
    const address = process.getBuiltinModule("node:ffi").getRawPointer(new Uint8Array(memory));
    return Number(BigInt(ALIGNMENT) - (address % BigInt(ALIGNMENT))) % ALIGNMENT;
  } catch {
    return null;
  }
}

function sideHash(thread: Worker, control: Int32Array, memory: Buffer, isAligned: boolean): SideHash {
  const outcome = Promise.withResolvers<Digest>();
  thread.once("message", (hex: unknown) => outcome.resolve(`sha256:${String(hex)}`));
  thread.once("error", (error) => outcome.reject(error));
  thread.once("exit", () => outcome.reject(new Error("the hashing thread ended early")));
  // A failure is told to whoever waits next; until then nobody does.
  outcome.promise.catch(() => undefined);
  let piece = 0;
  const whenFree = async (index: number) => {
    for (let state = Atomics.load(control, index); state !== FREE; state = Atomics.load(control, index)) {
      const waiting = Atomics.waitAsync(control, index, state);
      if (waiting.async) await Promise.race([waiting.value, outcome.promise]);
    }
  };
  return {
    isAligned,
    async nextPiece() {
      await whenFree(piece);
      return memory.subarray(piece * PIECE_BYTES, (piece + 1) * PIECE_BYTES);
    },
    add(length) {
      Atomics.store(control, PIECES + piece, length);
      Atomics.store(control, piece, FULL);
      Atomics.notify(control, piece);
      piece = (piece + 1) % PIECES;
    },
    async digest() {
      await whenFree(piece);
      Atomics.store(control, piece, LAST);
      Atomics.notify(control, piece);
      return outcome.promise;
    },
    async [Symbol.asyncDispose]() {
      await thread.terminate();
    },
  };
}

/** Runs in the other thread, from its text: it may name nothing of this file but types. */
function hashPieces(): void {
  const threads = process.getBuiltinModule("node:worker_threads");
  const { closeSync, openSync, readSync } = process.getBuiltinModule("node:fs");
  const hash = process.getBuiltinModule("node:crypto").createHash("sha256");
  // Our own, from startSideHash.
  const input = threads.workerData as WorkerInput;
  const { control: block, memory, begin, pieces, pieceBytes, path, prefix } = input;
  const [free, last] = [0, 2];

  if (prefix > 0) {
    const fd = openSync(path, "r");
    const buffer = Buffer.allocUnsafe(pieceBytes);
    for (let done = 0; done < prefix;) {
      const length = readSync(fd, buffer, 0, Math.min(pieceBytes, prefix - done), done);
      if (length === 0) throw new Error(`${path} is shorter than it was`);
      hash.update(buffer.subarray(0, length));
      done += length;
    }
    closeSync(fd);
  }

  const control = new Int32Array(block);
  for (let piece = 0; ; piece = (piece + 1) % pieces) {
    Atomics.wait(control, piece, free);
    if (Atomics.load(control, piece) === last) break;
    hash.update(new Uint8Array(memory, begin + piece * pieceBytes, Atomics.load(control, pieces + piece)));
    Atomics.store(control, piece, free);
    Atomics.notify(control, piece);
  }
  threads.parentPort?.postMessage(hash.digest("hex"));
}
