/**
 * Blocks that were read, checked or expanded, so that what is asked for again soon costs nothing. Bounded in bytes, not
 * in blocks: how large a block is, the disk says. The one that was used longest ago goes first.
 */

export class ByteCache<V> {
  readonly #values = new Map<number, { readonly value: V; readonly bytes: number }>();
  readonly #capacity: number;
  readonly #sizeOf: (value: V) => number;
  #used = 0;

  /** @param capacity bytes. @param sizeOf how many of them a value takes */
  constructor(capacity: number, sizeOf: (value: V) => number) {
    this.#capacity = capacity;
    this.#sizeOf = sizeOf;
  }

  /** What is kept under that key, or what `make` makes, which is kept unless it throws. */
  get(key: number, make: () => V): V {
    const known = this.#values.get(key);
    if (known !== undefined) {
      this.#values.delete(key);
      this.#values.set(key, known);
      return known.value;
    }
    const value = make();
    const bytes = this.#sizeOf(value);
    this.#values.set(key, { value, bytes });
    this.#used += bytes;
    for (const [oldest, { bytes: freed }] of this.#values) {
      if (this.#used <= this.#capacity) break;
      this.#values.delete(oldest);
      this.#used -= freed;
    }
    return value;
  }
}
