/**
 * LZMA's entropy coder: bits from a range, each with a probability that adapts.
 *
 * LZMA specification (Igor Pavlov, public domain), "Range Decoder". The methods keep the state in local variables while
 * they work, since the hundred million calls of a large initrd are all spent here. None of them looks for the input's
 * end: `start` and `refill` put PADDING bytes behind it, more than a symbol can take, and `isPastEnd` tells afterwards.
 */

/** More than the longest symbol takes (20 bytes). */
export const PADDING = 32;

const TOP = 0x100_0000;
const PROBABILITY_BITS = 11;
const ONE = 1 << PROBABILITY_BITS;
const SHIFT = 5;
export const EVEN = ONE >> 1;
const NEVER = 0x3fff_ffff;

export class RangeDecoder {
  /** Both are unsigned 32-bit numbers, kept as signed ones: those the engine holds without a box. */
  #range = -1;
  #code = 0;
  #input: Uint8Array = new Uint8Array(0);
  #next = 0;
  #end = 0;
  #lowAt = 0;

  /** The next byte's index in the input. */
  get next(): number {
    return this.#next;
  }

  /** Are fewer bytes left than a symbol may take, and are there more to be had? */
  get runsLow(): boolean {
    return this.#next > this.#lowAt;
  }

  /** Were bytes taken that the input does not have? */
  get isPastEnd(): boolean {
    return this.#next > this.#end;
  }

  /** The encoder leaves zero when it ends properly. */
  get isFinished(): boolean {
    return this.#code === 0;
  }

  /** Continues in other bytes. @param input holds PADDING bytes from `end` on; @param isLast nothing comes after it */
  refill(input: Uint8Array, next: number, end: number, isLast: boolean): void {
    this.#input = input;
    this.#next = next;
    this.#end = end;
    this.#lowAt = isLast ? NEVER : end - PADDING;
  }

  /** @returns false when the bytes at `next` do not begin a range-coded stream */
  start(): boolean {
    const input = this.#input;
    const at = this.#next;
    this.#range = -1;
    this.#code = ((input[at + 1] ?? 0) << 24) | ((input[at + 2] ?? 0) << 16) | ((input[at + 3] ?? 0) << 8);
    this.#code |= input[at + 4] ?? 0;
    this.#next = at + 5;
    return input[at] === 0;
  }

  /** A byte may still be due after the last symbol. */
  normalize(): void {
    if (this.#range >>> 0 >= TOP) return;
    this.#range <<= 8;
    this.#code = (this.#code << 8) | (this.#input[this.#next++] ?? 0);
  }

  bit(probabilities: Uint16Array, index: number): 0 | 1 {
    let range = this.#range;
    let code = this.#code;
    if (range >>> 0 < TOP) {
      range <<= 8;
      code = (code << 8) | (this.#input[this.#next++] ?? 0);
    }
    const probability = probabilities[index] ?? 0;
    const bound = Math.imul(range >>> PROBABILITY_BITS, probability);
    if (code >>> 0 < bound >>> 0) {
      probabilities[index] = probability + ((ONE - probability) >> SHIFT);
      this.#range = bound;
      this.#code = code;
      return 0;
    }
    probabilities[index] = probability - (probability >> SHIFT);
    this.#range = (range - bound) | 0;
    this.#code = (code - bound) | 0;
    return 1;
  }

  /** A number below 2^bits, its highest bit first, from the tree of probabilities at `base`. */
  tree(probabilities: Uint16Array, base: number, bits: number): number {
    const limit = 1 << bits;
    let symbol = 1;
    let range = this.#range;
    let code = this.#code;
    let next = this.#next;
    const input = this.#input;
    do {
      if (range >>> 0 < TOP) {
        range <<= 8;
        code = (code << 8) | (input[next++] ?? 0);
      }
      const index = base + symbol;
      const probability = probabilities[index] ?? 0;
      const bound = Math.imul(range >>> PROBABILITY_BITS, probability);
      if (code >>> 0 < bound >>> 0) {
        probabilities[index] = probability + ((ONE - probability) >> SHIFT);
        range = bound;
        symbol <<= 1;
      } else {
        probabilities[index] = probability - (probability >> SHIFT);
        range = (range - bound) | 0;
        code = (code - bound) | 0;
        symbol = (symbol << 1) | 1;
      }
    } while (symbol < limit);
    this.#range = range;
    this.#code = code;
    this.#next = next;
    return symbol - limit;
  }

  /** A literal after a match: the byte at the match's distance chooses the probabilities while it agrees. */
  matchedLiteral(probabilities: Uint16Array, base: number, matchByte: number): number {
    let symbol = 1;
    let offset = 0x100;
    let match = matchByte;
    let range = this.#range;
    let code = this.#code;
    let next = this.#next;
    const input = this.#input;
    do {
      if (range >>> 0 < TOP) {
        range <<= 8;
        code = (code << 8) | (input[next++] ?? 0);
      }
      match <<= 1;
      const matchBit = match & offset;
      const index = base + offset + matchBit + symbol;
      const probability = probabilities[index] ?? 0;
      const bound = Math.imul(range >>> PROBABILITY_BITS, probability);
      if (code >>> 0 < bound >>> 0) {
        probabilities[index] = probability + ((ONE - probability) >> SHIFT);
        range = bound;
        symbol <<= 1;
        offset &= ~matchBit;
      } else {
        probabilities[index] = probability - (probability >> SHIFT);
        range = (range - bound) | 0;
        code = (code - bound) | 0;
        symbol = (symbol << 1) | 1;
        offset &= matchBit;
      }
    } while (symbol < 0x100);
    this.#range = range;
    this.#code = code;
    this.#next = next;
    return symbol & 0xff;
  }

  /** As `tree`, its lowest bit first. */
  reverseTree(probabilities: Uint16Array, base: number, bits: number): number {
    let symbol = 1;
    let value = 0;
    for (let bit = 0; bit < bits; bit++) {
      const one = this.bit(probabilities, base + symbol);
      symbol = (symbol << 1) | one;
      value |= one << bit;
    }
    return value;
  }

  /** Bits that are as likely as not. */
  direct(bits: number): number {
    let range = this.#range;
    let code = this.#code;
    let next = this.#next;
    let value = 0;
    for (let left = bits; left > 0; left--) {
      if (range >>> 0 < TOP) {
        range <<= 8;
        code = (code << 8) | (this.#input[next++] ?? 0);
      }
      range >>>= 1;
      if (code >>> 0 >= range >>> 0) {
        code = (code - range) | 0;
        value = (value << 1) | 1;
      } else value <<= 1;
    }
    this.#range = range | 0;
    this.#code = code;
    this.#next = next;
    return value;
  }
}
