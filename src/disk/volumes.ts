/**
 * From a disk to the volumes on it, in the order in which a loader asks them.
 */
import { sliceSource, type ByteSource } from "../base/byte-source.ts";
import { GuestbootError } from "../base/errors.ts";
import { readMbr, TYPE_GPT_PROTECTIVE, type MbrPartition } from "./mbr.ts";

export interface Volume {
  /** "partition 1", "whole disk", "offset 1048576". */
  readonly name: string;
  /** The partition's number, from 1; null when it is none. */
  readonly number: number | null;
  readonly active: boolean;
  /** What the table says of it: "Linux"; the number in hexadecimal where it has no well-known name. */
  readonly type: string;
  readonly source: ByteSource;
}

export interface VolumeTable {
  readonly table: "mbr" | "none";
  /** The active partition first, then in the order of the table. */
  readonly volumes: readonly Volume[];
  /** What was strange, for the admin. */
  readonly notes: readonly string[];
}

export interface VolumeOptions {
  /** Bytes of a sector; 512 unless the disk says otherwise. */
  readonly sectorSize?: number;
  /** Where the only filesystem starts, in bytes; no table is read then. */
  readonly offset?: number;
}

/** Well-known values of a partition's type byte. */
const TYPE_NAMES: Readonly<Record<number, string>> = {
  0x01: "FAT12",
  0x04: "FAT16",
  0x06: "FAT16",
  0x07: "NTFS",
  0x0b: "FAT32",
  0x0c: "FAT32",
  0x0e: "FAT16",
  0x82: "Linux swap",
  0x83: "Linux",
  0x8e: "Linux LVM",
  0xa5: "FreeBSD",
  0xa6: "OpenBSD",
  0xa9: "NetBSD",
  0xbf: "Solaris",
  0xef: "EFI system",
  0xfd: "Linux RAID",
};

/** @throws OUT_OF_BOUNDS when the offset is past the disk's end; DISK_UNREADABLE */
export function readVolumes(source: ByteSource, options: VolumeOptions = {}): VolumeTable {
  const { offset, sectorSize = 512 } = options;
  if (offset !== undefined) return tableless(volumeAt(source, offset));
  const mbr = readMbr(source, sectorSize);
  if (mbr === null) return tableless({ ...volumeAt(source, 0), name: "whole disk" });
  const notes = [...mbr.notes];
  const volumes = mbr.partitions.map((partition) => volumeOf(partition, source, sectorSize, notes));
  const there = volumes.filter((volume) => volume !== null);
  return { table: "mbr", volumes: there.sort((a, b) => Number(b.active) - Number(a.active)), notes };
}

function tableless(volume: Volume): VolumeTable {
  return { table: "none", volumes: [volume], notes: [] };
}

function volumeAt(source: ByteSource, offset: number): Volume {
  if (offset >= source.size) {
    throw new GuestbootError("OUT_OF_BOUNDS", `the offset ${offset} is past the disk's end at ${source.size}`);
  }
  const name = `offset ${offset}`;
  return {
    name,
    number: null,
    active: false,
    type: "",
    source: sliceSource(source, offset, source.size - offset, name),
  };
}

function volumeOf(partition: MbrPartition, disk: ByteSource, sectorSize: number, notes: string[]): Volume | null {
  const name = `partition ${partition.number}`;
  if (partition.type === TYPE_GPT_PROTECTIVE) {
    notes.push("the disk has a GPT, which cannot be read yet");
    return null;
  }
  const start = partition.start * sectorSize;
  if (start >= disk.size) {
    notes.push(`${name} begins past the disk's end`);
    return null;
  }
  const size = partition.count * sectorSize;
  if (size > disk.size - start) notes.push(`${name} reaches past the disk's end`);
  return {
    name,
    number: partition.number,
    active: partition.active,
    type: TYPE_NAMES[partition.type] ?? `0x${partition.type.toString(16).padStart(2, "0")}`,
    source: sliceSource(disk, start, Math.min(size, disk.size - start), name),
  };
}
