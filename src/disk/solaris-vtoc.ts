/**
 * The table of slices that Solaris for PCs keeps in the second sector of its partition (<sys/vtoc.h>,
 * <sys/dklabel.h>).
 */
import { CheckedReader } from "../base/checked-reader.ts";
import type { Slice } from "./slice.ts";

const SECTOR = 512;
const SANE = 0x600ddeee;
const MAX_SLICES = 16;
const SLICES_OFFSET = 72;
const SLICE_SIZE = 12;
const TAG_ROOT = 2;
const TAG_BACKUP = 5;

const TAGS: Readonly<Record<number, string>> = {
  1: "Solaris boot",
  2: "Solaris root",
  3: "Solaris swap",
  4: "Solaris usr",
  6: "Solaris stand",
  7: "Solaris var",
  8: "Solaris home",
  9: "Solaris alternate sectors",
};

/**
 * The slices but that for the whole partition ("backup"), those for root first; null when there is no table.
 * @param head the first bytes of the partition, at least two sectors
 */
export function readSolarisVtoc(head: Uint8Array): readonly Slice[] | null {
  if (head.length < 2 * SECTOR) return null;
  const vtoc = new CheckedReader(head.subarray(SECTOR, 2 * SECTOR), "Solaris VTOC");
  if (vtoc.u32le(12, "sanity") !== SANE) return null;
  // Old versions left the sector's size out.
  const sectorSize = vtoc.u16le(28, "sector size") || SECTOR;
  const count = vtoc.u16le(30, "number of slices") || MAX_SLICES;
  if ((sectorSize !== SECTOR && sectorSize !== 4096) || count > MAX_SLICES) return null;
  const slices = Array.from({ length: count }, (_, index): Slice | null => {
    const at = SLICES_OFFSET + index * SLICE_SIZE;
    const tag = vtoc.u16le(at, "tag");
    const size = vtoc.u32le(at + 8, "size") * sectorSize;
    if (size === 0 || tag === TAG_BACKUP) return null;
    return {
      name: String(index),
      typeName: TAGS[tag] ?? `Solaris ${tag}`,
      start: vtoc.u32le(at + 4, "start") * sectorSize,
      size,
      isRoot: tag === TAG_ROOT,
    };
  }).filter((slice) => slice !== null);
  return slices.sort((a, b) => Number(b.isRoot) - Number(a.isRoot));
}
