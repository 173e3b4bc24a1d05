/**
 * Reads the fields of a binary structure by offset, each with a bounds check and the field's name in the error, so
 * that a reader's code can be held against the specification line by line.
 */
import { GuestbootError } from "./errors.ts";

export class CheckedReader {
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  readonly #what: string;

  /** @param what names the structure in errors, as its specification does: "ext4 superblock" */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#what = what;
  }

  get length(): number {
    return this.#bytes.length;
  }

  u8(offset: number, field: string): number {
    this.#check(offset, 1, field);
    return this.#view.getUint8(offset);
  }

  u16le(offset: number, field: string): number {
    this.#check(offset, 2, field);
    return this.#view.getUint16(offset, true);
  }

  u32le(offset: number, field: string): number {
    this.#check(offset, 4, field);
    return this.#view.getUint32(offset, true);
  }

  u16be(offset: number, field: string): number {
    this.#check(offset, 2, field);
    return this.#view.getUint16(offset, false);
  }

  u32be(offset: number, field: string): number {
    this.#check(offset, 4, field);
    return this.#view.getUint32(offset, false);
  }

  /** An unsigned 64-bit number. @throws OUT_OF_BOUNDS past 2^53, which no size or offset that we can read reaches */
  u64le(offset: number, field: string): number {
    return this.#joined(this.u32le(offset + 4, field), this.u32le(offset, field), field);
  }

  u64be(offset: number, field: string): number {
    return this.#joined(this.u32be(offset, field), this.u32be(offset + 4, field), field);
  }

  /** A view (no copy) of `length` bytes. */
  bytes(offset: number, length: number, field: string): Uint8Array {
    this.#check(offset, length, field);
    return this.#bytes.subarray(offset, offset + length);
  }

  #joined(high: number, low: number, field: string): number {
    if (high > 0x1f_ffff) {
      throw new GuestbootError("OUT_OF_BOUNDS", `${this.#what}: ${field} is larger than anything real`);
    }
    return high * 0x1_0000_0000 + low;
  }

  #check(offset: number, length: number, field: string): void {
    if (offset < 0 || length < 0 || offset + length > this.#bytes.length) {
      throw new GuestbootError(
        "OUT_OF_BOUNDS",
        `${this.#what}: ${field} at ${offset} + ${length} is past the end at ${this.#bytes.length}`,
      );
    }
  }
}
