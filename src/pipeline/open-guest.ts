/**
 * A guest's disk for those who look into it and change nothing: opened, and all rights given up before its first byte
 * is looked at. A folder stands for the root of a guest's filesystem.
 */
import { isFolder } from "../disk/is-folder.ts";
import { openDisk } from "../disk/open-disk.ts";
import { readVolumes, type VolumeTable } from "../disk/volumes.ts";
import { openFolder } from "../filesystem/folder.ts";
import { confine } from "./confine.ts";
import { folderPlace, placesOf, type BootSearch } from "./find-boot.ts";

export interface OpenGuest extends Disposable {
  readonly search: BootSearch;
  /** What the disk is taken apart into; null for a folder. */
  readonly table: VolumeTable | null;
  /** Bytes of the disk; null for a folder. */
  readonly size: number | null;
}

export interface OpenGuestOptions {
  /** Where the only filesystem starts, in bytes; null: the partition table tells. */
  readonly offset?: number | null;
  /** The user to become, or null. */
  readonly uid?: number | null;
}

/**
 * Gives up all rights on the way: nothing can be opened after it.
 * @throws DISK_UNREADABLE, CONFINEMENT_FAILED; OUT_OF_BOUNDS for an offset past the disk's end
 */
export function openGuest(path: string, { offset = null, uid = null }: OpenGuestOptions = {}): OpenGuest {
  if (isFolder(path)) {
    const filesystem = openFolder(path);
    confine({ uid, keep: "fs.read" });
    const search = { disk: path, vm: null, places: [folderPlace(filesystem)], notes: [] };
    return { search, table: null, size: null, [Symbol.dispose]: () => undefined };
  }
  using opening = new DisposableStack();
  const disk = opening.use(openDisk(path));
  confine({ uid });
  const table = readVolumes(disk.source, { sectorSize: disk.sectorSize, ...(offset === null ? {} : { offset }) });
  const kept = opening.move();
  return {
    search: { disk: path, vm: null, places: placesOf(table), notes: table.notes },
    table,
    size: disk.source.size,
    [Symbol.dispose]: () => kept.dispose(),
  };
}
