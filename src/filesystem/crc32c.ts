/**
 * CRC-32C (Castagnoli), with which filesystems guard their blocks: the polynomial is reflected (RFC 3720, appendix
 * B.4). Each of them begins and ends it in its own way, so this is the step between: no initial value, no inversion.
 */

const POLYNOMIAL = 0x82f63b78;
/** Eight bytes a step: a folder of 100,000 entries is megabytes of blocks. */
const SLICES = 8;

/** Row `n` is the effect of a byte that is `n` bytes away from the end of a step. Made at the first use. */
let table: Uint32Array | null = null;

/** The register after `bytes` from `from` up to `to`, begun with `start`; unsigned. */
export function updateCrc32c(start: number, bytes: Uint8Array, from = 0, to = bytes.length): number {
  const rows = (table ??= makeTable());
  const row = (slice: number, byte: number) => rows[slice * 256 + byte] ?? 0;
  const byteAt = (at: number) => bytes[at] ?? 0;
  let crc = start;
  let at = from;
  for (; at + SLICES <= to; at += SLICES) {
    crc ^= byteAt(at) | (byteAt(at + 1) << 8) | (byteAt(at + 2) << 16) | (byteAt(at + 3) << 24);
    crc =
      row(7, crc & 0xff) ^
      row(6, (crc >>> 8) & 0xff) ^
      row(5, (crc >>> 16) & 0xff) ^
      row(4, crc >>> 24) ^
      row(3, byteAt(at + 4)) ^
      row(2, byteAt(at + 5)) ^
      row(1, byteAt(at + 6)) ^
      row(0, byteAt(at + 7));
  }
  for (; at < to; at++) crc = (crc >>> 8) ^ row(0, (crc ^ byteAt(at)) & 0xff);
  return crc >>> 0;
}

function makeTable(): Uint32Array {
  const rows = new Uint32Array(SLICES * 256);
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
