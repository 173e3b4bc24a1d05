/**
 * One LZO1X block: what lzop, old kernels' initrds and btrfs hold.
 *
 * "LZO stream format as understood by Linux' LZO decompressor" (Documentation/staging/lzo.rst). Not here: the variant
 * with run lengths (lzo-rle), which only zram writes.
 */
import { damaged } from "./damage.ts";

const END_DISTANCE = 16384;

/**
 * Expands `packed` into `target`.
 * @returns how many bytes came out, or null when they would be more than the target holds
 * @throws GuestbootError DATA_DAMAGED, also when the block's end mark is not at the end of `packed`
 */
export function expandLzo1x(packed: Uint8Array, target: Uint8Array): number | null {
  const size = packed.length;
  const end = target.length;
  let next = 0;
  let at = 0;
  /** Literals that the last instruction copied; 4 stands for four or more. */
  let state = 0;
  let length = 0;
  let distance = 0;
  let literals = 0;

  const first = packed[0] ?? 0;
  if (first > 17) {
    next = 1;
    literals = first - 17;
    if (literals > size - next) throw endsEarly();
    if (literals > end) return null;
    while (literals > 0) {
      target[at++] = packed[next++] ?? 0;
      literals--;
    }
    state = Math.min(first - 17, 4);
  }
  while (next < size) {
    const instruction = packed[next++] ?? 0;
    if (instruction < 16 && state === 0) {
      literals = instruction + 3;
      if (instruction === 0) {
        literals = 18;
        for (; packed[next] === 0; next++) literals += 255;
        literals += packed[next++] ?? 0;
      }
      if (literals > size - next) throw endsEarly();
      if (literals > end - at) return null;
      if (literals > 32) {
        target.set(packed.subarray(next, next + literals), at);
        at += literals;
        next += literals;
      } else for (const stop = next + literals; next < stop;) target[at++] = packed[next++] ?? 0;
      state = 4;
      continue;
    }
    if (instruction >= 64) {
      distance = ((packed[next++] ?? 0) << 3) + ((instruction >>> 2) & 7) + 1;
      length = instruction >= 128 ? 5 + ((instruction >>> 5) & 3) : 3 + ((instruction >>> 5) & 1);
      literals = instruction & 3;
    } else if (instruction < 16) {
      distance = ((packed[next++] ?? 0) << 2) + (instruction >>> 2) + 1;
      length = 2;
      if (state === 4) {
        distance += 2048;
        length = 3;
      }
      literals = instruction & 3;
    } else {
      const mask = instruction >= 32 ? 31 : 7;
      length = (instruction & mask) + 2;
      if (length === 2) {
        length = mask + 2;
        for (; packed[next] === 0; next++) length += 255;
        length += packed[next++] ?? 0;
      }
      const word = (packed[next] ?? 0) | ((packed[next + 1] ?? 0) << 8);
      next += 2;
      distance = (word >>> 2) + 1;
      literals = word & 3;
      if (instruction < 32) {
        distance += ((instruction & 8) << 11) + END_DISTANCE - 1;
        if (distance === END_DISTANCE) {
          if (next !== size || length !== 3) throw damaged("lzo", "a block's end mark is not at its end");
          return at;
        }
      }
    }
    if (next + literals > size) throw endsEarly();
    if (distance > at) throw damaged("lzo", "a match from before the beginning");
    if (length + literals > end - at) return null;
    let from = at - distance;
    if (length <= distance && length > 32) {
      target.copyWithin(at, from, from + length);
      at += length;
    } else for (const stop = at + length; at < stop;) target[at++] = target[from++] ?? 0;
    for (const stop = next + literals; next < stop;) target[at++] = packed[next++] ?? 0;
    state = literals;
  }
  throw endsEarly();
}

function endsEarly(): Error {
  return damaged("lzo", "a block ends in the middle");
}
