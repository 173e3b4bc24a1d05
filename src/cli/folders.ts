/**
 * Where things live, from the settings and the place that the program was started from.
 */
import { checkoutCache } from "../base/program.ts";
import type { Settings } from "../base/settings.ts";

/** xenopsd accepts boot files from these two folders only. */
export const ELILOADER_BOOT_FOLDER = "/var/run/xend/boot";
export const PYGRUB_BOOT_FOLDER = "/var/run/xen/pygrub";

const CACHE_FOLDER = "/var/cache/guestboot";

export function cacheFolderOf(settings: Settings): string {
  return settings.cacheFolder ?? checkoutCache() ?? CACHE_FOLDER;
}
