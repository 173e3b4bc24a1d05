/**
 * The whole picture of a guest's disk: its partition table, its volumes, what each holds, and what would boot.
 */
import { asGuestbootError } from "../base/errors.ts";
import type { TableKind, VolumeDescription } from "../disk/volumes.ts";
import type { GuestFilesystem } from "../filesystem/filesystem.ts";
import { findBoot, type BootPlace } from "./find-boot.ts";
import type { OpenGuest } from "./open-guest.ts";

export interface InspectedDisk {
  readonly kind: "disk";
  /** Bytes; null for a folder. */
  readonly size: number | null;
  /** The format that the disk is kept in: raw, vhd, qcow2; "folder" for a folder. */
  readonly image: string;
  readonly table: TableKind;
  /** Bytes; null for a folder. */
  readonly sectorSize: number | null;
  readonly volumes: readonly InspectedVolume[];
  /** What would boot. */
  readonly boots: InspectedBoot | null;
  /** Why nothing would; null where something does. */
  readonly bootsNot: string | null;
  readonly notes: readonly string[];
}

export interface InspectedVolume extends VolumeDescription {
  /** Bytes; null where it cannot be read. */
  readonly size: number | null;
  readonly filesystem: InspectedFilesystem | null;
  /** Why no filesystem of it can be read; null where one can. */
  readonly why: string | null;
  readonly notes: readonly string[];
}

export interface InspectedFilesystem {
  readonly type: string;
  readonly uuid: string | null;
  readonly label: string | null;
  /** The features that it is made with, by the names of its own tools; empty where its reader tells none. */
  readonly features: readonly string[];
}

export interface InspectedBoot {
  /** The volume that the config lies on. */
  readonly volume: string;
  readonly config: string;
  readonly syntax: string;
  readonly title: string;
  readonly kernel: string;
  readonly ramdisks: readonly string[];
  readonly arguments: string;
}

export function inspectDisk({ search, table, size }: OpenGuest): InspectedDisk {
  const described = [...(table?.volumes ?? []), ...(table?.refused ?? [])];
  const volumes = search.places.map((place) => {
    const volume = described.find(({ name }) => name === place.name) ?? folderVolume(place.name);
    const bytes = "source" in volume ? (volume as { readonly source: { readonly size: number } }).source.size : null;
    return inspectVolume(volume, place, bytes);
  });
  return {
    kind: "disk",
    size,
    image: table?.image ?? "folder",
    table: table?.table ?? "none",
    sectorSize: table?.sectorSize ?? null,
    volumes,
    ...bootOf(search),
    notes: search.notes,
  };
}

function inspectVolume(volume: VolumeDescription, place: BootPlace, size: number | null): InspectedVolume {
  const { name, kind, table, number, active, typeName, partitionUuid, partitionLabel, inside } = volume;
  const description = { name, kind, table, number, active, typeName, partitionUuid, partitionLabel, inside, size };
  try {
    const filesystem = place.filesystem();
    return { ...description, filesystem: plain(filesystem), why: null, notes: filesystem.notes };
  } catch (thrown) {
    const error = asGuestbootError(thrown);
    if (error.code === "INTERNAL") throw error;
    return { ...description, filesystem: null, why: error.message, notes: [] };
  }
}

function plain({ type, uuid, label, features = [] }: GuestFilesystem): InspectedFilesystem {
  return { type, uuid, label, features };
}

function folderVolume(name: string): VolumeDescription {
  return {
    name,
    kind: "whole disk",
    table: "none",
    number: null,
    active: false,
    typeName: "",
    partitionUuid: null,
    partitionLabel: null,
    inside: [],
  };
}

function bootOf(search: OpenGuest["search"]): Pick<InspectedDisk, "boots" | "bootsNot"> {
  try {
    const { place, path, config, entry } = findBoot(search, null);
    const boots = {
      volume: place.name,
      config: path,
      syntax: config.syntax,
      title: entry.title,
      kernel: entry.kernel.path,
      ramdisks: entry.ramdisks.map((ramdisk) => ramdisk.path),
      arguments: entry.arguments,
    };
    return { boots, bootsNot: null };
  } catch (thrown) {
    const error = asGuestbootError(thrown);
    if (error.code === "INTERNAL") throw error;
    return { boots: null, bootsNot: error.message };
  }
}
