/**
 * Restarting an installation: what admins had to type by hand, as changes to the record.
 */
import { GuestbootError } from "../base/errors.ts";
import { readInstallRequest } from "../distro/install-request.ts";
import type { VmRecord } from "../toolstack/vm-record.ts";
import type { SettingChange } from "./dry-run.ts";
import { formerValue, readJournal, rememberedValue, type Journal } from "./journal.ts";
import { bootableChanges, isFromCdrom } from "./plan.ts";
import { fieldChanges, formerFields, keyChange } from "./record-fields.ts";

/**
 * The changes after which the next start is the first round again. The last round removed `install-distro`; where the
 * journal, a start that was cut off or the record still tells the family (only Debian's kind has `debian-release`),
 * nobody needs to name it.
 * What an admin has set in PV_bootloader_args is left alone; what a pre-staged image's start was given by us is as it
 * was before.
 *
 * @param family the family, where the admin names it; or null
 * @throws VM_INVALID when the record no longer tells the family; INVALID_SOURCE when it has no repository
 */
export function planReinstall(record: VmRecord, family: string | null): SettingChange[] {
  const config = record.other_config;
  const journal = readJournal(record);
  const request = readInstallRequest({ ...config, "install-round": "1" }, record.uuid);
  const distro = family ?? familyOf(record, journal);
  if (distro === null) {
    throw new GuestbootError("VM_INVALID", `VM ${record.uuid}: the record does not tell which distribution it was`, {
      hint: `guestboot vm reinstall ${record.uuid} --distro FAMILY`,
    });
  }
  // The first round made the disk bootable; the toolstack must hand the medium to the loader again.
  const hasMedium = record.VBDs.some((vbd) => vbd.type === "CD");
  const medium = isFromCdrom(request) && hasMedium ? bootableChanges(record, (vbd) => vbd.type === "CD") : [];
  return [
    ...fieldChanges(record, {
      ...formerFields(record, journal, ["PV_kernel", "PV_ramdisk", "PV_args"]),
      PV_bootloader_args: argumentsWithoutOurs(record, journal),
      PV_bootloader: installingLoader(record, journal),
    }),
    ...keyChange(record, "install-distro", distro),
    ...keyChange(record, "install-round", firstRound(journal)),
    ...medium.filter((change) => change.kind === "bootable"),
  ];
}

/** Templates say the first round or say nothing, which means the same: as it was. */
function firstRound(journal: Journal): string | null {
  return rememberedValue(journal, "other_config:install-round") === "1" ? "1" : null;
}

function familyOf({ other_config: config, cutOff = [] }: VmRecord, journal: Journal): string | null {
  const now = config["install-distro"];
  if (now !== undefined) return now;
  const removed = cutOff.find((change) => change.kind === "other_config" && change.key === "install-distro");
  if (typeof removed?.from === "string") return removed.from;
  const was = rememberedValue(journal, "other_config:install-distro");
  if (typeof was === "string") return was;
  return config["debian-release"] === undefined ? null : "debianlike";
}

/** The record's own loader where it can install: xapi's hosts know it by that name, those of xl by ours. */
function installingLoader({ PV_bootloader: now }: VmRecord, journal: Journal): string {
  const was = rememberedValue(journal, "PV_bootloader");
  const loader = [now, was].find((each) => typeof each === "string" && /(?:^|\/)(?:eliloader|guestboot)$/.test(each));
  return typeof loader === "string" ? loader : "eliloader";
}

/**
 * `--kernel … --ramdisk …` of an earlier second round would make eliloader refuse its command line. Without a journal
 * these very words are a second round's too: eliloader itself wrote them before it was us.
 */
function argumentsWithoutOurs(record: VmRecord, journal: Journal): string {
  const was = formerValue(record, journal, "PV_bootloader_args");
  if (typeof was === "string") return was;
  const isSecondRounds = /^--kernel[ =]\S+(?: --ramdisk[ =]\S+)?$/.test(record.PV_bootloader_args);
  return isSecondRounds ? "" : record.PV_bootloader_args;
}
