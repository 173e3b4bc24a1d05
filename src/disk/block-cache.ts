/**
 * The last few blocks of a table that were read (an image's block map), so that a walk along it reads each once.
 */

export interface BlockCache {
  /** The block of that key; `read` makes it when it is not at hand. */
  get(key: number, read: () => Uint8Array): Uint8Array;
}

/** @param capacity blocks that are kept; the one that was used longest ago makes room */
export function blockCache(capacity: number): BlockCache {
  const blocks = new Map<number, Uint8Array>();
  return {
    get(key, read) {
      const known = blocks.get(key);
      if (known !== undefined) {
        // A Map keeps the order of insertion: the first is the oldest.
        blocks.delete(key);
        blocks.set(key, known);
        return known;
      }
      const block = read();
      if (blocks.size >= capacity) {
        for (const oldest of blocks.keys()) {
          blocks.delete(oldest);
          break;
        }
      }
      blocks.set(key, block);
      return block;
    },
  };
}
