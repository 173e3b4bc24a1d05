/** An overlay from whatever an admin names: a folder, a cpio archive (plain or compressed), a zip. */
import * as fs from "node:fs";
import { GuestbootError, systemReason } from "../base/errors.ts";
import { openDisk } from "../disk/open-disk.ts";
import { overlayFromArchive } from "../initrd/overlay-archive.ts";
import { overlayFromFolder } from "../initrd/overlay-folder.ts";
import type { Overlay } from "../initrd/overlay.ts";

export interface OpenOverlay extends Disposable {
  /** Usable until it is closed. */
  readonly overlay: Overlay;
}

/** @throws GuestbootError OVERLAY_INVALID, ARCHIVE_DAMAGED, and as the readers of each kind */
export async function openOverlay(path: string, signal?: AbortSignal): Promise<OpenOverlay> {
  if (isFolder(path)) return { overlay: overlayFromFolder(path), [Symbol.dispose]: () => undefined };
  const file = openDisk(path);
  try {
    const { source } = file;
    if (source.size >= ZIP_MAGIC.length && ZIP_MAGIC.equals(source.read(0, ZIP_MAGIC.length))) {
      const { overlayFromZip } = await import("./overlay-zip.ts");
      const overlay = await overlayFromZip(path);
      file[Symbol.dispose]();
      return { overlay, [Symbol.dispose]: () => undefined };
    }
    const overlay = await overlayFromArchive(source, path, signal);
    return { overlay, [Symbol.dispose]: () => file[Symbol.dispose]() };
  } catch (error) {
    file[Symbol.dispose]();
    throw error;
  }
}

/** APPNOTE, section 4.3.7. */
const ZIP_MAGIC = Buffer.from("PK\x03\x04", "latin1");

function isFolder(path: string): boolean {
  try {
    return fs.statSync(path).isDirectory();
  } catch (error) {
    throw new GuestbootError("OVERLAY_INVALID", `the overlay ${path} cannot be read: ${systemReason(error)}`, {
      cause: error,
      hint: `ls -ld ${path}`,
    });
  }
}
