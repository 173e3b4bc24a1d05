/**
 * What a disk is taken apart into: volumes that can be read, and those that cannot, with the reason.
 */
import type { ByteSource } from "../base/byte-source.ts";

export type VolumeKind = "partition" | "slice" | "logical volume" | "whole disk" | "offset";

export type TableKind = "gpt" | "mbr" | "bsd" | "solaris" | "none";

/** Where a volume is named: a partition table, LVM's metadata, or nowhere. */
export type VolumeOrigin = TableKind | "lvm";

/** What is known of a volume besides its bytes. */
export interface VolumeDescription {
  /** "partition 1", "partition 2, slice a", "lvm VG/LV", "whole disk", "offset 1048576". */
  readonly name: string;
  readonly kind: VolumeKind;
  readonly table: VolumeOrigin;
  /** The partition's number, from 1 (a slice has its partition's); null when it is none. */
  readonly number: number | null;
  readonly active: boolean;
  /** What the table says that it is: "Linux"; the number or GUID where that has no well-known name, "" without one. */
  readonly typeName: string;
  /** As Linux writes PARTUUID: a GPT's GUID in lower case, or an MBR's "xxxxxxxx-NN". */
  readonly partitionUuid: string | null;
  /** A GPT's name of the partition (PARTLABEL). */
  readonly partitionLabel: string | null;
  /** What had to be seen through to read it, outermost first: "Linux RAID 1". */
  readonly inside: readonly string[];
}

export interface Volume extends VolumeDescription {
  readonly source: ByteSource;
}

/** A volume that is there and cannot be read. */
export interface RefusedVolume extends VolumeDescription {
  /** Why, in words for the admin: "it is encrypted (LUKS 2)". */
  readonly why: string;
}

/** A volume without its bytes. */
export function descriptionOf(volume: VolumeDescription): VolumeDescription {
  const { name, kind, table, number, active, typeName, partitionUuid, partitionLabel, inside } = volume;
  return { name, kind, table, number, active, typeName, partitionUuid, partitionLabel, inside };
}

export interface VolumeTable {
  /** "raw", or the format of the image that the disk is kept in. */
  readonly image: "raw" | "vhd" | "qcow2";
  readonly table: TableKind;
  /** Bytes of a sector, in which the table counts; where the disk did not say, as it was found out. */
  readonly sectorSize: number;
  /** In the order in which a loader asks them: the active partition first, then as in the table, then LVM's. */
  readonly volumes: readonly Volume[];
  readonly refused: readonly RefusedVolume[];
  /** What was strange, for the admin. */
  readonly notes: readonly string[];
}

export interface VolumeOptions {
  /** Bytes of a sector; 512 unless the disk says otherwise. An image file that needs 4096 is recognised. */
  readonly sectorSize?: number;
  /** Where the only filesystem starts, in bytes; no table is read then. */
  readonly offset?: number;
}
