/**
 * The inner layer of a bzip2 block: Huffman codes whose tables change every fifty symbols, lengths of zeros, and
 * positions in a list from which each byte moves to the front.
 *
 * "BZIP2 Format Specification" (Joe Tsai, 2016), sections 2.2.3 to 2.4.
 */
import type { BitInput } from "./bit-input.ts";
import { damaged } from "./damage.ts";

const GROUP = 50;
const LONGEST_CODE = 20;
const FAST_BITS = 10;

export interface Symbols {
  /** The caller's room: a byte in each entry's lowest eight bits. */
  readonly bytes: Int32Array;
  readonly count: number;
  /** Of each byte value: how many bytes of the block are smaller. */
  readonly starts: Int32Array;
}

/** @param room as many entries as the block may have bytes */
export function readSymbols(bits: BitInput, room: Int32Array): Symbols {
  const { format } = bits.input;
  const front = readByteMap(bits);
  if (front.length === 0) throw damaged(format, "a block that uses no byte");
  const tableCount = bits.take(3);
  const groups = bits.take(15);
  if (tableCount < 2 || tableCount > 6 || groups === 0) throw damaged(format, "impossible numbers of code tables");
  const selectors = readSelectors(bits, tableCount, groups);
  const tables = Array.from({ length: tableCount }, () => readCodes(bits, front.length + 2));

  const endOfBlock = front.length + 1;
  const counts = new Int32Array(256);
  let count = 0;
  let zeros = 0;
  let weight = 1;
  const flushZeros = () => {
    const byte = front[0] ?? 0;
    if (zeros > room.length - count) throw damaged(format, "a block is larger than the stream allows");
    room.fill(byte, count, count + zeros);
    counts[byte] = (counts[byte] ?? 0) + zeros;
    count += zeros;
    zeros = 0;
    weight = 1;
  };
  for (let group = 0; group < groups; group++) {
    const codes = tables[selectors[group] ?? 0];
    if (codes === undefined) break;
    for (let index = 0; index < GROUP; index++) {
      const symbol = readCode(bits, codes);
      if (symbol <= 1) {
        // Digits of a number in base two whose digits are one and two.
        zeros += weight << symbol;
        weight *= 2;
        if (zeros > room.length) throw damaged(format, "a block is larger than the stream allows");
        continue;
      }
      if (zeros > 0) flushZeros();
      if (symbol === endOfBlock) return { bytes: room, count, starts: startsOf(counts) };
      const position = symbol - 1;
      const byte = front[position] ?? 0;
      front.copyWithin(1, 0, position);
      front[0] = byte;
      if (count >= room.length) throw damaged(format, "a block is larger than the stream allows");
      room[count++] = byte;
      counts[byte] = (counts[byte] ?? 0) + 1;
    }
  }
  throw damaged(format, "a block has no end");
}

/** The byte values that the block uses. */
function readByteMap(bits: BitInput): Uint8Array {
  const ranges = bits.take(16);
  const used: number[] = [];
  for (let range = 0; range < 16; range++) {
    if ((ranges & (0x8000 >> range)) === 0) continue;
    const values = bits.take(16);
    for (let value = 0; value < 16; value++) if ((values & (0x8000 >> value)) !== 0) used.push(range * 16 + value);
  }
  return Uint8Array.from(used);
}

function readSelectors(bits: BitInput, tableCount: number, groups: number): Uint8Array {
  const front = Array.from({ length: tableCount }, (_, index) => index);
  return Uint8Array.from({ length: groups }, () => {
    let position = 0;
    while (bits.take(1) === 1) if (++position >= tableCount) throw damaged(bits.input.format, "an impossible selector");
    const [table = 0] = front.splice(position, 1);
    front.unshift(table);
    return table;
  });
}

interface Codes {
  /** By the next FAST_BITS bits: symbol << 5 | length; zero where the code is longer. */
  readonly fast: Uint16Array;
  /** By length: the code after the last of that length, left-aligned to LONGEST_CODE bits. */
  readonly limits: Int32Array;
  /** By length: what to add to a code for its place in `symbols`. */
  readonly offsets: Int32Array;
  readonly symbols: Uint16Array;
}

function readCodes(bits: BitInput, symbolCount: number): Codes {
  const { format } = bits.input;
  let length = bits.take(5);
  const lengths = new Uint8Array(symbolCount);
  const perLength = new Int32Array(LONGEST_CODE + 2);
  for (let symbol = 0; symbol < symbolCount; symbol++) {
    while (bits.take(1) === 1) {
      length += bits.take(1) === 0 ? 1 : -1;
      if (length < 1 || length > LONGEST_CODE) break;
    }
    if (length < 1 || length > LONGEST_CODE) throw damaged(format, "an impossible length of a code");
    lengths[symbol] = length;
    perLength[length] = (perLength[length] ?? 0) + 1;
  }
  const codes: Codes = {
    fast: new Uint16Array(1 << FAST_BITS),
    limits: new Int32Array(LONGEST_CODE + 1),
    offsets: new Int32Array(LONGEST_CODE + 1),
    symbols: new Uint16Array(symbolCount),
  };
  let code = 0;
  let place = 0;
  for (let bitCount = 1; bitCount <= LONGEST_CODE; bitCount++) {
    codes.offsets[bitCount] = place - code;
    for (let symbol = 0; symbol < symbolCount; symbol++) {
      if (lengths[symbol] !== bitCount) continue;
      codes.symbols[place++] = symbol;
      if (bitCount <= FAST_BITS) {
        const shift = FAST_BITS - bitCount;
        codes.fast.fill((symbol << 5) | bitCount, code << shift, (code + 1) << shift);
      }
      code++;
    }
    if (code > 1 << bitCount) throw damaged(format, "more codes than there can be");
    codes.limits[bitCount] = code << (LONGEST_CODE - bitCount);
    code <<= 1;
  }
  return codes;
}

function readCode(bits: BitInput, { fast, limits, offsets, symbols }: Codes): number {
  const next = bits.peek(LONGEST_CODE);
  const entry = fast[next >>> (LONGEST_CODE - FAST_BITS)] ?? 0;
  if (entry !== 0) {
    bits.drop(entry & 0x1f);
    return entry >>> 5;
  }
  for (let length = FAST_BITS + 1; length <= LONGEST_CODE; length++) {
    if (next >= (limits[length] ?? 0)) continue;
    bits.drop(length);
    return symbols[(next >>> (LONGEST_CODE - length)) + (offsets[length] ?? 0)] ?? 0;
  }
  throw damaged(bits.input.format, "a code that stands for nothing");
}

function startsOf(counts: Int32Array): Int32Array {
  let sum = 0;
  return counts.map((count) => {
    sum += count;
    return sum - count;
  });
}
