/**
 * Bytes on their way into the store: written to a temporary file and hashed as they come. A large file is hashed by
 * another thread, since the two together would hold up the network; for a small one that thread would cost more.
 */
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

/**
 * Writes all of `body` behind what the file holds already, `begun` bytes, and hashes both.
 * @throws the system's errors, and what `body` throws; the file holds what had come by then
 */
export async function takeIn(
  temporary: TemporaryFile,
  body: AsyncIterable<Uint8Array>,
  { begun, expected, onBytes }: { begun: number; expected: number | null; onBytes: (count: number) => void },
): Promise<TakenIn> {
  await using large = new LargeFile(temporary);
  let small: Hasher | null = null;
  let size = begun;
  if (begun > LARGE || (expected ?? 0) > LARGE) {
    large.start(begun, expected);
  } else {
    small = sha256();
    updateFromFile(small, temporary.path, begun);
  }
  for await (const bytes of body) {
    if (small !== null && size > LARGE) {
      // Larger than was known: the other thread reads what is there.
      small = null;
      large.start(size, expected);
    }
    if (small === null) {
      await large.add(bytes);
    } else {
      temporary.write(bytes);
      small.update(bytes);
    }
    size += bytes.length;
    onBytes(bytes.length);
  }
  return { digest: small === null ? await large.end() : small.digest(), size };
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
  #sinceTidy = 0;
  #tidy: (() => void) | null = null;

  constructor(temporary: TemporaryFile) {
    this.#temporary = temporary;
  }

  /** @param prefix bytes that the file has already; @param expected of the whole, if known */
  start(prefix: number, expected: number | null): void {
    this.#hash = startSideHash(this.#temporary.path, prefix);
    const { isAligned } = this.#hash;
    this.#writer = startPieceWriter(this.#temporary, { begun: prefix, expected, isAligned });
    this.#tidy = garbageCollector();
  }

  async add(bytes: Uint8Array): Promise<void> {
    const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let done = 0; done < source.length;) {
      this.#piece ??= await this.#nextPiece();
      // Not `set`, which copies into shared memory word by word.
      const copied = source.copy(this.#piece, this.#filled, done);
      this.#filled += copied;
      done += copied;
      if (this.#filled === PIECE_BYTES) this.#flush();
    }
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
    this.#sinceTidy += length;
    if (this.#sinceTidy >= TIDY_EVERY) {
      this.#sinceTidy = 0;
      this.#tidy?.();
    }
  }
}

/** Collects what was given up lately; null where the runtime does not let itself be asked. */
function garbageCollector(): (() => void) | null {
  const { setFlagsFromString } = process.getBuiltinModule("node:v8");
  const { runInNewContext } = process.getBuiltinModule("node:vm");
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("typeof gc === 'function' ? gc : null");
  return typeof collect === "function" ? () => void Reflect.apply(collect, undefined, [{ type: "minor" }]) : null;
}
