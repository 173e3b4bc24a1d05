/**
 * The three hashes by which folders are sorted. The superblock tells which one a filesystem uses. Bytes of names count
 * as signed numbers in all of them; everything is modulo 2^32.
 */
import type { HashName } from "./superblock.ts";

/** The bits of an entry's key that are the hash; the rest numbers the names that share it. */
const HASH_MASK = 0x7fffff80;
/** `.` and `..` have the keys below. */
const LOWEST = 128;

/** What the keys of all names with this hash begin with. */
export function nameHash(hash: HashName, name: Uint8Array): number {
  return hashPartOf(HASHES[hash](Int8Array.from(name))) || LOWEST;
}

export function hashPartOf(key: number): number {
  return (key & HASH_MASK) >>> 0;
}

const HASHES: Readonly<Record<HashName, (name: Int8Array) => number>> = { r5, rupasov, tea };

function r5(name: Int8Array): number {
  let sum = 0;
  for (const byte of name) sum = Math.imul(sum + (byte << 4) + (byte >> 4), 11);
  return sum;
}

/** A padded name had this many bytes; behind `PADDED_FROM` the padding is each byte's own place. */
const PADDED_TO = 256;
const PADDED_FROM = 40;
const ZERO = 0x30;

/** Yury Rupasov's: the name read as a decimal number, plus what its padding to 256 bytes adds. */
function rupasov(name: Int8Array): number {
  let sum = 0;
  for (const byte of name) sum = (Math.imul(sum, 10) + byte - ZERO) | 0;
  for (let place = Math.max(PADDED_FROM, name.length); place < PADDED_TO; place++) sum = (sum + place) | 0;
  return sum << 7;
}

const DELTA = 0x9e3779b9;
const TEA_START = [0x9464a485, 0x542e1a94] as const;
const ROUNDS = 6;
const LAST_ROUNDS = 10;
const PIECE = 16;

/** The Tiny Encryption Algorithm (Wheeler and Needham, 1994) with the name as its key, 16 bytes at a time. */
function tea(name: Int8Array): number {
  let left: number = TEA_START[0];
  let right: number = TEA_START[1];
  const mix = (rounds: number, [a, b, c, d]: Words) => {
    let [x, y, sum] = [left, right, 0];
    for (let round = 0; round < rounds; round++) {
      sum = (sum + DELTA) | 0;
      x = (x + (((y << 4) + a) ^ (y + sum) ^ ((y >>> 5) + b))) | 0;
      y = (y + (((x << 4) + c) ^ (x + sum) ^ ((x >>> 5) + d))) | 0;
    }
    left = (left + x) | 0;
    right = (right + y) | 0;
  };
  const pad = Math.imul(name.length, 0x01010101);
  let at = 0;
  for (; name.length - at >= PIECE; at += PIECE) mix(ROUNDS, wordsOf(name, at, pad));
  mix(LAST_ROUNDS, wordsOf(name, at, pad));
  return left ^ right;
}

type Words = readonly [number, number, number, number];

/** Whole words are little-endian; the rest is pushed from the right into a word of padding, and only padding follows. */
function wordsOf(name: Int8Array, from: number, pad: number): Words {
  const word = (index: number): number => {
    const start = from + index * 4;
    const bytes = name.subarray(start, start + 4);
    if (bytes.length === 4) return bytes.reduceRight((sum, byte) => (sum << 8) | byte, 0);
    return bytes.reduce((sum, byte) => (sum << 8) | byte, pad);
  };
  return [word(0), word(1), word(2), word(3)];
}
