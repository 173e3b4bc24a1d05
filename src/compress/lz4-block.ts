/**
 * One LZ4 block: literals and matches, no header and no checksum.
 *
 * LZ4 Block Format Description (Yann Collet), doc/lz4_Block_format.md of lz4.
 */
import { damaged } from "./damage.ts";

const SHORTEST_MATCH = 4;

/**
 * Expands `packed` into `target` from `start` on, up to `end`; matches may reach back to the target's beginning.
 * @returns where the output ends, or null when it would go past `end`
 * @throws GuestbootError DATA_DAMAGED
 */
export function expandLz4Block(packed: Uint8Array, target: Uint8Array, start: number, end: number): number | null {
  const size = packed.length;
  let at = start;
  let next = 0;
  while (next < size) {
    const token = packed[next++] ?? 0;
    let literals = token >>> 4;
    if (literals === 15) {
      let more = 255;
      while (more === 255) {
        if (next >= size) throw damaged("lz4", "a block ends in the middle of a length");
        more = packed[next++] ?? 0;
        literals += more;
      }
    }
    if (literals > size - next) throw damaged("lz4", "a block ends in the middle of its literals");
    if (literals > end - at) return null;
    if (literals > 32) {
      target.set(packed.subarray(next, next + literals), at);
      next += literals;
      at += literals;
    } else for (const stop = next + literals; next < stop;) target[at++] = packed[next++] ?? 0;
    // The last sequence has no match.
    if (next === size) return at;
    if (size - next < 2) throw damaged("lz4", "a block ends in the middle of an offset");
    const distance = (packed[next] ?? 0) | ((packed[next + 1] ?? 0) << 8);
    next += 2;
    let length = (token & 15) + SHORTEST_MATCH;
    if ((token & 15) === 15) {
      let more = 255;
      while (more === 255) {
        if (next >= size) throw damaged("lz4", "a block ends in the middle of a length");
        more = packed[next++] ?? 0;
        length += more;
      }
    }
    if (distance === 0 || distance > at) throw damaged("lz4", "a match from before the beginning");
    if (length > end - at) return null;
    let from = at - distance;
    if (length <= distance && length > 32) {
      target.copyWithin(at, from, from + length);
      at += length;
    } else for (const stop = at + length; at < stop;) target[at++] = target[from++] ?? 0;
  }
  throw damaged("lz4", "a block without its last literals");
}
