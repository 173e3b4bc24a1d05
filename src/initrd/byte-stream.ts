/**
 * Bytes that come in chunks, read by length: what archives inside of compressed members need.
 */

/** Where chunks come from. */
export interface ChunkSource {
  /** The next chunk; null at the end. */
  next(): Promise<Uint8Array | null>;
  /** Leaves out up to `length` bytes where that is cheaper than to read them. @returns how many it left out */
  skip?(length: number): number;
}

export class ByteStream {
  readonly #chunks: ChunkSource;
  #chunk: Uint8Array = new Uint8Array(0);
  #at = 0;
  #position = 0;

  constructor(chunks: ChunkSource) {
    this.#chunks = chunks;
  }

  /** How many bytes were taken. */
  get position(): number {
    return this.#position;
  }

  /** The next byte, which stays; null at the end. */
  async peek(): Promise<number | null> {
    return (await this.#fill()) ? (this.#chunk[this.#at] ?? null) : null;
  }

  /** Up to `length` bytes of what comes next, which stay; fewer only at the end. */
  async peekBytes(length: number): Promise<Uint8Array> {
    while (this.#chunk.length - this.#at < length) {
      const more = await this.#chunks.next();
      if (more === null) break;
      this.#chunk = Buffer.concat([this.#chunk.subarray(this.#at), more]);
      this.#at = 0;
    }
    return this.#chunk.subarray(this.#at, this.#at + length);
  }

  /** Exactly `length` bytes, as long as they are few; null where the stream ends before. */
  async take(length: number): Promise<Uint8Array | null> {
    if (this.#chunk.length - this.#at < length && (await this.peekBytes(length)).length < length) return null;
    const bytes = this.#chunk.subarray(this.#at, this.#at + length);
    this.#advance(length);
    return bytes;
  }

  /** At most `most` bytes, as they come; null at the end. */
  async takeSome(most: number): Promise<Uint8Array | null> {
    if (!(await this.#fill())) return null;
    const bytes = this.#chunk.subarray(this.#at, this.#at + most);
    this.#advance(bytes.length);
    return bytes;
  }

  /** @returns how many bytes there were, fewer than `length` only at the end */
  async skip(length: number): Promise<number> {
    let left = length;
    while (left > 0) {
      const buffered = Math.min(left, this.#chunk.length - this.#at);
      this.#advance(buffered);
      left -= buffered;
      const jumped = left > 0 ? (this.#chunks.skip?.(left) ?? 0) : 0;
      this.#position += jumped;
      left -= jumped;
      if (left > 0 && !(await this.#fill())) break;
    }
    return length - left;
  }

  /** Takes zeros. @returns how many there were before something else came, or the end */
  async skipZeros(): Promise<number> {
    const start = this.#position;
    while (await this.#fill()) {
      const rest = this.#chunk.subarray(this.#at);
      const stop = rest.findIndex((byte) => byte !== 0);
      this.#advance(stop === -1 ? rest.length : stop);
      if (stop !== -1) break;
    }
    return this.#position - start;
  }

  #advance(length: number): void {
    this.#at += length;
    this.#position += length;
  }

  /** Is there a byte at hand? */
  async #fill(): Promise<boolean> {
    while (this.#at === this.#chunk.length) {
      const chunk = await this.#chunks.next();
      if (chunk === null) return false;
      this.#chunk = chunk;
      this.#at = 0;
    }
    return true;
  }
}
