/**
 * Restarting an installation: what admins had to type by hand, as changes to the record.
 */
import { GuestbootError } from "../base/errors.ts";
import { readInstallRequest } from "../distro/install-request.ts";
import { applyChanges } from "../toolstack/apply-changes.ts";
import type { VirtualBlockDevice, VmRecord } from "../toolstack/vm-record.ts";
import type { SettingChange } from "./dry-run.ts";
import { endingJournal, formerValue, readJournal, rememberedValue, type Journal } from "./journal.ts";
import { bootableChanges, isFromCdrom } from "./plan.ts";
import { fieldChanges, formerFields, keyChange } from "./record-fields.ts";

/**
 * The changes after which the next start is the first round again. What we have changed, and nobody since, is as it was
 * before: after an installation that its journal knows, that is the record from before it, but for a disk that was
 * taken away. What an admin has set meanwhile is left alone.
 *
 * Of an installation that no journal knows, the last round removed `install-distro`; where the record still tells the
 * family (only Debian's kind has `debian-release`), nobody needs to name it.
 *
 * The journal ends with that: what a later start changes, it changes of this record.
 *
 * @param family the family, where the admin names it; or null
 * @throws VM_INVALID when the record no longer tells the family; INVALID_SOURCE when it has no repository
 */
export function planReinstall(record: VmRecord, family: string | null): SettingChange[] {
  const journal = readJournal(record);
  const request = readInstallRequest({ ...record.other_config, "install-round": "1" }, record.uuid);
  const before = asBefore(record, journal);
  const isKnown = journal.size > 0 && isInstalling(before);
  const distro = family ?? familyOf(before, journal, isKnown);
  if (distro === undefined) {
    throw new GuestbootError("VM_INVALID", `VM ${record.uuid}: the record does not tell which distribution it was`, {
      hint: `guestboot vm reinstall ${record.uuid} --distro FAMILY`,
    });
  }
  const { PV_kernel, PV_ramdisk, PV_args } = before;
  const loader = installingLoader(before, journal);
  const PV_bootloader_args = withoutSecondRounds(before.PV_bootloader_args);
  // Templates say the first round or say nothing, which means the same: as it was.
  const round = before.other_config["install-round"] === "1" ? "1" : null;
  return endingJournal(record, [
    ...fieldChanges(record, { PV_kernel, PV_ramdisk, PV_args, PV_bootloader_args, PV_bootloader: loader }),
    ...keyChange(record, "install-distro", distro),
    ...keyChange(record, "install-round", round),
    ...bootableChanges(record, bootableIn(before, isFromCdrom(request) && !isKnown)),
  ]);
}

/** The record without what we have changed in it. */
function asBefore(record: VmRecord, journal: Journal): VmRecord {
  const fields = ["PV_kernel", "PV_ramdisk", "PV_args", "PV_bootloader_args", "PV_bootloader"] as const;
  const keys = ["install-distro", "install-round"].flatMap((key) => {
    const was = formerValue(record, journal, `other_config:${key}`);
    return was === undefined || typeof was === "boolean" ? [] : keyChange(record, key, was);
  });
  const bootable = bootableChanges(record, (vbd) => {
    return (formerValue(record, journal, `bootable:${vbd.userdevice}`) ?? vbd.bootable) === true;
  });
  return applyChanges(record, [...fieldChanges(record, formerFields(record, journal, fields)), ...keys, ...bootable]);
}

/** Does its own loader install it? Where no loader is named, `guestboot boot` does. */
function isInstalling({ PV_bootloader, PV_kernel, other_config }: VmRecord): boolean {
  if (/(?:^|\/)eliloader$/.test(PV_bootloader)) return true;
  const isOurs = /(?:^|\/)guestboot$/.test(PV_bootloader) || (PV_bootloader === "" && PV_kernel === "");
  return isOurs && other_config["install-distro"] !== undefined;
}

/**
 * What `install-distro` is to say; undefined where nothing tells. null is nothing, which names the default family: only
 * where we have changed the record since, and an admin has not just forgotten to name it.
 */
function familyOf(before: VmRecord, journal: Journal, isKnown: boolean): string | null | undefined {
  const distro = before.other_config["install-distro"];
  if (distro !== undefined) return distro;
  const was = rememberedValue(journal, "other_config:install-distro");
  if (typeof was === "string") return was;
  if (isKnown) return null;
  return before.other_config["debian-release"] === undefined ? undefined : "debianlike";
}

/** The record's own loader where it can install: xapi's hosts know it by that name, those of xl by ours. */
function installingLoader(before: VmRecord, journal: Journal): string {
  if (isInstalling(before)) return before.PV_bootloader;
  const was = rememberedValue(journal, "PV_bootloader");
  const loader = [before.PV_bootloader, was].find(
    (each) => typeof each === "string" && /(?:^|\/)(?:eliloader|guestboot)$/.test(each),
  );
  return typeof loader === "string" ? loader : "eliloader";
}

/**
 * `--kernel … --ramdisk …` of a second round would make eliloader refuse its command line; it wrote them itself before
 * it was us.
 */
function withoutSecondRounds(words: string): string {
  return /^--kernel[ =]\S+(?: --ramdisk[ =]\S+)?$/.test(words) ? "" : words;
}

/**
 * The disks that were bootable; for an installation from a medium of which nobody knows them, the medium alone: the
 * toolstack must hand it to the loader again, and the first round made the disk bootable.
 */
function bootableIn(before: VmRecord, isMediums: boolean): (vbd: VirtualBlockDevice) => boolean {
  if (isMediums && before.VBDs.some((vbd) => vbd.type === "CD")) return (vbd) => vbd.type === "CD";
  const bootable = before.VBDs.filter((vbd) => vbd.bootable).map((vbd) => vbd.userdevice);
  return (vbd) => bootable.includes(vbd.userdevice);
}
