/**
 * Pins: names in `pinned/` for content that a toolstack uses through a symbolic link. The pin keeps the bytes when the
 * store lets go of them, and is let go itself once the toolstack has removed its link.
 */
import { linkSync, mkdirSync, readlinkSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { namesIn } from "./content.ts";
import { isSystemError } from "../base/errors.ts";
import { removeIfThere } from "./temporary.ts";

/** A file name has at most 255 bytes (NAME_MAX of Linux). */
const LONGEST_NAME = 255;

/**
 * Makes `target` a symbolic link to a pin for the content file `object`.
 * @returns false where that cannot be done, and nothing was made
 * @throws the system's errors for `target`: EEXIST, ENOENT, EACCES
 */
export function pinAndLink(storeFolder: string, object: string, target: string): boolean {
  const name = encodeURIComponent(target);
  if (name.length > LONGEST_NAME) return false;
  const pin = join(storeFolder, "pinned", name);
  // The link first: a pin without its link is anybody's to remove.
  symlinkSync(pin, target);
  try {
    mkdirSync(join(storeFolder, "pinned"), { recursive: true, mode: 0o755 });
    if (isPinned(pin, target)) removeIfThere(pin);
    linkSync(object, pin);
    return true;
  } catch (error) {
    removeIfThere(target);
    if (isSystemError(error, "EPERM", "EMLINK", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EACCES", "EROFS", "EXDEV")) {
      return false;
    }
    throw error;
  }
}

/** Removes the pins whose links are gone. */
export function sweepPins(storeFolder: string): void {
  const folder = join(storeFolder, "pinned");
  for (const name of namesIn(folder)) {
    const target = decoded(name);
    const pin = join(folder, name);
    if (target !== null && !isPinned(pin, target)) removeIfThere(pin);
  }
}

function isPinned(pin: string, target: string): boolean {
  try {
    return readlinkSync(target) === pin;
  } catch (error) {
    // A folder that cannot be read now may well hold the link.
    return !isSystemError(error, "ENOENT", "EINVAL", "ENOTDIR");
  }
}

function decoded(name: string): string | null {
  try {
    return decodeURIComponent(name);
  } catch {
    return null;
  }
}
