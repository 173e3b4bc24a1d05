/**
 * A source read from an offset on, byte after byte, through a buffer: what the decompressors take their input from. It
 * knows at every moment how many bytes were taken, which is where a member ends.
 */
import type { ByteSource } from "../base/byte-source.ts";
import { cutOff } from "./damage.ts";

const BUFFER_SIZE = 64 * 1024;
const NOTHING = new Uint8Array(0);

export class ByteInput {
  readonly #source: ByteSource;
  /** For errors: "xz". */
  readonly format: string;
  readonly #start: number;
  #buffer: Uint8Array = NOTHING;
  /** Where in the source the buffer begins. */
  #bufferAt: number;
  #next = 0;

  constructor(source: ByteSource, offset: number, format: string) {
    this.#source = source;
    this.format = format;
    this.#start = offset;
    this.#bufferAt = offset;
  }

  /** Bytes taken since the beginning. */
  get taken(): number {
    return this.#bufferAt + this.#next - this.#start;
  }

  /** Bytes that are left in the source. */
  get left(): number {
    return Math.max(0, this.#source.size - this.#bufferAt - this.#next);
  }

  /** @throws GuestbootError DATA_DAMAGED at the source's end */
  u8(): number {
    if (this.#next >= this.#buffer.length) this.#fill(1);
    const byte = this.#buffer[this.#next] ?? 0;
    this.#next++;
    return byte;
  }

  u16be(): number {
    return this.u8() * 0x100 + this.u8();
  }

  u32be(): number {
    return this.u16be() * 0x1_0000 + this.u16be();
  }

  u32le(): number {
    return this.u8() + this.u8() * 0x100 + this.u8() * 0x1_0000 + this.u8() * 0x100_0000;
  }

  /** The next `length` bytes: a view that holds until the next call. */
  bytes(length: number): Uint8Array {
    if (this.#next + length > this.#buffer.length) this.#fill(length);
    const view = this.#buffer.subarray(this.#next, this.#next + length);
    this.#next += length;
    return view;
  }

  /** As `bytes`, but not taken, and fewer at the source's end. */
  peek(length: number): Uint8Array {
    const there = Math.min(length, this.left);
    if (this.#next + there > this.#buffer.length) this.#fill(there);
    return this.#buffer.subarray(this.#next, this.#next + there);
  }

  skip(length: number): void {
    if (length > this.left) throw cutOff(this.format);
    this.#next += length;
    if (this.#next <= this.#buffer.length) return;
    this.#bufferAt += this.#next;
    this.#next = 0;
    this.#buffer = NOTHING;
  }

  /** Sees to it that the buffer holds `length` bytes from the next on. */
  #fill(length: number): void {
    const at = this.#bufferAt + this.#next;
    if (length > this.#source.size - at) throw cutOff(this.format);
    this.#buffer = this.#source.read(at, Math.min(Math.max(length, BUFFER_SIZE), this.#source.size - at));
    this.#bufferAt = at;
    this.#next = 0;
  }
}
