/**
 * CRC-32C, with which version 5 guards every block of metadata: initial value and final inversion are all ones.
 */
import { updateCrc32c } from "../crc32c.ts";

/** CRC of a block whose own checksum field, four bytes at `field`, counts as zeros. */
export function checksumOf(bytes: Uint8Array, field: number): number {
  const before = updateCrc32c(0xffffffff, bytes, 0, field);
  const across = updateCrc32c(before, ZEROS);
  return ~updateCrc32c(across, bytes, field + ZEROS.length) >>> 0;
}

/** Does the block hold its own checksum? It is stored little-endian, unlike all else in XFS. */
export function isIntact(bytes: Uint8Array, field: number): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return view.getUint32(field, true) === checksumOf(bytes, field);
}

const ZEROS = new Uint8Array(4);
