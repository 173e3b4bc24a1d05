/**
 * Metadata as one long row of bytes, read from front to back over the borders of its blocks. A place in it is told by
 * where its block begins, and how far behind that, once expanded, it is.
 */
import { CheckedReader } from "../../base/checked-reader.ts";
import { damaged } from "./damage.ts";
import { METADATA_SIZE, type Storage } from "./storage.ts";

/** A reference of 64 bits: the block, in bytes from the table's start, above 16 bits of offset. */
export type Reference = number;

export class MetadataCursor {
  readonly #storage: Storage;
  #block: number;
  #offset: number;

  /** @param block where the block begins, in bytes from the start of the filesystem */
  constructor(storage: Storage, block: number, offset: number) {
    if (offset >= METADATA_SIZE) throw damaged(`a place at ${offset} in a block of metadata`);
    this.#storage = storage;
    this.#block = block;
    this.#offset = offset;
  }

  static at(storage: Storage, table: number, reference: Reference): MetadataCursor {
    return new MetadataCursor(storage, table + Math.floor(reference / 0x10000), reference % 0x10000);
  }

  /** The next bytes; at most a few kilobytes, since that is what structures have. @throws FILESYSTEM_DAMAGED */
  take(length: number, what: string): CheckedReader {
    const first = this.#storage.metadata(this.#block);
    if (this.#offset + length <= first.bytes.length) {
      const view = first.bytes.subarray(this.#offset, this.#offset + length);
      this.#offset += length;
      return new CheckedReader(view, what);
    }
    const whole = new Uint8Array(length);
    for (let done = 0; done < length;) {
      const { bytes, next } = this.#storage.metadata(this.#block);
      // Only the last block of a table is shorter than others, and nothing is behind it.
      if (this.#offset >= bytes.length && bytes.length < METADATA_SIZE) throw damaged(`${what} ends too early`);
      const piece = bytes.subarray(this.#offset, this.#offset + length - done);
      whole.set(piece, done);
      done += piece.length;
      this.#offset += piece.length;
      if (this.#offset >= METADATA_SIZE) {
        this.#block = next;
        this.#offset = 0;
      }
    }
    return new CheckedReader(whole, what);
  }
}
