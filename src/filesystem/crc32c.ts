/**
 * CRC-32C (Castagnoli), with which filesystems guard their blocks: the polynomial is reflected (RFC 3720, appendix
 * B.4). Each of them begins and ends it in its own way, so this is the step between: no initial value, no inversion.
 */
import { checkRange } from "../base/byte-source.ts";

const POLYNOMIAL = 0x82f63b78;
/** Eight bytes a step: a folder of 100,000 entries is megabytes of blocks. */
const SLICES = 8;

/** Row `n` is the effect of a byte that is `n` bytes away from the end of a step. Made at the first use. */
let table: Int32Array | null = null;

/** The register after `bytes` from `from` up to `to`, begun with `start`; unsigned. */
export function updateCrc32c(start: number, bytes: Uint8Array, from = 0, to = bytes.length): number {
  checkRange(from, to - from, bytes.length, "what a checksum is of");
  const rows = (table ??= makeTable());
  const words = wordsOf(bytes, from, to - ((to - from) % SLICES));
  let crc = start;
  // Without calls: a start from disk ends before this is compiled, and the interpreter takes its time for each.
  for (let index = 0; index < words.length; index += 2) {
    const first = crc ^ (words[index] ?? 0);
    const second = words[index + 1] ?? 0;
    crc =
      (rows[1792 + (first & 0xff)] ?? 0) ^
      (rows[1536 + ((first >>> 8) & 0xff)] ?? 0) ^
      (rows[1280 + ((first >>> 16) & 0xff)] ?? 0) ^
      (rows[1024 + (first >>> 24)] ?? 0) ^
      (rows[768 + (second & 0xff)] ?? 0) ^
      (rows[512 + ((second >>> 8) & 0xff)] ?? 0) ^
      (rows[256 + ((second >>> 16) & 0xff)] ?? 0) ^
      (rows[second >>> 24] ?? 0);
  }
  for (let at = from + words.byteLength; at < to; at++)
    crc = (crc >>> 8) ^ (rows[(crc ^ (bytes[at] ?? 0)) & 0xff] ?? 0);
  return crc >>> 0;
}

/** Words of 32 bits, little-endian as the processors are that Xen runs on; copied where they do not lie at one's place. */
function wordsOf(bytes: Uint8Array, from: number, to: number): Int32Array {
  const start = bytes.byteOffset + from;
  if (start % 4 === 0) return new Int32Array(bytes.buffer, start, (to - from) / 4);
  return new Int32Array(bytes.buffer.slice(start, start + to - from));
}

function makeTable(): Int32Array {
  const rows = new Int32Array(SLICES * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    rows[byte] = crc;
  }
  for (let index = 256; index < rows.length; index++) {
    const nearer = rows[index - 256] ?? 0;
    rows[index] = (nearer >>> 8) ^ (rows[nearer & 0xff] ?? 0);
  }
  return rows;
}
