/**
 * The boot sector of FAT12, FAT16 and FAT32: its parameter block, and what follows from it.
 * Specification: Microsoft, "FAT: General Overview of On-Disk Format", version 1.03 (also ECMA-107 for FAT12 and FAT16)
 */
import type { ByteSource } from "../../base/byte-source.ts";
import { CheckedReader } from "../../base/checked-reader.ts";
import { damaged } from "./damage.ts";

export interface BootSector {
  /** Of an entry of the table. */
  readonly bits: 12 | 16 | 32;
  /** Bytes. */
  readonly clusterSize: number;
  /** Clusters are numbered from 2; the last one is `clusterCount + 1`. */
  readonly clusterCount: number;
  /** Where the table that is in use begins, in bytes; and its size. */
  readonly tableOffset: number;
  readonly tableSize: number;
  /** Where cluster 2 begins, in bytes. */
  readonly dataOffset: number;
  /** The root folder: a fixed range (FAT12, FAT16; in bytes), or a chain of clusters. */
  readonly root: { readonly offset: number; readonly size: number } | { readonly cluster: number };
  /** Bytes of the whole filesystem. */
  readonly size: number;
  /** As blkid writes it, "1A2B-3C4D"; null where the sector has none. */
  readonly serial: string | null;
  /** Of the boot sector; the root folder's own entry is the one that counts, when there is one. */
  readonly label: string | null;
}

const SIZE = 512;
const MAX_FAT12_CLUSTERS = 4084;
const EXTENDED_SIGNATURE = 0x29;
const DIRECTORY_ENTRY_SIZE = 32;
const OTHER_NAMES = ["NTFS    ", "EXFAT   "];

/** Does the volume begin like a FAT filesystem? No proof: it says so, or its numbers could be those of one. */
export function hasFatMagic(source: ByteSource): boolean {
  if (source.size < SIZE) return false;
  const reader = new CheckedReader(source.read(0, SIZE), "FAT boot sector");
  const text = (offset: number, length: number) => latin1(reader.bytes(offset, length, "a name"));
  if (OTHER_NAMES.includes(text(3, 8)) || reader.u16le(510, "signature") !== 0xaa55) return false;
  if (/^FAT(12|16) {3}$/.test(text(0x36, 8)) || text(0x52, 8) === "FAT32   ") return true;
  const jump = reader.u8(0, "jmpBoot");
  return (jump === 0xeb || jump === 0xe9) && impossible(readNumbers(reader)) === null;
}

/** @throws FILESYSTEM_DAMAGED for numbers that cannot be */
export function readBootSector(source: ByteSource): BootSector {
  const reader = new CheckedReader(source.read(0, SIZE), "FAT boot sector");
  const numbers = readNumbers(reader);
  const wrong = impossible(numbers);
  if (wrong !== null) throw damaged(wrong);
  const { sectorSize, sectorsPerCluster, reserved, tables, rootEntries, sectors, tableSectors, isFat32 } = numbers;
  const rootSectors = Math.ceil((rootEntries * DIRECTORY_ENTRY_SIZE) / sectorSize);
  const rootSector = reserved + tables * tableSectors;
  const dataSector = rootSector + rootSectors;
  const inData = Math.floor((sectors - dataSector) / sectorsPerCluster);
  const bits = isFat32 ? 32 : inData > MAX_FAT12_CLUSTERS ? 16 : 12;
  const tableSize = tableSectors * sectorSize;
  const inTable = Math.floor((tableSize * 8) / bits) - 2;
  const clusterCount = Math.min(inData, inTable);
  if (clusterCount < 1) throw damaged("it has no clusters");
  return {
    bits,
    clusterSize: sectorsPerCluster * sectorSize,
    clusterCount,
    tableOffset: (reserved + activeTable(reader, numbers) * tableSectors) * sectorSize,
    tableSize,
    dataOffset: dataSector * sectorSize,
    root: isFat32
      ? { cluster: reader.u32le(0x2c, "BPB_RootClus") }
      : { offset: rootSector * sectorSize, size: rootEntries * DIRECTORY_ENTRY_SIZE },
    size: sectors * sectorSize,
    ...namesOf(reader, isFat32 ? 0x42 : 0x26),
  };
}

interface Numbers {
  /** Bytes. */
  readonly sectorSize: number;
  readonly sectorsPerCluster: number;
  /** Sectors before the first table. */
  readonly reserved: number;
  readonly tables: number;
  readonly rootEntries: number;
  readonly sectors: number;
  readonly tableSectors: number;
  readonly media: number;
  readonly isFat32: boolean;
}

function readNumbers(reader: CheckedReader): Numbers {
  const tableSectors16 = reader.u16le(0x16, "BPB_FATSz16");
  // As every driver decides: FAT32 has no such number. How many clusters it has is not asked.
  const isFat32 = tableSectors16 === 0;
  return {
    sectorSize: reader.u16le(0x0b, "BPB_BytsPerSec"),
    sectorsPerCluster: reader.u8(0x0d, "BPB_SecPerClus"),
    reserved: reader.u16le(0x0e, "BPB_RsvdSecCnt"),
    tables: reader.u8(0x10, "BPB_NumFATs"),
    rootEntries: reader.u16le(0x11, "BPB_RootEntCnt"),
    sectors: reader.u16le(0x13, "BPB_TotSec16") || reader.u32le(0x20, "BPB_TotSec32"),
    tableSectors: isFat32 ? reader.u32le(0x24, "BPB_FATSz32") : tableSectors16,
    media: reader.u8(0x15, "BPB_Media"),
    isFat32,
  };
}

/** What cannot be about the numbers; null when they can. */
function impossible(numbers: Numbers): string | null {
  const { sectorSize, sectorsPerCluster, reserved, tables, rootEntries, sectors, tableSectors, isFat32 } = numbers;
  if (![512, 1024, 2048, 4096].includes(sectorSize)) return `a sector has ${sectorSize} bytes`;
  if (sectorsPerCluster === 0 || (sectorsPerCluster & (sectorsPerCluster - 1)) !== 0) {
    return `a cluster has ${sectorsPerCluster} sectors`;
  }
  if (reserved === 0) return "it has no place for its boot sector";
  if (tables === 0 || tableSectors === 0) return "it has no table";
  if (numbers.media < 0xf8 && numbers.media !== 0xf0) return `its medium is 0x${numbers.media.toString(16)}`;
  if (!isFat32 && rootEntries === 0) return "its root folder has no room";
  const before = reserved + tables * tableSectors + Math.ceil((rootEntries * DIRECTORY_ENTRY_SIZE) / sectorSize);
  return before >= sectors ? `it has ${sectors} sectors, and its tables need ${before}` : null;
}

/** FAT32 may keep only one of its tables up to date, and says which. */
function activeTable(reader: CheckedReader, { isFat32, tables }: Numbers): number {
  if (!isFat32) return 0;
  const flags = reader.u16le(0x28, "BPB_ExtFlags");
  const active = (flags & 0x80) === 0 ? 0 : flags & 0xf;
  if (active >= tables) throw damaged(`table ${active} of ${tables} is said to be in use`);
  return active;
}

function namesOf(reader: CheckedReader, at: number): Pick<BootSector, "serial" | "label"> {
  if (reader.u8(at, "BS_BootSig") !== EXTENDED_SIGNATURE) return { serial: null, label: null };
  const hex = reader
    .u32le(at + 1, "BS_VolID")
    .toString(16)
    .toUpperCase()
    .padStart(8, "0");
  const label = latin1(reader.bytes(at + 5, 11, "BS_VolLab")).trimEnd();
  return {
    serial: hex === "00000000" ? null : `${hex.slice(0, 4)}-${hex.slice(4)}`,
    label: label === "" || label === "NO NAME" || /\p{C}/u.test(label) ? null : label,
  };
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}
