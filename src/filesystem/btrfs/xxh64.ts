/**
 * xxHash64 with seed 0, in halves of 32 bits, because numbers end at 2^53.
 * Specification: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md, "XXH64 Algorithm Description".
 */

/** The hash as its two halves, `high` first. */
export function xxh64(bytes: Uint8Array): { readonly high: number; readonly low: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { length } = bytes;
  let at = 0;
  let hash: Word;
  if (length >= STRIPE) {
    const lanes = [add(PRIME1, PRIME2), PRIME2, ZERO, subtract(ZERO, PRIME1)].map(copy);
    for (; at + STRIPE <= length; at += STRIPE) {
      for (const [index, lane] of lanes.entries()) {
        round(lane, view.getUint32(at + 8 * index + 4, true), view.getUint32(at + 8 * index, true));
      }
    }
    hash = LANE_TURNS.reduce((sum, turn, index) => add(sum, rotate(lanes[index] ?? ZERO, turn)), ZERO);
    for (const lane of lanes) {
      const mixed = copy(ZERO);
      round(mixed, lane.high, lane.low);
      hash = add(multiply(xor(hash, mixed), PRIME1), PRIME4);
    }
  } else hash = PRIME5;
  hash = add(hash, { high: Math.floor(length / 2 ** 32), low: length >>> 0 });
  for (; at + 8 <= length; at += 8) {
    const mixed = copy(ZERO);
    round(mixed, view.getUint32(at + 4, true), view.getUint32(at, true));
    hash = add(multiply(rotate(xor(hash, mixed), 27), PRIME1), PRIME4);
  }
  for (; at + 4 <= length; at += 4) {
    const mixed = multiply({ high: 0, low: view.getUint32(at, true) }, PRIME1);
    hash = add(multiply(rotate(xor(hash, mixed), 23), PRIME2), PRIME3);
  }
  for (; at < length; at++) {
    hash = multiply(rotate(xor(hash, multiply({ high: 0, low: view.getUint8(at) }, PRIME5)), 11), PRIME1);
  }
  hash = multiply(xor(hash, { high: 0, low: hash.high >>> 1 }), PRIME2);
  hash = multiply(xor(hash, shiftRight(hash, 29)), PRIME3);
  return xor(hash, { high: 0, low: hash.high });
}

interface Word {
  high: number;
  low: number;
}

const STRIPE = 32;
const LANE_TURNS = [1, 7, 12, 18];
const ZERO: Word = { high: 0, low: 0 };
const PRIME1: Word = { high: 0x9e3779b1, low: 0x85ebca87 };
const PRIME2: Word = { high: 0xc2b2ae3d, low: 0x27d4eb4f };
const PRIME3: Word = { high: 0x165667b1, low: 0x9e3779f9 };
const PRIME4: Word = { high: 0x85ebca77, low: 0xc2b2ae63 };
const PRIME5: Word = { high: 0x27d4eb2f, low: 0x165667c5 };

/** One input word into one lane, in place: this is where the time goes. */
function round(lane: Word, high: number, low: number): void {
  const product = multiply({ high, low }, PRIME2);
  const sum = lane.low + product.low;
  const turned = rotate({ high: (lane.high + product.high + (sum > 0xffffffff ? 1 : 0)) >>> 0, low: sum >>> 0 }, 31);
  const mixed = multiply(turned, PRIME1);
  lane.high = mixed.high;
  lane.low = mixed.low;
}

function copy({ high, low }: Word): Word {
  return { high, low };
}

function add(left: Word, right: Word): Word {
  const low = left.low + right.low;
  return { high: (left.high + right.high + (low > 0xffffffff ? 1 : 0)) >>> 0, low: low >>> 0 };
}

function subtract(left: Word, right: Word): Word {
  const borrow = left.low < right.low ? 1 : 0;
  return { high: (left.high - right.high - borrow) >>> 0, low: (left.low - right.low) >>> 0 };
}

function xor(left: Word, right: Word): Word {
  return { high: (left.high ^ right.high) >>> 0, low: (left.low ^ right.low) >>> 0 };
}

/** To the left, by less than 32 bits. */
function rotate({ high, low }: Word, by: number): Word {
  return { high: ((high << by) | (low >>> (32 - by))) >>> 0, low: ((low << by) | (high >>> (32 - by))) >>> 0 };
}

function shiftRight({ high, low }: Word, by: number): Word {
  return { high: high >>> by, low: ((low >>> by) | (high << (32 - by))) >>> 0 };
}

/** The lower 64 bits of the product. */
function multiply(left: Word, right: Word): Word {
  const a = left.low & 0xffff;
  const b = left.low >>> 16;
  const c = right.low & 0xffff;
  const d = right.low >>> 16;
  const lowest = a * c;
  // Below 2^48 each: exact.
  const middle = b * c + Math.floor(lowest / 0x10000);
  const upper = a * d + (middle % 0x10000);
  const carried = b * d + Math.floor(middle / 0x10000) + Math.floor(upper / 0x10000);
  return {
    high: (carried + Math.imul(left.high, right.low) + Math.imul(left.low, right.high)) >>> 0,
    low: Math.imul(left.low, right.low) >>> 0,
  };
}
