/**
 * Restarting an installation: what admins had to type by hand, as changes to the record.
 */
import { GuestbootError } from "../base/errors.ts";
import { readInstallRequest } from "../distro/install-request.ts";
import type { RecordChange, VmRecord } from "../toolstack/vm-record.ts";
import { bootableChanges, isFromCdrom } from "./plan.ts";

/**
 * The changes after which the next start is the first round again. The last round removed `install-distro`; where the
 * record still tells the family (only Debian's kind has `debian-release`), nobody needs to name it.
 *
 * @param family the family, where the admin names it; or null
 * @throws VM_INVALID when the record has no repository, or no longer tells the family
 */
export function planReinstall(record: VmRecord, family: string | null): RecordChange[] {
  const config = record.other_config;
  const request = readInstallRequest({ ...config, "install-round": "1" }, record.uuid);
  const distro = family ?? config["install-distro"] ?? (config["debian-release"] === undefined ? null : "debianlike");
  if (distro === null) {
    throw new GuestbootError("VM_INVALID", `VM ${record.uuid}: the record does not tell which distribution it was`, {
      hint: `guestboot vm reinstall ${record.uuid} --distro FAMILY`,
    });
  }
  const wanted: RecordChange[] = [
    { kind: "field", field: "PV_bootloader", from: record.PV_bootloader, to: "eliloader" },
    // `--kernel … --ramdisk …` of an earlier second round would make eliloader refuse its command line.
    { kind: "field", field: "PV_bootloader_args", from: record.PV_bootloader_args, to: "" },
    { kind: "other_config", key: "install-distro", from: config["install-distro"] ?? null, to: distro },
    { kind: "other_config", key: "install-round", from: config["install-round"] ?? null, to: null },
  ];
  // The first round made the disk bootable; the toolstack must hand the medium to the loader again.
  const hasMedium = record.VBDs.some((vbd) => vbd.type === "CD");
  const medium = isFromCdrom(request) && hasMedium ? bootableChanges(record, (vbd) => vbd.type === "CD") : [];
  return [...wanted.filter((change) => change.from !== change.to), ...medium];
}
