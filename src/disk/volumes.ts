/**
 * From a disk to the volumes on it, in the order in which a loader asks them: through the image that it is kept in,
 * its partition table, and whatever lies inside a partition that is no filesystem yet (RAID, LVM, slices).
 *
 * Not here: which filesystem a volume holds, and guests' other disks.
 */
import { sliceSource, type ByteSource } from "../base/byte-source.ts";
import { GuestbootError } from "../base/errors.ts";
import { limitedSource } from "../base/limits.ts";
import { printable } from "../base/printable.ts";
import { contentsOf } from "./contents.ts";
import { openImage } from "./image/open-image.ts";
import { readLogicalVolumes, type FoundPhysicalVolume } from "./lvm/volume-groups.ts";
import type { Partition } from "./partition.ts";
import { readPartitionTable, type DiskTable } from "./partition-table.ts";
import type { Slice } from "./slice.ts";
import {
  descriptionOf,
  type RefusedVolume,
  type TableKind,
  type Volume,
  type VolumeOptions,
  type VolumeTable,
} from "./volume.ts";

export type {
  RefusedVolume,
  TableKind,
  Volume,
  VolumeDescription,
  VolumeKind,
  VolumeOptions,
  VolumeTable,
} from "./volume.ts";

const SECTOR_SIZE = 512;
/** A RAID of a partition that holds a table with LVM in it: more than any guest has. */
const MAX_DEPTH = 4;
/** Tables inside tables, which may overlap, could name any number of volumes. */
const MAX_VOLUMES = 4096;

/**
 * All that is read through it counts to the limits of reading.
 * @throws OUT_OF_BOUNDS when the offset is past the disk's end; FEATURE_UNSUPPORTED, IMAGE_DAMAGED of an image that
 *   holds the disk; DISK_UNREADABLE
 */
export function readVolumes(source: ByteSource, options: VolumeOptions = {}): VolumeTable {
  const { offset, sectorSize = SECTOR_SIZE } = options;
  const image = openImage(limitedSource(source));
  const search: Search = { volumes: [], refused: [], physical: [], notes: [...image.notes], looked: 0 };
  const table = offset === undefined ? readPartitionTable(image.source, sectorSize) : null;
  if (table === null) {
    lookInto(search, offset === undefined ? wholeDisk(image.source) : volumeAt(image.source, offset), 0, 0);
  } else {
    lookIntoTable(search, wholeDisk(image.source), table, 0);
  }
  addLogicalVolumes(search);
  return {
    image: image.format,
    table: table?.kind ?? sliceTable(search),
    sectorSize: table?.sectorSize ?? sectorSize,
    volumes: search.volumes,
    refused: search.refused,
    notes: search.notes,
  };
}

interface Search {
  readonly volumes: Volume[];
  readonly refused: RefusedVolume[];
  readonly physical: FoundPhysicalVolume[];
  readonly notes: string[];
  /** Volumes that were looked into. */
  looked: number;
}

/** The table of a disk that has a label for slices and no partitions. */
function sliceTable({ volumes }: Search): TableKind {
  const table = volumes.find(({ kind, number }) => kind === "slice" && number === null)?.table;
  return table === "bsd" || table === "solaris" ? table : "none";
}

function wholeDisk(source: ByteSource): Volume {
  return { ...UNNAMED, name: "whole disk", kind: "whole disk", source };
}

function volumeAt(disk: ByteSource, offset: number): Volume {
  if (offset >= disk.size) {
    throw new GuestbootError("OUT_OF_BOUNDS", `the offset ${offset} is past the disk's end at ${disk.size}`);
  }
  const name = `offset ${offset}`;
  return { ...UNNAMED, name, kind: "offset", source: sliceSource(disk, offset, disk.size - offset, name) };
}

const UNNAMED = {
  table: "none",
  number: null,
  active: false,
  typeName: "",
  partitionUuid: null,
  partitionLabel: null,
  inside: [],
} as const;

/**
 * Adds what the volume is, or what is in it.
 * @param start where it begins, in bytes, on what its table counts in
 */
function lookInto(search: Search, volume: Volume, start: number, depth: number): void {
  search.looked += 1;
  if (search.looked > MAX_VOLUMES) {
    if (search.looked === MAX_VOLUMES + 1)
      search.notes.push(`more than ${MAX_VOLUMES} volumes: the others are not read`);
    return;
  }
  if (depth > MAX_DEPTH) {
    refuse(search, volume, `it lies in more than ${MAX_DEPTH} others`);
    return;
  }
  const contents = contentsOf(volume.source, { start, typeName: volume.typeName });
  switch (contents.kind) {
    case "plain":
      search.volumes.push(volume);
      break;
    case "refused":
      refuse(search, volume, contents.why);
      break;
    case "physical volume":
      search.physical.push({ volume, physicalVolume: contents.physicalVolume });
      break;
    case "member": {
      const array = { ...volume, source: contents.source, inside: [...volume.inside, contents.what] };
      const table = readPartitionTable(array.source, SECTOR_SIZE);
      if (table === null) lookInto(search, array, start, depth + 1);
      else lookIntoTable(search, array, table, depth + 1);
      break;
    }
    case "slices":
      addSlices(search, volume, contents.table, contents.slices);
  }
}

function refuse(search: Search, volume: Volume, why: string): void {
  search.refused.push({ ...descriptionOf(volume), why });
}

/** @param disk what the table is of: a disk, or an array that is partitioned as one */
function lookIntoTable(search: Search, disk: Volume, table: DiskTable, depth: number): void {
  search.notes.push(...table.notes);
  if (table.wholeDisk === "first") search.volumes.push(disk);
  for (const partition of table.partitions) {
    const volume = partitionVolume(search, disk, table, partition);
    if (volume !== null) lookInto(search, volume, partition.start, depth);
  }
  if (table.wholeDisk === "last") search.volumes.push(disk);
}

function partitionVolume(search: Search, disk: Volume, table: DiskTable, partition: Partition): Volume | null {
  const name = `${disk.kind === "whole disk" ? "" : `${disk.name}, `}partition ${partition.number}`;
  const { start, size, active, number, typeName } = partition;
  if (start >= disk.source.size) {
    search.notes.push(`${name} begins past the disk's end`);
    return null;
  }
  if (size === 0) {
    search.notes.push(`${name} ends before it begins`);
    return null;
  }
  const available = disk.source.size - start;
  if (size > available) search.notes.push(`${name} reaches past the disk's end`);
  return {
    name,
    kind: "partition",
    table: table.kind,
    number,
    active,
    typeName: printable(typeName),
    partitionUuid: partition.uuid,
    partitionLabel: partition.label,
    inside: disk.inside,
    source: sliceSource(disk.source, start, Math.min(size, available), name),
  };
}

/** What lies outside of the volume is another's: OpenBSD names the MBR's other partitions in its label, too. */
function addSlices(search: Search, volume: Volume, table: "bsd" | "solaris", slices: readonly Slice[]): void {
  const inside = slices.filter(({ start, size }) => start >= 0 && start + size <= volume.source.size);
  if (inside.length < slices.length) search.notes.push(`${volume.name}: a slice reaches out of it and is left out`);
  if (inside.length === 0) search.volumes.push(volume);
  for (const slice of inside) {
    const name = `${volume.kind === "whole disk" ? "" : `${volume.name}, `}slice ${slice.name}`;
    search.volumes.push({
      ...volume,
      name,
      kind: "slice",
      table,
      typeName: slice.typeName,
      source: sliceSource(volume.source, slice.start, slice.size, name),
    });
  }
}

/** A group may lie on volumes of another group, but not on its own: each round opens what the last has found. */
function addLogicalVolumes(search: Search): void {
  for (let depth = 0; depth < MAX_DEPTH && search.physical.length > 0; depth++) {
    const found = readLogicalVolumes(search.physical.splice(0));
    search.notes.push(...found.notes);
    search.refused.push(...found.refused);
    for (const volume of found.volumes) lookInto(search, volume, 0, depth + 1);
  }
}
