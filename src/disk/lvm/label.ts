/**
 * What makes a volume an LVM2 physical volume: its label, in one of the first four sectors, and the header behind it
 * that says where the data and the copies of the metadata are (lvm2's on-disk format, version "LVM2 001").
 */
import type { ByteSource } from "../../base/byte-source.ts";
import { CheckedReader } from "../../base/checked-reader.ts";
import { crcOfLvm } from "./checksum.ts";

export interface Area {
  /** Bytes. */
  readonly offset: number;
  readonly size: number;
}

export interface PhysicalVolume {
  /** Without the dashes that people see. */
  readonly uuid: string;
  readonly source: ByteSource;
  readonly metadataAreas: readonly Area[];
}

const SECTOR = 512;
const LABEL_SECTORS = 4;
/** What a head that is handed in must hold. */
export const LVM_HEAD_SIZE = LABEL_SECTORS * SECTOR;

const UUID_SIZE = 32;
const AREA_SIZE = 16;

/**
 * The physical volume, a word on why it cannot be read, or null when it is none.
 * @param head the first `LVM_HEAD_SIZE` bytes, or fewer where the source is smaller
 */
export function readPhysicalVolume(source: ByteSource, head: Uint8Array): PhysicalVolume | string | null {
  for (let sector = 0; sector < LABEL_SECTORS; sector++) {
    const bytes = head.subarray(sector * SECTOR, (sector + 1) * SECTOR);
    if (bytes.length < SECTOR) return null;
    const label = new CheckedReader(bytes, "LVM label");
    if (textAt(label, 0, 8) !== "LABELONE" || textAt(label, 24, 8) !== "LVM2 001") continue;
    if (label.u32le(16, "checksum") !== crcOfLvm(bytes.subarray(20))) return "its label's checksum is wrong";
    const header = label.u32le(20, "offset of the header");
    return { uuid: textAt(label, header, UUID_SIZE), source, metadataAreas: readAreas(label, header) };
  }
  return null;
}

/** Two lists, each ended by an entry of zeros: the areas of data, and those of metadata. */
function readAreas(label: CheckedReader, header: number): Area[] {
  let at = header + UUID_SIZE + 8;
  const next = (): Area | null => {
    const area = { offset: label.u64le(at, "area"), size: label.u64le(at + 8, "size of area") };
    at += AREA_SIZE;
    return area.offset === 0 && area.size === 0 ? null : area;
  };
  // The label's sector ends both loops: reading past it throws.
  while (next() !== null);
  const areas: Area[] = [];
  for (let area = next(); area !== null; area = next()) areas.push(area);
  return areas;
}

function textAt(reader: CheckedReader, offset: number, length: number): string {
  return Buffer.from(reader.bytes(offset, length, "text")).toString("latin1");
}
