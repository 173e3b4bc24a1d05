/** Bits of an input, the highest of each byte first. Takes no byte before a bit of it is asked for. */
import type { ByteInput } from "./byte-input.ts";

export class BitInput {
  readonly input: ByteInput;
  #bits = 0;
  #count = 0;

  constructor(input: ByteInput) {
    this.input = input;
  }

  /** The next `count` bits, at most 24, without taking them. */
  peek(count: number): number {
    while (this.#count < count) {
      this.#bits = (this.#bits << 8) | this.input.u8();
      this.#count += 8;
    }
    return (this.#bits >>> (this.#count - count)) & ((1 << count) - 1);
  }

  /** Takes bits that were looked at before. */
  drop(count: number): void {
    this.#count -= count;
  }

  /** At most 24. */
  take(count: number): number {
    const value = this.peek(count);
    this.#count -= count;
    return value;
  }

  take32(): number {
    return this.take(16) * 0x1_0000 + this.take(16);
  }
}
