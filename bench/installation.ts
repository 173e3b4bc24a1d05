/**
 * A start of Debian's installation as a toolstack begins it, for the rows that measure one: a record, a cache, a boot
 * directory, and a mirror that is signed as a real one is.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { makeDebianMirror } from "../fixtures/debian-installer.ts";
import { startNginx, type Nginx } from "../fixtures/nginx.ts";
import { installRecord, VM, writeRecord } from "../test/acceptance/vm-records.ts";
import { Gpg } from "../test/trust/gpg.ts";
import type { Command } from "./measure.ts";
import type { Setting } from "./row.ts";
import { signMirror } from "./signed-mirror.ts";

/** The web server of a mirror with that installer, signed by somebody whose key this host does not hold. */
export async function serveSignedMirror(root: string, files: Setting["installer"]): Promise<Nginx> {
  makeDebianMirror(root, files);
  using gpg = new Gpg();
  signMirror(root, gpg, gpg.makeKey("archive"));
  return await startNginx({ root });
}

export interface InstallationPlace {
  readonly dist: string;
  /** Where the record, the cache and the boot directory are. */
  readonly folder: string;
  /** The mirror's address. */
  readonly url: string;
}

/** What all starts there are told. */
export function settingsOf({ folder }: InstallationPlace): string[] {
  return [
    `GUESTBOOT_STATE_DIR=${path.join(folder, "state")}`,
    `GUESTBOOT_CACHE_DIR=${path.join(folder, "cache")}`,
    `GUESTBOOT_BOOT_DIR=${path.join(folder, "boots")}`,
  ];
}

/** A start whose files stay in the cache for the next one. @param settings as `NAME=value` */
export function warmStart(place: InstallationPlace, name: string, settings: readonly string[] = []): Command {
  const { dist, folder, url } = place;
  const tidy = () => {
    fs.rmSync(path.join(folder, "boots"), { recursive: true, force: true });
    writeRecord(path.join(folder, "state"), installRecord(url));
  };
  tidy();
  const eliloader = [path.join(dist, "eliloader"), "-q", "--vm", VM, "/dev/null"];
  return { name, argv: ["/usr/bin/env", ...settingsOf(place), ...settings, ...eliloader], tidy };
}
