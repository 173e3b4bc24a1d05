/**
 * The hashes under which the index of a folder files its names. Three kinds, each in two: machines whose characters
 * are signed made other hashes of bytes above 127, and the superblock says which kind the filesystem has.
 * Specification: https://docs.kernel.org/filesystems/ext4/directory.html#hash-tree-directories; the middle of
 * "half MD4" is MD4's (RFC 1320) with eight steps a round, that of "TEA" is the Tiny Encryption Algorithm (Wheeler and
 * Needham, 1994).
 */

export interface HashKind {
  /** As the index says: 0 legacy, 1 half MD4, 2 TEA; 3 to 5 the same with unsigned characters. */
  readonly version: number;
  /** Are characters signed, where the version leaves it open? */
  readonly isSigned: boolean;
  readonly seed: readonly [number, number, number, number] | null;
}

/** The hash of a name, its lowest bit zero; null for a kind that is not known. */
export function nameHash(kind: HashKind, name: Uint8Array): number | null {
  if (kind.version > 5) return null;
  const isSigned = kind.version < 3 && kind.isSigned;
  const characters = Array.from(name, (byte) => (isSigned && byte > 127 ? byte - 256 : byte));
  const hash = HASHES[kind.version % 3]?.(characters, kind.seed ?? DEFAULT_SEED) ?? 0;
  const even = (hash & ~1) >>> 0;
  // The largest stands for "behind the last name".
  return even === 0xfffffffe ? 0xfffffffc : even;
}

const DEFAULT_SEED = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476] as const;

type Hash = (characters: readonly number[], seed: readonly [number, number, number, number]) => number;

const HASHES: readonly Hash[] = [legacy, halfMd4, tea];

function legacy(characters: readonly number[]): number {
  let [before, hash] = [0x37abe8f9, 0x12a3fe2d];
  for (const character of characters) {
    const sum = (before + (hash ^ Math.imul(character, 7152373))) >>> 0;
    before = hash;
    hash = sum >= 0x80000000 ? sum - 0x7fffffff : sum;
  }
  return hash << 1;
}

/** Rotations and the order of words in each round. */
const ROUNDS = [
  { rotate: [3, 7, 11, 19], order: [0, 1, 2, 3, 4, 5, 6, 7], add: 0 },
  { rotate: [3, 5, 9, 13], order: [1, 3, 5, 7, 0, 2, 4, 6], add: 0x5a827999 },
  { rotate: [3, 9, 11, 15], order: [3, 7, 2, 6, 1, 5, 0, 4], add: 0x6ed9eba1 },
] as const;

const MIX: readonly ((x: number, y: number, z: number) => number)[] = [
  (x, y, z) => (x & y) | (~x & z),
  (x, y, z) => (x & y) | (x & z) | (y & z),
  (x, y, z) => x ^ y ^ z,
];

function halfMd4(characters: readonly number[], seed: readonly [number, number, number, number]): number {
  let state: readonly [number, number, number, number] = seed;
  for (let at = 0; at < characters.length; at += 32) {
    const words = wordsOf(characters, at, 8);
    let [a, b, c, d] = state;
    ROUNDS.forEach(({ rotate, order, add }, round) => {
      order.forEach((word, step) => {
        const sum = (a + (MIX[round]?.(b, c, d) ?? 0) + (words[word] ?? 0) + add) | 0;
        const by = rotate[step % 4] ?? 0;
        [a, b, c, d] = [d, (sum << by) | (sum >>> (32 - by)), b, c];
      });
    });
    state = [(state[0] + a) | 0, (state[1] + b) | 0, (state[2] + c) | 0, (state[3] + d) | 0];
  }
  return state[1];
}

const DELTA = 0x9e3779b9;
const TEA_ROUNDS = 16;

function tea(characters: readonly number[], seed: readonly [number, number, number, number]): number {
  let [first, second] = [seed[0], seed[1]];
  for (let at = 0; at < characters.length; at += 16) {
    const [k0, k1, k2, k3] = wordsOf(characters, at, 4);
    let [y, z, sum] = [first, second, 0];
    for (let round = 0; round < TEA_ROUNDS; round++) {
      sum = (sum + DELTA) | 0;
      y = (y + (((z << 4) + (k0 ?? 0)) ^ (z + sum) ^ ((z >>> 5) + (k1 ?? 0)))) | 0;
      z = (z + (((y << 4) + (k2 ?? 0)) ^ (y + sum) ^ ((y >>> 5) + (k3 ?? 0)))) | 0;
    }
    first = (first + y) | 0;
    second = (second + z) | 0;
  }
  return first;
}

/** Up to four characters a word, added up as digits; what is behind the name is filled with its remaining length. */
function wordsOf(characters: readonly number[], from: number, count: number): number[] {
  const left = characters.length - from;
  const filling = Math.imul(left & 0xff, 0x01010101) + Math.imul(left >> 8, 0x01000000);
  return Array.from({ length: count }, (_, index) => {
    let word = filling;
    for (let at = from + index * 4; at < Math.min(characters.length, from + index * 4 + 4); at++) {
      word = ((word << 8) + (characters[at] ?? 0)) | 0;
    }
    return word;
  });
}
