/**
 * The sector size of an image file whose disk had 4096-byte sectors: the file does not say, and an MBR counts in
 * sectors. What the partitions hold decides.
 */
import type { ByteSource } from "../base/byte-source.ts";
import type { Mbr } from "./mbr.ts";

const SMALL = 512;
const LARGE = 4096;
/** Partitions that are looked into. */
const LOOKED_AT = 8;

/** What may stand at the start of a partition: an offset, and bytes there. */
const SIGNS: readonly (readonly [number, string])[] = [
  [1080, "\x53\xef"],
  [0, "XFSB"],
  [0, "LUKS"],
  [0, "hsqs"],
  // A boot sector, or a link of the chain of logical partitions.
  [510, "\x55\xaa"],
  [512, "LABELONE"],
  [0x10040, "_BHRfS_M"],
  [4086, "SWAPSPACE2"],
  [0x10034, "ReIsEr"],
];

/**
 * 4096 where the table can be meant so and more partitions hold something known then; 512 otherwise. A table whose
 * partitions in sectors of 4096 bytes would reach past the disk's end, as nearly all do, costs no read.
 */
export function guessSectorSize(disk: ByteSource, mbr: Mbr): number {
  const partitions = mbr.primary;
  if (partitions.some(({ start, count }) => (start + count) * LARGE > disk.size)) return SMALL;
  const known = (sectorSize: number) =>
    partitions.slice(0, LOOKED_AT).filter(({ start }) => holdsSomething(disk, start * sectorSize)).length;
  return known(LARGE) > known(SMALL) ? LARGE : SMALL;
}

function holdsSomething(disk: ByteSource, start: number): boolean {
  return SIGNS.some(([offset, sign]) => {
    if (start + offset + sign.length > disk.size) return false;
    return Buffer.from(disk.read(start + offset, sign.length)).toString("latin1") === sign;
  });
}
