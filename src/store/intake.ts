/**
 * Bytes on their way into the store: written to a temporary file and hashed as they come. A large file is hashed by
 * another thread, since the two together would hold up the network; for a small one that thread would cost more.
 */
import { type Digest, sha256, type Hasher, updateFromFile } from "./digest.ts";
import { PIECE_BYTES, startSideHash, type SideHash } from "./side-hash.ts";
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
    large.start(begun);
  } else {
    small = sha256();
    updateFromFile(small, temporary.path, begun);
  }
  for await (const bytes of body) {
    if (small !== null && size > LARGE) {
      // Larger than was known: the other thread reads what is there.
      small = null;
      large.start(size);
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

/** Bytes after which the disk is set to work: it writes while more bytes come. */
const SYNC_EVERY = 128 * 1024 * 1024;
/** Bytes after which what is left of the network's buffers is given back: the runtime alone lets it grow for longer. */
const TIDY_EVERY = 4 * 1024 * 1024;

/** Collects bytes into pieces of shared memory; each piece is written and given to the other thread as a whole. */
class LargeFile implements AsyncDisposable {
  readonly #temporary: TemporaryFile;
  #hash: SideHash | null = null;
  #piece: Uint8Array | null = null;
  #filled = 0;
  #sinceSync = 0;
  #sinceTidy = 0;
  #syncing: Promise<void> | null = null;
  readonly #failures: unknown[] = [];
  #tidy: (() => void) | null = null;

  constructor(temporary: TemporaryFile) {
    this.#temporary = temporary;
  }

  start(prefix: number): void {
    this.#hash = startSideHash(this.#temporary.path, prefix);
    this.#tidy = garbageCollector();
  }

  async add(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      this.#piece ??= (await this.#hash?.nextPiece()) ?? null;
      if (this.#piece === null) throw new TypeError("not started");
      const part = bytes.subarray(done, done + PIECE_BYTES - this.#filled);
      this.#piece.set(part, this.#filled);
      this.#filled += part.length;
      done += part.length;
      if (this.#filled === PIECE_BYTES) this.#flush();
    }
  }

  async end(): Promise<Digest> {
    this.#flush();
    if (this.#hash === null) throw new TypeError("not started");
    const digest = await this.#hash.digest();
    await this.#syncing;
    // The system tells of a failed write once, so a failure of ours may not be told again.
    if (this.#failures.length > 0) throw this.#failures[0];
    return digest;
  }

  /** What has come is kept for a later try, however this one ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#flush();
    } finally {
      await this.#syncing;
      await this.#hash?.[Symbol.asyncDispose]();
    }
  }

  #flush(): void {
    if (this.#piece === null || this.#filled === 0) return;
    const piece = this.#piece.subarray(0, this.#filled);
    const length = this.#filled;
    this.#piece = null;
    this.#filled = 0;
    this.#temporary.write(piece);
    this.#hash?.add(length);
    this.#sinceSync += length;
    this.#sinceTidy += length;
    if (this.#sinceSync >= SYNC_EVERY && this.#syncing === null) {
      this.#sinceSync = 0;
      this.#syncing = this.#temporary
        .sync()
        .catch((error: unknown) => void this.#failures.push(error))
        .finally(() => (this.#syncing = null));
    }
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
