/**
 * Which partition table a disk has, and what it names: MBR or GPT, in whatever sectors it counts, or none.
 */
import type { ByteSource } from "../base/byte-source.ts";
import { readGpt } from "./gpt.ts";
import { hasEntryAtStart, readMbr, TYPE_GPT_PROTECTIVE, type Mbr, type MbrPartition } from "./mbr.ts";
import type { Partition } from "./partition.ts";
import { mbrTypeName } from "./partition-types.ts";
import { guessSectorSize } from "./sector-size.ts";

export interface DiskTable {
  readonly kind: "mbr" | "gpt";
  readonly sectorSize: number;
  /** The active ones first, then in the order of the table. */
  readonly partitions: readonly Partition[];
  /** Whether the whole disk is to be asked as a volume, too, and when. */
  readonly wholeDisk: "first" | "last" | "no";
  readonly notes: readonly string[];
}

const SECTOR_SIZES = [512, 4096] as const;

/**
 * The table, or null when the disk has none.
 * @param sectorSize what the device says; where that is 512, which image files say for want of knowing, 4096 is tried
 * @throws DISK_UNREADABLE
 */
export function readPartitionTable(disk: ByteSource, sectorSize: number): DiskTable | null {
  const isIso = hasIsoSignature(disk);
  const mbr = readMbr(disk, sectorSize, { isIso });
  const sizes = [sectorSize, ...SECTOR_SIZES.filter((size) => size !== sectorSize)];
  if (mbr === null) return readUnprotectedGpt(disk, sizes);
  const table = mbr.primary.some(({ type }) => type === TYPE_GPT_PROTECTIVE)
    ? readProtectedGpt(disk, mbr, sizes)
    : readPlainMbr(disk, mbr, sectorSize, isIso);
  const wholeDisk = isIso ? (isIsoFirst(disk, table.partitions) ? "first" : "last") : "no";
  return { ...table, partitions: [...table.partitions].sort((a, b) => Number(b.active) - Number(a.active)), wholeDisk };
}

type Table = Omit<DiskTable, "wholeDisk">;

function readPlainMbr(disk: ByteSource, mbr: Mbr, sectorSize: number, isIso: boolean): Table {
  const size = sectorSize === SECTOR_SIZES[0] ? guessSectorSize(disk, mbr) : sectorSize;
  const { partitions, notes, diskSignature } = size === sectorSize ? mbr : (readMbr(disk, size, { isIso }) ?? mbr);
  return {
    kind: "mbr",
    sectorSize: size,
    partitions: partitions.map((each) => fromMbr(each, diskSignature, size)),
    notes,
  };
}

/**
 * The disk's MBR names a GPT, which counts then. A hybrid one names some of its partitions itself, too; what it says
 * of them that is of use is which one is active.
 */
function readProtectedGpt(disk: ByteSource, mbr: Mbr, sectorSizes: readonly number[]): Table {
  const gpt = readGpt(disk, sectorSizes);
  const sectorSize = gpt?.sectorSize ?? sectorSizes[0] ?? SECTOR_SIZES[0];
  const others = mbr.partitions
    .filter(({ type }) => type !== TYPE_GPT_PROTECTIVE)
    .map((each) => fromMbr(each, mbr.diskSignature, sectorSize));
  if (gpt === null || gpt.partitions.length === 0) {
    const missing = gpt === null ? ["the disk's MBR says that it has a GPT, which is not there"] : gpt.notes;
    return { kind: gpt === null ? "mbr" : "gpt", sectorSize, partitions: others, notes: [...mbr.notes, ...missing] };
  }
  const active = new Set(others.filter((each) => each.active).map(({ start }) => start));
  const partitions = gpt.partitions.map((each) => ({ ...each, active: each.active || active.has(each.start) }));
  return { kind: "gpt", sectorSize, partitions, notes: gpt.notes };
}

/** Without a protective entry no system sees the GPT: it may be left from before the disk was made anew. */
function readUnprotectedGpt(disk: ByteSource, sectorSizes: readonly number[]): DiskTable | null {
  const isThere = sectorSizes.some((size) => textAt(disk, size, 8) === "EFI PART");
  const gpt = isThere ? readGpt(disk, sectorSizes) : null;
  if (gpt === null || gpt.partitions.length === 0) return null;
  return {
    kind: "gpt",
    sectorSize: gpt.sectorSize,
    partitions: [...gpt.partitions].sort((a, b) => Number(b.active) - Number(a.active)),
    wholeDisk: "first",
    notes: [...gpt.notes, "the disk has a GPT without the protective MBR that belongs to it"],
  };
}

function fromMbr(partition: MbrPartition, diskSignature: number, sectorSize: number): Partition {
  const hex = (value: number, digits: number) => value.toString(16).padStart(digits, "0");
  return {
    number: partition.number,
    active: partition.active,
    typeName: mbrTypeName(partition.type),
    start: partition.start * sectorSize,
    size: partition.count * sectorSize,
    // Disks without a signature would all have the same PARTUUIDs.
    uuid: diskSignature === 0 ? null : `${hex(diskSignature, 8)}-${hex(partition.number, 2)}`,
    label: null,
  };
}

/** ECMA-119, 8.1: the first volume descriptor, in the 17th sector of 2048 bytes. */
const ISO_DESCRIPTOR = 0x8000;

function hasIsoSignature(disk: ByteSource): boolean {
  return textAt(disk, ISO_DESCRIPTOR + 1, 5) === "CD001";
}

/**
 * An ISO image that boots as a hard disk has an entry that begins at its first byte, or one where its own first
 * descriptor stands (xorriso). Else the descriptor may be left from before the disk was partitioned.
 */
function isIsoFirst(disk: ByteSource, partitions: readonly Partition[]): boolean {
  return hasEntryAtStart(disk) || partitions.some(({ start }) => start === ISO_DESCRIPTOR);
}

function textAt(disk: ByteSource, offset: number, length: number): string {
  if (offset + length > disk.size) return "";
  return Buffer.from(disk.read(offset, length)).toString("latin1");
}
