/**
 * A guest's disk for other programs: its volumes, their filesystems, and what it would boot.
 */
import * as fs from "node:fs";
import type { ByteSource } from "../base/byte-source.ts";
import { openDisk as openImage } from "../disk/open-disk.ts";
import { readVolumes } from "../disk/volumes.ts";
import { openFolder } from "../filesystem/folder.ts";
import type { GuestFilesystem } from "../filesystem/filesystem.ts";
import { describeBootEntries, type BootEntriesJson } from "../pipeline/boot-entries.ts";
import { findConfig, folderPlace, placesOf, type BootPlace, type BootSearch } from "../pipeline/find-boot.ts";

export interface DiskOptions {
  /** Where the only filesystem starts, in bytes; the partition table tells when not given. */
  readonly offset?: number | undefined;
}

/** A partition, a logical volume, or a whole disk without a table. */
export interface DiskVolume {
  /** "partition 1", "whole disk", "lvm vg/root". */
  readonly name: string;
  /** The partition's number, from 1; null when it is none. */
  readonly number: number | null;
  /** `PARTUUID`, in lower case; null when it has none. */
  readonly partitionUuid: string | null;
  /** Opened when it is first asked for. @throws GuestbootError NO_FILESYSTEM, FILESYSTEM_DAMAGED, FEATURE_UNSUPPORTED */
  filesystem(): GuestFilesystem;
}

/** An open disk; it is closed by `using` or `disk[Symbol.dispose]()`, and what was opened on it is of no use then. */
export interface GuestDisk extends Disposable {
  readonly path: string;
  /** The bytes of the block device or of the file, as they are: of a VHD those of the VHD. */
  readonly source: ByteSource;
  /** In the loader's order: the active partition first. Those that cannot be read come last. */
  readonly volumes: readonly DiskVolume[];
  /** What an admin should know about how the disk was read, a sentence each. */
  readonly notes: readonly string[];
  /** What it would boot. @throws GuestbootError NO_BOOT_CONFIG, NO_BOOT_ENTRY, and as reading the filesystems */
  bootEntries(): BootEntriesJson;
}

/**
 * Opens a block device, or a file that holds a raw disk, a VHD or a QCOW2. The guest should not be writing to it.
 *
 * @throws GuestbootError DISK_UNREADABLE, IMAGE_DAMAGED, OUT_OF_BOUNDS for an offset past the disk's end
 */
export function openDisk(path: string, { offset }: DiskOptions = {}): GuestDisk {
  using opening = new DisposableStack();
  const { source, sectorSize } = opening.use(openImage(path));
  const table = readVolumes(source, offset === undefined ? { sectorSize } : { sectorSize, offset });
  const places = placesOf(table);
  const kept = opening.move();
  return {
    path,
    source,
    volumes: places.map(volumeOf),
    notes: table.notes,
    bootEntries: () => bootEntriesOf({ disk: path, vm: null, places, notes: table.notes }),
    [Symbol.dispose]: () => kept.dispose(),
  };
}

/**
 * The boot entries of a disk, and the one that would boot; in the shape that `guestboot entries --json` prints.
 *
 * @param path of a block device or an image; or of a folder that stands for the root of a guest's filesystem
 * @throws GuestbootError as `openDisk` and `GuestDisk.bootEntries`
 */
export function readBootEntries(path: string, options: DiskOptions = {}): BootEntriesJson {
  if (fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) {
    return bootEntriesOf({ disk: path, vm: null, places: [folderPlace(openFolder(path))], notes: [] });
  }
  using disk = openDisk(path, options);
  return disk.bootEntries();
}

function bootEntriesOf(search: BootSearch): BootEntriesJson {
  const { path, config, place, filesystem } = findConfig(search);
  return describeBootEntries({ path, config, volume: place.name, filesystem: filesystem.type });
}

function volumeOf(place: BootPlace): DiskVolume {
  const { name, number, partitionUuid } = place;
  return { name, number, partitionUuid, filesystem: () => place.filesystem() };
}
