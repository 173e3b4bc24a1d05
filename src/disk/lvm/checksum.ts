/**
 * LVM's checksum: the CRC-32 that everyone has, but from another start and without the inversions before and behind,
 * which are undone here.
 */
const INITIAL = 0xf597a6cf;

export function crcOfLvm(...parts: readonly Uint8Array[]): number {
  const { crc32 } = process.getBuiltinModule("node:zlib");
  return ~parts.reduce((crc, part) => crc32(part, crc), ~INITIAL >>> 0) >>> 0;
}
