/**
 * A path in a guest, on the volume that a person names or on the first that has it.
 */
import { asGuestbootError, GuestbootError } from "../base/errors.ts";
import { quote } from "../base/printable.ts";
import type { FilesystemNode, GuestFilesystem } from "../filesystem/filesystem.ts";
import type { BootPlace, BootSearch } from "./find-boot.ts";
import { deviceNames } from "./mount-points.ts";

export interface GuestPath {
  readonly place: BootPlace;
  readonly filesystem: GuestFilesystem;
  readonly path: string;
  readonly node: FilesystemNode;
}

/**
 * @param volume its name ("lvm vg/root", also "vg/root" or "/dev/vg/root"), its partition's number, UUID or label, or the
 *   UUID or label of its filesystem; null: the first in the loader's order that has the path
 * @throws FILE_MISSING saying of each volume why it is not that; NO_FILESYSTEM where no volume is called so
 */
export function findInGuest(search: BootSearch, volume: string | null, path: string): GuestPath {
  const absolute = path.startsWith("/") ? path : `/${path}`;
  const reasons: string[] = [];
  for (const place of search.places) {
    try {
      if (volume !== null && !isCalled(place, volume)) continue;
      const filesystem = place.filesystem();
      const node = filesystem.find(absolute);
      if (node !== null) return { place, filesystem, path: absolute, node };
      reasons.push(`${place.name} (${filesystem.type}) has no such path`);
    } catch (thrown) {
      const error = asGuestbootError(thrown);
      if (error.code === "INTERNAL") throw error;
      reasons.push(`${place.name}: ${error.message}`);
    }
  }
  const names = search.places.map(({ name }) => name).join(", ");
  if (volume !== null && reasons.length === 0) {
    throw new GuestbootError("NO_FILESYSTEM", `${search.disk} has no volume ${quote(volume)}; it has: ${names}`);
  }
  throw new GuestbootError(
    "FILE_MISSING",
    `${quote(absolute)} is not on ${search.disk}: ${[...reasons, ...search.notes].join("; ") || "it has no volume"}`,
    { hint: `guestboot inspect ${search.disk}` },
  );
}

function isCalled(place: BootPlace, volume: string): boolean {
  if (place.name === volume || String(place.number) === volume) return true;
  if (place.partitionUuid === volume.toLowerCase() || place.partitionLabel === volume) return true;
  if (place.name === `lvm ${volume}` || deviceNames(place.name).includes(volume)) return true;
  // By what is on it only where its place does not say: opening a filesystem may fail.
  if (/^\d+$/.test(volume)) return false;
  const { uuid, label } = place.filesystem();
  return uuid?.toLowerCase() === volume.toLowerCase() || label === volume;
}
