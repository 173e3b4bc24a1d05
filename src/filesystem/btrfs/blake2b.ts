/**
 * BLAKE2b with a digest of 32 bytes and no key, which the platform has only with 64 bytes.
 * Specification: RFC 7693. 64-bit words are pairs of 32 bits, the lower half first.
 */

const DIGEST_SIZE = 32;
const BLOCK_SIZE = 128;
const ROUNDS = 12;

export function blake2b256(bytes: Uint8Array): Uint8Array {
  const state = IV.slice();
  // Section 2.5: the parameter block; one byte of digest size, no key, fanout and depth 1.
  state[0] = (state[0] ?? 0) ^ 0x01010000 ^ DIGEST_SIZE;
  const block = new Uint32Array(BLOCK_SIZE / 4);
  const padded = new Uint8Array(BLOCK_SIZE);
  const view = new DataView(padded.buffer);
  let at = 0;
  do {
    const piece = bytes.subarray(at, at + BLOCK_SIZE);
    padded.fill(0);
    padded.set(piece);
    for (let index = 0; index < block.length; index++) block[index] = view.getUint32(4 * index, true);
    at += piece.length;
    compress(state, block, at, at === bytes.length);
  } while (at < bytes.length);
  const digest = new DataView(new ArrayBuffer(DIGEST_SIZE));
  for (let index = 0; index < DIGEST_SIZE / 4; index++) digest.setUint32(4 * index, state[index] ?? 0, true);
  return new Uint8Array(digest.buffer);
}

/** Section 2.6: the first 64 bits of the fractional parts of the square roots of the first eight primes. */
const IV = Uint32Array.of(
  ...[0xf3bcc908, 0x6a09e667, 0x84caa73b, 0xbb67ae85, 0xfe94f82b, 0x3c6ef372, 0x5f1d36f1, 0xa54ff53a],
  ...[0xade682d1, 0x510e527f, 0x2b3e6c1f, 0x9b05688c, 0xfb41bd6b, 0x1f83d9ab, 0x137e2179, 0x5be0cd19],
);

/** Section 2.7. */
const SIGMA: readonly (readonly number[])[] = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
  [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
  [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
  [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
  [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
  [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
  [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
  [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
  [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
];

/** Section 3.1: the columns, then the diagonals. */
const MIXES: readonly (readonly [number, number, number, number])[] = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
];

/** Section 3.2. @param total bytes so far */
function compress(state: Uint32Array, block: Uint32Array, total: number, isLast: boolean): void {
  const v = new Uint32Array(32);
  v.set(state);
  v.set(IV, 16);
  v[24] = (v[24] ?? 0) ^ (total >>> 0);
  v[25] = (v[25] ?? 0) ^ Math.floor(total / 2 ** 32);
  if (isLast) {
    v[28] = ~(v[28] ?? 0);
    v[29] = ~(v[29] ?? 0);
  }
  for (let round = 0; round < ROUNDS; round++) {
    const order = SIGMA[round % SIGMA.length] ?? [];
    for (const [index, [a, b, c, d]] of MIXES.entries()) {
      addTo(v, a, v, b);
      addTo(v, a, block, order[2 * index] ?? 0);
      turnRight(v, d, a, 32);
      addTo(v, c, v, d);
      turnRight(v, b, c, 24);
      addTo(v, a, v, b);
      addTo(v, a, block, order[2 * index + 1] ?? 0);
      turnRight(v, d, a, 16);
      addTo(v, c, v, d);
      turnRight(v, b, c, 63);
    }
  }
  for (let index = 0; index < state.length; index++) {
    state[index] = (state[index] ?? 0) ^ (v[index] ?? 0) ^ (v[index + 16] ?? 0);
  }
}

function addTo(v: Uint32Array, target: number, words: Uint32Array, term: number): void {
  const low = (v[2 * target] ?? 0) + (words[2 * term] ?? 0);
  v[2 * target] = low;
  v[2 * target + 1] = (v[2 * target + 1] ?? 0) + (words[2 * term + 1] ?? 0) + (low > 0xffffffff ? 1 : 0);
}

/** `target` becomes itself XOR `other`, rotated to the right. */
function turnRight(v: Uint32Array, target: number, other: number, by: 16 | 24 | 32 | 63): void {
  const low = (v[2 * target] ?? 0) ^ (v[2 * other] ?? 0);
  const high = (v[2 * target + 1] ?? 0) ^ (v[2 * other + 1] ?? 0);
  if (by === 32) {
    v[2 * target] = high;
    v[2 * target + 1] = low;
  } else if (by === 63) {
    v[2 * target] = (low << 1) | (high >>> 31);
    v[2 * target + 1] = (high << 1) | (low >>> 31);
  } else {
    v[2 * target] = (low >>> by) | (high << (32 - by));
    v[2 * target + 1] = (high >>> by) | (low << (32 - by));
  }
}
