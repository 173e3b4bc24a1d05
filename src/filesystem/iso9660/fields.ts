/**
 * The kinds of numbers and texts that ISO 9660 records.
 * Specification: ECMA-119, section 7.
 */
import type { CheckedReader } from "../../base/checked-reader.ts";

/**
 * Section 7.3.3: the number in little-endian order, and once more in big-endian. The first counts, as it does to
 * every driver; where a mastering program has filled in only the second, that does.
 */
export function u32both(reader: CheckedReader, offset: number, field: string): number {
  return reader.u32le(offset, field) || reader.u32be(offset + 4, field);
}

/** Section 7.2.3; see `u32both`. */
export function u16both(reader: CheckedReader, offset: number, field: string): number {
  return reader.u16le(offset, field) || reader.u16be(offset + 2, field);
}

/** Joliet's texts: 16 bits a character, the high byte first. A half of a surrogate pair becomes U+FFFD. */
export function textOfUcs2(bytes: Uint8Array): string {
  // swap16 works in place, on whole characters only.
  const whole = Buffer.from(bytes.subarray(0, bytes.length & ~1));
  return whole.swap16().toString("utf16le").toWellFormed();
}
