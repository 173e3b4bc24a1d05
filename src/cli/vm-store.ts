/**
 * Which store a VM of an admin's command is in: a guest's own file where one is named, else the host's; and which VMs
 * start from a folder of pre-staged files.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { asGuestbootError } from "../base/errors.ts";
import type { Settings } from "../base/settings.ts";
import type { FindUsers } from "../pipeline/prestage.ts";
import { openRecordStore, xapiLogin, type OpenRecordStore } from "../toolstack/choose-store.ts";
import { isGuestFile, openGuestStore } from "../toolstack/guest-store.ts";

export interface VmStore extends Omit<OpenRecordStore, "recover"> {
  /** Has a record a place for what is no boot field: `other_config`? A guest's file has none. */
  readonly hasOtherConfig: boolean;
}

const MOST_VMS = 100_000;

/** @throws as `openRecordStore` */
export async function openVmStore(id: string, settings: Settings): Promise<VmStore> {
  if (!isGuestFile(id)) return { ...(await openRecordStore(settings)), hasOtherConfig: true };
  return { ...openGuestStore(id), hasOtherConfig: false, [Symbol.asyncDispose]: () => Promise.resolve() };
}

/** How a VM is noted beside an image, so that its record is found again. */
export function notedName(id: string, uuid: string): string {
  return isGuestFile(id) ? fs.realpathSync(id) : uuid;
}

/**
 * Looks at the VMs that were noted, and at all those whose records are files. A record that cannot be read now counts
 * as one that uses the folder.
 */
export function findUsersWith(settings: Settings): FindUsers {
  return async (folder, noted) => {
    const filed = xapiLogin(settings.toolstack) === null ? recordFiles(settings.stateFolder) : [];
    const ids = [...new Set([...noted, ...filed])];
    const users: string[] = [];
    for (const id of ids.slice(0, MOST_VMS)) {
      if (id.includes("/") && !fs.existsSync(id)) continue;
      await using records = await openVmStore(id, settings);
      try {
        const record = await records.read(id);
        if ([record.PV_kernel, record.PV_ramdisk].some((file) => isBelow(file, folder))) users.push(id);
      } catch (thrown) {
        if (asGuestbootError(thrown).code !== "VM_UNKNOWN" && noted.includes(id)) users.push(id);
      }
    }
    return users;
  };
}

function recordFiles(stateFolder: string): string[] {
  try {
    const names = fs.readdirSync(path.join(stateFolder, "vms"));
    return names.flatMap((name) => /^([0-9a-f-]{36})\.json$/.exec(name)?.[1] ?? []);
  } catch {
    return [];
  }
}

/** Also through the image's own name, which is a link. */
function isBelow(file: string, folder: string): boolean {
  if (file === "") return false;
  if (file.startsWith(`${folder}/`)) return true;
  try {
    return fs.realpathSync(file).startsWith(`${fs.realpathSync(folder)}/`);
  } catch {
    return false;
  }
}
