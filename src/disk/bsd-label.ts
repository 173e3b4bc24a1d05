/**
 * BSD disklabels: the table that FreeBSD, NetBSD and OpenBSD keep in the second sector of their partition, or of the
 * whole disk (disklabel(5), <sys/disklabel.h>).
 *
 * Not here: labels of big-endian machines, and those in other places than a PC has them.
 */
import { CheckedReader } from "../base/checked-reader.ts";
import type { Slice } from "./slice.ts";

const MAGIC = 0x82564557;
const LABEL_OFFSET = 512;
const TABLE_OFFSET = 148;
const ENTRY_SIZE = 16;
const MAX_ENTRIES = 22;
const WHOLE = 2;
const FS_UNUSED = 0;

const TYPES: Readonly<Record<number, string>> = { 1: "swap", 7: "BSD FFS", 8: "FAT", 17: "Linux ext2", 27: "ZFS" };

/**
 * The partitions of the label, or null when there is none.
 * @param head the first bytes of where it may be, at least two sectors
 * @param start where that is on the disk, in bytes: NetBSD and OpenBSD count from the disk's start
 * @param isFreeBsd FreeBSD counts from its own partition's start where its whole partition ("c") begins at 0
 */
export function readBsdLabel(head: Uint8Array, start: number, isFreeBsd: boolean): readonly Slice[] | null {
  if (head.length < 2 * LABEL_OFFSET) return null;
  const label = new CheckedReader(head.subarray(LABEL_OFFSET, 2 * LABEL_OFFSET), "BSD disklabel");
  if (label.u32le(0, "magic") !== MAGIC || label.u32le(132, "second magic") !== MAGIC) return null;
  const count = label.u16le(138, "number of partitions");
  if (count === 0 || count > MAX_ENTRIES || checksum(label, count) !== 0) return null;
  const sectorSize = label.u32le(40, "sector size");
  if (sectorSize !== 512 && sectorSize !== 4096) return null;
  const offsetOf = (index: number) => label.u32le(TABLE_OFFSET + index * ENTRY_SIZE + 4, "offset") * sectorSize;
  const isRelative = isFreeBsd && count > WHOLE && offsetOf(WHOLE) === 0;
  return Array.from({ length: count }, (_, index): Slice | null => {
    const at = TABLE_OFFSET + index * ENTRY_SIZE;
    const type = label.u8(at + 12, "type");
    const size = label.u32le(at, "size") * sectorSize;
    // An entry for the whole is of no type, as are those that are free.
    if (type === FS_UNUSED || size === 0) return null;
    return {
      name: String.fromCharCode("a".charCodeAt(0) + index),
      typeName: TYPES[type] ?? `BSD ${type}`,
      start: offsetOf(index) - (isRelative ? 0 : start),
      size,
      isRoot: false,
    };
  }).filter((slice) => slice !== null);
}

/** The exclusive or of all 16-bit words, the checksum among them: 0 when it fits. */
function checksum(label: CheckedReader, count: number): number {
  let sum = 0;
  for (let at = 0; at < TABLE_OFFSET + count * ENTRY_SIZE; at += 2) sum ^= label.u16le(at, "checksum");
  return sum;
}
