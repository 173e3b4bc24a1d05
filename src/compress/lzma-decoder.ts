/**
 * LZMA: symbols from the range decoder, and the sliding window that they write and copy from. What wraps them (`.lzma`,
 * LZMA2) is elsewhere.
 *
 * LZMA specification (Igor Pavlov, public domain), "LZMA Decoder".
 */
import { damaged } from "./damage.ts";
import { EVEN, type RangeDecoder } from "./range-decoder.ts";

/** Bits that choose the literals' and the positions' probabilities. */
export interface LzmaProperties {
  readonly literalContext: number;
  readonly literalPosition: number;
  readonly position: number;
}

/** The properties from their byte, or null when it stands for none. */
export function lzmaProperties(byte: number): LzmaProperties | null {
  if (byte >= 9 * 5 * 5) return null;
  const rest = Math.floor(byte / 9);
  return { literalContext: byte % 9, literalPosition: rest % 5, position: Math.floor(rest / 5) };
}

// Where in the one array of probabilities each kind stands.
const STATES = 12;
const POSITIONS = 16;
const IS_MATCH = 0;
const IS_REPEAT = IS_MATCH + STATES * POSITIONS;
const IS_REPEAT_0 = IS_REPEAT + STATES;
const IS_REPEAT_1 = IS_REPEAT_0 + STATES;
const IS_REPEAT_2 = IS_REPEAT_1 + STATES;
const IS_REPEAT_0_LONG = IS_REPEAT_2 + STATES;
const SLOT = IS_REPEAT_0_LONG + STATES * POSITIONS;
const DISTANCE = SLOT + 4 * 64;
const ALIGN = DISTANCE + 115;
const MATCH_LENGTH = ALIGN + 16;
const REPEAT_LENGTH = MATCH_LENGTH + 2 + 16 * 8 + 16 * 8 + 256;
const LITERAL = REPEAT_LENGTH + 2 + 16 * 8 + 16 * 8 + 256;

/** States below this one mean that the last symbol was a literal. */
const FIRST_MATCH_STATE = 7;
const NO_PROBABILITIES = new Uint16Array(0);
const END_MARKER = 0xffff_ffff;

/** Why `decode` came back: the window is filled as far as asked; more input is needed; the end marker was met. */
export type Stop = "filled" | "hungry" | "marker";

export class LzmaDecoder {
  readonly window: Uint8Array;
  /** The next byte's index in the window. */
  at = 0;
  readonly #format: string;
  /** Where in the window the valid bytes begin; it sinks below zero when the window starts over. */
  #floor = 0;
  #probabilities = NO_PROBABILITIES;
  #literalContext = 0;
  #literalMask = 0;
  #positionMask = 0;
  #state = 0;
  /** The last four distances, less one. */
  #distances = [0, 0, 0, 0];
  /** What is left of a match that the window's end cut. */
  #pending = 0;

  /** @param windowSize in bytes, rounded up to 16 so that positions keep their lowest bits when it starts over */
  constructor(windowSize: number, format: string) {
    this.window = new Uint8Array(Math.ceil(Math.max(windowSize, 16) / 16) * 16);
    this.#format = format;
  }

  /** Does the last match reach past what was asked for? */
  get isInMatch(): boolean {
    return this.#pending > 0;
  }

  /** Goes back to the window's start when its end is reached. */
  startOver(): void {
    if (this.at < this.window.length) return;
    this.at = 0;
    if (this.#floor > -this.window.length) this.#floor -= this.window.length;
  }

  forgetWindow(): void {
    this.#floor = this.at;
  }

  setProperties({ literalContext, literalPosition, position }: LzmaProperties): void {
    const size = LITERAL + (0x300 << (literalContext + literalPosition));
    if (this.#probabilities.length !== size) this.#probabilities = new Uint16Array(size);
    this.#literalContext = literalContext;
    this.#literalMask = (1 << literalPosition) - 1;
    this.#positionMask = (1 << position) - 1;
  }

  resetState(): void {
    this.#probabilities.fill(EVEN);
    this.#state = 0;
    this.#distances = [0, 0, 0, 0];
    this.#pending = 0;
  }

  /** Puts bytes as they are into the window, which has room for them. */
  store(bytes: Uint8Array): void {
    this.window.set(bytes, this.at);
    this.at += bytes.length;
  }

  /**
   * Decodes until the window is filled up to `limit`, an index in it.
   * @throws GuestbootError DATA_DAMAGED when a match reaches before the window's valid bytes
   */
  decode(coder: RangeDecoder, limit: number): Stop {
    const { window } = this;
    const size = window.length;
    const floor = this.#floor;
    const probabilities = this.#probabilities;
    const literalContext = this.#literalContext;
    const literalMask = this.#literalMask;
    const positionMask = this.#positionMask;
    let state = this.#state;
    let [distance0 = 0, distance1 = 0, distance2 = 0, distance3 = 0] = this.#distances;
    let length = this.#pending;
    let at = this.at;
    let stop: Stop = "filled";

    for (;;) {
      if (length > 0) {
        const count = Math.min(length, limit - at);
        let from = at - distance0 - 1;
        length -= count;
        if (from >= 0) for (const end = at + count; at < end;) window[at++] = window[from++] ?? 0;
        else {
          from += size;
          for (const end = at + count; at < end;) {
            window[at++] = window[from++] ?? 0;
            if (from === size) from = 0;
          }
        }
      }
      if (at >= limit) break;
      if (coder.runsLow) {
        stop = "hungry";
        break;
      }
      const position = (at - floor) & positionMask;
      if (coder.bit(probabilities, IS_MATCH + (state << 4) + position) === 0) {
        const previous = at === floor ? 0 : (window[at === 0 ? size - 1 : at - 1] ?? 0);
        const context = (((at - floor) & literalMask) << literalContext) + (previous >> (8 - literalContext));
        const base = LITERAL + 0x300 * context;
        if (state < FIRST_MATCH_STATE) window[at] = coder.tree(probabilities, base, 8);
        else {
          const from = at - distance0 - 1;
          window[at] = coder.matchedLiteral(probabilities, base, window[from < 0 ? from + size : from] ?? 0);
        }
        at++;
        state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
        continue;
      }
      if (coder.bit(probabilities, IS_REPEAT + state) === 0) {
        distance3 = distance2;
        distance2 = distance1;
        distance1 = distance0;
        length = matchLength(coder, probabilities, MATCH_LENGTH, position);
        state = state < FIRST_MATCH_STATE ? 7 : 10;
        distance0 = matchDistance(coder, probabilities, length);
        if (distance0 === END_MARKER) {
          length = 0;
          stop = "marker";
          break;
        }
      } else {
        let isShort = false;
        if (coder.bit(probabilities, IS_REPEAT_0 + state) === 0) {
          isShort = coder.bit(probabilities, IS_REPEAT_0_LONG + (state << 4) + position) === 0;
        } else {
          // The distance that is used again moves to the front.
          let again = distance1;
          if (coder.bit(probabilities, IS_REPEAT_1 + state) === 1) {
            again = distance2;
            if (coder.bit(probabilities, IS_REPEAT_2 + state) === 1) {
              again = distance3;
              distance3 = distance2;
            }
            distance2 = distance1;
          }
          distance1 = distance0;
          distance0 = again;
        }
        if (isShort) {
          state = state < FIRST_MATCH_STATE ? 9 : 11;
          length = 1;
        } else {
          length = matchLength(coder, probabilities, REPEAT_LENGTH, position);
          state = state < FIRST_MATCH_STATE ? 8 : 11;
        }
      }
      if (distance0 >= at - floor || distance0 >= size)
        throw damaged(this.#format, "a match from before the beginning");
    }
    this.#state = state;
    this.#distances = [distance0, distance1, distance2, distance3];
    this.#pending = length;
    this.at = at;
    return stop;
  }
}

/** Where the three trees of lengths stand, after the two bits that choose among them. */
const LOW = 2;
const MIDDLE = LOW + 16 * 8;
const HIGH = MIDDLE + 16 * 8;

function matchLength(coder: RangeDecoder, probabilities: Uint16Array, base: number, position: number): number {
  if (coder.bit(probabilities, base) === 0) return 2 + coder.tree(probabilities, base + LOW + (position << 3), 3);
  if (coder.bit(probabilities, base + 1) === 0) {
    return 10 + coder.tree(probabilities, base + MIDDLE + (position << 3), 3);
  }
  return 18 + coder.tree(probabilities, base + HIGH, 8);
}

/** A distance less one, up to 2^32 - 1. */
function matchDistance(coder: RangeDecoder, probabilities: Uint16Array, length: number): number {
  const slot = coder.tree(probabilities, SLOT + (Math.min(length - 2, 3) << 6), 6);
  if (slot < 4) return slot;
  const bits = (slot >> 1) - 1;
  const high = ((2 | (slot & 1)) << bits) >>> 0;
  if (slot < 14) return high + coder.reverseTree(probabilities, DISTANCE + high - slot, bits);
  return (high | (coder.direct(bits - 4) << 4) | coder.reverseTree(probabilities, ALIGN, 4)) >>> 0;
}
