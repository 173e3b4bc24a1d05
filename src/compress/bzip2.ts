/**
 * One bzip2 stream: its blocks, each with a checksum, and the checksum of them all. What follows (another stream, which
 * parallel packers write) is the caller's.
 *
 * No official specification; "BZIP2 Format Specification" (Joe Tsai, 2016). Not here: blocks that are marked as
 * randomised, which no packer has written since 1999.
 */
import { BitInput } from "./bit-input.ts";
import type { ByteInput } from "./byte-input.ts";
import { readSymbols, type Symbols } from "./bzip2-symbols.ts";
import { damaged, growsPast, unsupported } from "./damage.ts";

const BLOCK_MAGIC = [0x314159, 0x265359] as const;
const END_MAGIC = [0x177245, 0x385090] as const;
const LEVEL_SIZE = 100_000;
const CHUNK_SIZE = 64 * 1024;
/** After so many equal bytes, a count of further ones follows. */
const RUN = 4;

/** @throws GuestbootError DATA_DAMAGED, FEATURE_UNSUPPORTED, BUDGET_EXCEEDED */
export function* expandBzip2(input: ByteInput, maximumBytes: number): Generator<Uint8Array, void> {
  const { format } = input;
  const bits = new BitInput(input);
  if (bits.take(24) !== 0x425a68) throw damaged(format, "no magic");
  const level = bits.take(8) - 0x30;
  if (level < 1 || level > 9) throw damaged(format, "an impossible block size");
  const room = new Int32Array(level * LEVEL_SIZE);
  let combined = 0;
  let done = 0;
  for (;;) {
    const magic = [bits.take(24), bits.take(24)] as const;
    const wanted = bits.take32();
    if (magic[0] === END_MAGIC[0] && magic[1] === END_MAGIC[1]) {
      if (combined >>> 0 !== wanted) throw damaged(format, "the checksum of the whole is wrong");
      return;
    }
    if (magic[0] !== BLOCK_MAGIC[0] || magic[1] !== BLOCK_MAGIC[1]) throw damaged(format, "no block where one is due");
    if (bits.take(1) === 1) throw unsupported(format, "have a randomised block");
    const first = bits.take(24);
    const symbols = readSymbols(bits, room);
    if (first >= symbols.count) throw damaged(format, "a block begins outside itself");
    const found = yield* expandBlock(symbols, first, maximumBytes - done, () => growsPast(format, maximumBytes));
    if (found.crc !== wanted) throw damaged(format, "a block's checksum is wrong");
    combined = ((combined << 1) | (combined >>> 31)) ^ found.crc;
    done += found.size;
  }
}

/** Undoes the sorting (Burrows-Wheeler) and the run lengths. */
function* expandBlock(
  { bytes: table, count, starts }: Symbols,
  first: number,
  mostBytes: number,
  tooLarge: () => Error,
): Generator<Uint8Array, { crc: number; size: number }> {
  // Each entry holds a byte; above it goes the index of the entry that comes after it.
  const next = starts.slice();
  for (let index = 0; index < count; index++) {
    const byte = (table[index] ?? 0) & 0xff;
    const at = next[byte] ?? 0;
    next[byte] = at + 1;
    table[at] = (table[at] ?? 0) | (index << 8);
  }
  const crcTable = (crcs ??= makeCrcs());
  let crc = -1;
  let size = 0;
  let chunk = new Uint8Array(CHUNK_SIZE);
  let filled = 0;
  let entry = (table[first] ?? 0) >>> 8;
  let last = -1;
  let run = 0;
  for (let left = count; left > 0; left--) {
    const value = table[entry] ?? 0;
    entry = value >>> 8;
    const byte = value & 0xff;
    let copies = 1;
    let written = byte;
    if (run === RUN) {
      copies = byte;
      written = last;
      run = 0;
      last = -1;
    } else if (byte === last) run++;
    else {
      last = byte;
      run = 1;
    }
    for (; copies > 0; copies--) {
      crc = (crc << 8) ^ (crcTable[(crc >>> 24) ^ written] ?? 0);
      chunk[filled++] = written;
      if (filled === CHUNK_SIZE) {
        size += filled;
        if (size > mostBytes) throw tooLarge();
        yield chunk;
        chunk = new Uint8Array(CHUNK_SIZE);
        filled = 0;
      }
    }
  }
  size += filled;
  if (size > mostBytes) throw tooLarge();
  if (filled > 0) yield chunk.subarray(0, filled);
  return { crc: ~crc >>> 0, size };
}

let crcs: Int32Array | null = null;

/** CRC-32 as zlib's, but the highest bit first. */
function makeCrcs(): Int32Array {
  return Int32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte << 24;
    for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? (crc << 1) ^ 0x04c1_1db7 : crc << 1;
    return crc;
  });
}
