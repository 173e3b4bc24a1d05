/**
 * Bytes on their way into the store: written to a temporary file and hashed as they come. A large file is hashed by
 * another thread, since the two together would hold up the network; for a small one that thread would cost more.
 */
import { collectorEvery, giveMemoryBack } from "../base/collect-garbage.ts";
import type { Lend } from "../base/lent-memory.ts";
import { type Digest, sha256, type Hasher, updateFromFile } from "./digest.ts";
import { PIECE_BYTES, startSideHash, type SideHash } from "./side-hash.ts";
import { startPieceWriter, type PieceWriter } from "./piece-writer.ts";
import type { TemporaryFile } from "./temporary.ts";

/** Bytes. Hashing as many takes some 40 ms, starting a thread about as long. */
const LARGE = 16 * 1024 * 1024;

export interface TakenIn {
  readonly digest: Digest;
  /** Bytes, the whole file. */
  readonly size: number;
}

export interface IntakeOptions {
  /** Bytes that the file holds already. */
  readonly begun: number;
  /** Bytes of the whole, if known. */
  readonly expected: number | null;
  /** Is told of every piece that has come. */
  readonly onBytes: ((count: number) => void) | undefined;
  /** The body's own, where it has one. */
  readonly lend: Lend | undefined;
}

/**
 * Writes all of `body` behind what the file holds already, `begun` bytes, and hashes both.
 * @throws the system's errors, and what `body` throws; the file holds what had come by then
 */
export async function takeIn(
  temporary: TemporaryFile,
  body: AsyncIterable<Uint8Array>,
  { begun, expected, onBytes, lend }: IntakeOptions,
): Promise<TakenIn> {
  await using large = new LargeFile(temporary);
  let small: Hasher | null = null;
  let size = begun;
  if (begun > LARGE || (expected ?? 0) > LARGE) {
    await large.start(begun, expected, lend);
  } else {
    small = sha256();
    updateFromFile(small, temporary.path, begun);
    if ((expected ?? 0) > SCRATCH) lendScratch(lend);
  }
  for await (const bytes of body) {
    if (small !== null && size > LARGE) {
      // Larger than was known: the other thread reads what is there.
      small = null;
      await large.start(size, expected, lend);
    }
    if (small === null) {
      await large.add(bytes);
    } else {
      temporary.write(bytes);
      small.update(bytes);
    }
    size += bytes.length;
    onBytes?.(bytes.length);
  }
  return { digest: small === null ? await large.end() : small.digest(), size };
}

/** Bytes. One piece of memory for all that is written and hashed before the next bytes come. */
const SCRATCH = 256 * 1024;

function lendScratch(lend: Lend | undefined): void {
  if (lend === undefined) return;
  const scratch = Buffer.allocUnsafeSlow(SCRATCH);
  lend(() => scratch);
}

/** Bytes after which what is left of the network's buffers is given back: the runtime alone lets it grow for longer. */
const TIDY_EVERY = 4 * 1024 * 1024;
/** Pieces that may wait for the disk; one more is being filled. */
const WAITING = 2;

/** Collects bytes into pieces of shared memory; each piece is written and given to the other thread as a whole. */
class LargeFile implements AsyncDisposable {
  readonly #temporary: TemporaryFile;
  #hash: SideHash | null = null;
  #writer: PieceWriter | null = null;
  #piece: Buffer | null = null;
  #filled = 0;
  /** Bytes of the piece that came in memory of somebody else's. */
  #copied = 0;
  readonly #collect = collectorEvery(TIDY_EVERY);

  constructor(temporary: TemporaryFile) {
    this.#temporary = temporary;
  }

  /** @param prefix bytes that the file has already; @param expected of the whole, if known */
  async start(prefix: number, expected: number | null, lend: Lend | undefined): Promise<void> {
    // The other thread takes some 20 MB.
    giveMemoryBack();
    this.#hash = startSideHash(this.#temporary.path, prefix);
    const { isAligned } = this.#hash;
    this.#writer = startPieceWriter(this.#temporary, { begun: prefix, expected, isAligned });
    this.#piece = await this.#nextPiece();
    lend?.(() => this.#piece?.subarray(this.#filled) ?? null);
  }

  async add(bytes: Uint8Array): Promise<void> {
    const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let done = 0; done < source.length;) {
      this.#piece ??= await this.#nextPiece();
      const isThere = liesIn(this.#piece, this.#filled, source);
      // Not `set`, which copies into shared memory word by word.
      const copied = isThere ? source.length : source.copy(this.#piece, this.#filled, done);
      if (!isThere) this.#copied += copied;
      this.#filled += copied;
      done += copied;
      if (this.#filled === PIECE_BYTES) this.#flush();
    }
    // Even where nothing is left: the next bytes may be received into it.
    this.#piece ??= await this.#nextPiece();
  }

  async end(): Promise<Digest> {
    this.#flush();
    if (this.#hash === null) throw new TypeError("not started");
    const digest = await this.#hash.digest();
    await this.#writer?.settled(0);
    return digest;
  }

  /** What has come is kept for a later try, however this one ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#flush();
      // Who waits for `end` has been told of a failure; another one's reason counts for more.
      await this.#writer?.settled(0).catch(() => undefined);
    } finally {
      this.#writer?.[Symbol.dispose]();
      await this.#hash?.[Symbol.asyncDispose]();
    }
  }

  /** A piece that is both hashed and written. */
  async #nextPiece(): Promise<Buffer> {
    if (this.#hash === null) throw new TypeError("not started");
    await this.#writer?.settled(WAITING);
    return this.#hash.nextPiece();
  }

  #flush(): void {
    if (this.#piece === null || this.#filled === 0) return;
    const piece = this.#piece.subarray(0, this.#filled);
    const length = this.#filled;
    this.#piece = null;
    this.#filled = 0;
    this.#writer?.add(piece);
    this.#hash?.add(length);
    // What was received where it belongs has left nothing behind.
    this.#collect(this.#copied);
    this.#copied = 0;
  }
}

/** Has it been received there already? */
function liesIn(piece: Buffer, offset: number, bytes: Buffer): boolean {
  return bytes.buffer === piece.buffer && bytes.byteOffset === piece.byteOffset + offset;
}
