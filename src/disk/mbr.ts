/**
 * The partition table of PC disks: four primary partitions in sector 0, and logical ones in a chain of sectors of the
 * same form inside an extended partition.
 *
 * Not here: GPT (gpt.ts), and the tables of other systems inside a partition (bsd-label.ts, solaris-vtoc.ts).
 */
import type { ByteSource } from "../base/byte-source.ts";
import { CheckedReader } from "../base/checked-reader.ts";

export interface MbrPartition {
  /** 1 to 4 for primary, from 5 for logical partitions. */
  readonly number: number;
  readonly active: boolean;
  readonly type: number;
  /** Sectors from the start of the disk. */
  readonly start: number;
  /** Sectors. */
  readonly count: number;
}

export interface Mbr {
  /** The entries of sector 0 that are used, the extended partition too. */
  readonly primary: readonly MbrPartition[];
  /** The disk's signature, of which PARTUUIDs are made; 0 where no one has written it. */
  readonly diskSignature: number;
  readonly partitions: readonly MbrPartition[];
  readonly notes: readonly string[];
}

export const TYPE_GPT_PROTECTIVE = 0xee;

const TABLE_SIZE = 512;
const DISK_SIGNATURE_OFFSET = 440;
const ENTRIES_OFFSET = 446;
const ENTRY_SIZE = 16;
const SIGNATURE_OFFSET = 510;
const SIGNATURE = 0xaa55;
const STATUS_ACTIVE = 0x80;
const EXTENDED_TYPES: readonly number[] = [0x05, 0x0f, 0x85];
const FIRST_LOGICAL = 5;
/** Linux numbers the partitions of a disk up to 255. */
const MAX_LOGICAL = 255 - FIRST_LOGICAL + 1;

export interface MbrOptions {
  /** The disk is an ISO 9660 image, too: entries for the whole of it, from sector 0 on, are passed over. */
  readonly isIso?: boolean;
}

/** The table of the disk, or null when sector 0 holds none (also when it is a filesystem's boot sector). */
export function readMbr(source: ByteSource, sectorSize: number, { isIso = false }: MbrOptions = {}): Mbr | null {
  const table = readTable(source, 0);
  if (table === null) return null;
  const entries = entriesOf(table).map((entry) => (isIso && entry.start === 0 ? { ...entry, count: 0 } : entry));
  if (!entries.some(isUsed) || !entries.every(isPlausible)) return null;
  const primary = entries.map((entry, index) => ({ ...entry, number: index + 1 })).filter(isUsed);
  const notes: string[] = [];
  const extended = primary.filter(({ type }) => EXTENDED_TYPES.includes(type));
  // More than one extended partition is not foreseen; the first counts, as for every system that reads the table.
  const logical = extended[0] === undefined ? [] : readLogical(source, sectorSize, extended[0], notes);
  return {
    primary,
    diskSignature: table.u32le(DISK_SIGNATURE_OFFSET, "disk signature"),
    partitions: [...primary.filter((each) => !extended.includes(each)), ...logical],
    notes,
  };
}

/**
 * Is the disk an ISO 9660 image that boots as a hard disk, too? Its table has an entry that begins at sector 0, where
 * no partition of a disk can (isohybrid, xorriso).
 */
export function hasEntryAtStart(source: ByteSource): boolean {
  const table = readTable(source, 0);
  if (table === null) return false;
  const entries = entriesOf(table);
  return entries.every(hasStatus) && entries.some(({ start, count }) => start === 0 && count > 0);
}

type Entry = Omit<MbrPartition, "number"> & { readonly status: number };

function readTable(source: ByteSource, offset: number): CheckedReader | null {
  if (offset + TABLE_SIZE > source.size) return null;
  const reader = new CheckedReader(source.read(offset, TABLE_SIZE), "partition table");
  return reader.u16le(SIGNATURE_OFFSET, "signature") === SIGNATURE ? reader : null;
}

function entriesOf(reader: CheckedReader): Entry[] {
  return [0, 1, 2, 3].map((index) => {
    const at = ENTRIES_OFFSET + index * ENTRY_SIZE;
    const status = reader.u8(at, "status");
    return {
      status,
      active: status === STATUS_ACTIVE,
      type: reader.u8(at + 4, "type"),
      start: reader.u32le(at + 8, "first sector"),
      count: reader.u32le(at + 12, "sector count"),
    };
  });
}

function isUsed(entry: Pick<Entry, "type" | "count">): boolean {
  return entry.type !== 0 && entry.count !== 0;
}

/** A boot sector has code or text where a table has its entries; a status byte is 0x00 or 0x80 and nothing else. */
function isPlausible(entry: Entry): boolean {
  return hasStatus(entry) && (!isUsed(entry) || entry.start > 0);
}

function hasStatus({ status }: Entry): boolean {
  return status === 0 || status === STATUS_ACTIVE;
}

/** Each table of the chain has one logical partition, counted from that table, and the next, counted from the first. */
function readLogical(source: ByteSource, sectorSize: number, extended: MbrPartition, notes: string[]): MbrPartition[] {
  const found: MbrPartition[] = [];
  const visited = new Set<number>();
  let table: number | null = extended.start;
  while (table !== null) {
    if (visited.has(table)) {
      notes.push(`the chain of logical partitions runs in a circle at sector ${table}`);
      break;
    }
    if (visited.size === MAX_LOGICAL) {
      notes.push(`the chain of logical partitions is longer than ${MAX_LOGICAL}`);
      break;
    }
    visited.add(table);
    const link = readTable(source, table * sectorSize);
    if (link === null) {
      notes.push(`the chain of logical partitions breaks off at sector ${table}`);
      break;
    }
    const entries = entriesOf(link);
    const own = entries.find((entry) => isUsed(entry) && !EXTENDED_TYPES.includes(entry.type));
    const next = entries.find((entry) => isUsed(entry) && EXTENDED_TYPES.includes(entry.type));
    if (own !== undefined) {
      found.push({ ...own, number: FIRST_LOGICAL + found.length, start: table + own.start });
    }
    table = next === undefined ? null : extended.start + next.start;
  }
  return found;
}
