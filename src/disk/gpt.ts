/**
 * The GUID partition table (UEFI specification 2.10, chapter 5.3): a header in the disk's second sector, whose copy is
 * in the last, and an array of entries; both under checksums.
 *
 * Not here: whether a disk's table is a GPT at all, which the protective entry of its MBR says.
 */
import type { ByteSource } from "../base/byte-source.ts";
import { CheckedReader } from "../base/checked-reader.ts";
import { asGuestbootError } from "../base/errors.ts";
import type { Partition, PartitionTable } from "./partition.ts";
import { gptTypeName } from "./partition-types.ts";

export interface Gpt extends PartitionTable {
  readonly sectorSize: number;
}

const SIGNATURE = "EFI PART";
const MIN_HEADER = 92;
const MIN_ENTRY = 128;
const MAX_ENTRY = 4096;
/** 128 entries are what all tools write; what needs more than this is damage. */
const MAX_TABLE_BYTES = 1024 * 1024;
const NAME_OFFSET = 56;
const NAME_SIZE = 72;
const NO_TYPE = "00000000-0000-0000-0000-000000000000";
/** Attribute bit 2: "Legacy BIOS Bootable", what the active flag was in an MBR. */
const LEGACY_BIOS_BOOTABLE = 4;

/**
 * The table, from its first copy or, where that is damaged, its second; null when there is neither.
 * @param sectorSizes what a sector may have, the likeliest first
 * @throws DISK_UNREADABLE
 */
export function readGpt(disk: ByteSource, sectorSizes: readonly number[]): Gpt | null {
  const faults: string[] = [];
  for (const where of ["first", "second"] as const) {
    for (const sectorSize of sectorSizes) {
      const lba = where === "first" ? 1 : Math.floor(disk.size / sectorSize) - 1;
      const found = attempt(() => readCopy(disk, sectorSize, lba));
      if (found === null) continue;
      if (typeof found === "string") {
        faults.push(found);
        continue;
      }
      if (where === "first") return { sectorSize, partitions: found, notes: [] };
      const why = faults.length === 0 ? "is missing" : `is damaged (${faults.join("; ")})`;
      return { sectorSize, partitions: found, notes: [`the disk's first GPT ${why}: its backup was read`] };
    }
  }
  return faults.length === 0
    ? null
    : { sectorSize: sectorSizes[0] ?? 512, partitions: [], notes: [`the disk's GPT is damaged: ${faults.join("; ")}`] };
}

/** The partitions, what is wrong with this copy, or null when none is there. */
function attempt(work: () => Partition[] | string | null): Partition[] | string | null {
  try {
    return work();
  } catch (thrown) {
    const error = asGuestbootError(thrown);
    if (error.code !== "OUT_OF_BOUNDS") throw error;
    return error.message;
  }
}

function readCopy(disk: ByteSource, sectorSize: number, lba: number): Partition[] | string | null {
  const offset = lba * sectorSize;
  if (lba < 1 || offset + sectorSize > disk.size) return null;
  const sector = disk.read(offset, sectorSize);
  const header = new CheckedReader(sector, "GPT header");
  if (Buffer.from(header.bytes(0, 8, "signature")).toString("latin1") !== SIGNATURE) return null;
  const headerSize = header.u32le(12, "header size");
  if (headerSize < MIN_HEADER || headerSize > sectorSize) return `its header has ${headerSize} bytes`;
  if (header.u32le(16, "header checksum") !== headerChecksum(sector.subarray(0, headerSize))) {
    return "its header's checksum is wrong";
  }
  if (header.u64le(24, "own sector") !== lba) return "its header stands in the wrong sector";
  const count = header.u32le(80, "number of entries");
  const entrySize = header.u32le(84, "size of an entry");
  if (entrySize < MIN_ENTRY || entrySize > MAX_ENTRY || entrySize % 8 !== 0)
    return `its entries have ${entrySize} bytes`;
  if (count * entrySize > MAX_TABLE_BYTES) return `it has ${count} entries`;
  const entries = disk.read(header.u64le(72, "first sector of entries") * sectorSize, count * entrySize);
  if (header.u32le(88, "checksum of entries") !== crc32(entries)) return "its entries' checksum is wrong";
  return Array.from({ length: count }, (_, index) =>
    partitionOf(entries.subarray(index * entrySize, (index + 1) * entrySize), index + 1, sectorSize),
  ).filter((partition) => partition !== null);
}

function headerChecksum(header: Uint8Array): number {
  const zeroed = Uint8Array.from(header);
  zeroed.fill(0, 16, 20);
  return crc32(zeroed);
}

function crc32(bytes: Uint8Array): number {
  return process.getBuiltinModule("node:zlib").crc32(bytes);
}

function partitionOf(bytes: Uint8Array, number: number, sectorSize: number): Partition | null {
  const entry = new CheckedReader(bytes, "GPT entry");
  const type = guidAt(entry, 0);
  if (type === NO_TYPE) return null;
  // Sectors past 2^53 come out rounded, which is as far past the disk's end as they are.
  const first = sectorAt(entry, 32);
  const last = sectorAt(entry, 40);
  return {
    number,
    active: (entry.u32le(48, "attributes") & LEGACY_BIOS_BOOTABLE) !== 0,
    typeName: gptTypeName(type),
    start: first * sectorSize,
    size: Math.max(last - first + 1, 0) * sectorSize,
    uuid: guidAt(entry, 16),
    label: nameOf(entry),
  };
}

function sectorAt(entry: CheckedReader, offset: number): number {
  return entry.u32le(offset + 4, "sector") * 2 ** 32 + entry.u32le(offset, "sector");
}

/** The first three groups are little-endian numbers, the others bytes (RFC 4122 as the UEFI specification turns it). */
function guidAt(entry: CheckedReader, offset: number): string {
  const hex = (value: number, digits: number) => value.toString(16).padStart(digits, "0");
  const rest = Buffer.from(entry.bytes(offset + 8, 8, "GUID")).toString("hex");
  return [
    hex(entry.u32le(offset, "GUID"), 8),
    hex(entry.u16le(offset + 4, "GUID"), 4),
    hex(entry.u16le(offset + 6, "GUID"), 4),
    rest.slice(0, 4),
    rest.slice(4),
  ].join("-");
}

function nameOf(entry: CheckedReader): string | null {
  const text = Buffer.from(entry.bytes(NAME_OFFSET, NAME_SIZE, "name")).toString("utf16le");
  return text.replace(/\0.*$/s, "") || null;
}
