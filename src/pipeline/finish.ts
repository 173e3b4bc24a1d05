/**
 * Handing a VM to its own disk, as changes to its record: what ends an installation that nothing else ends (a
 * pre-staged image's, or one whose loader was never flipped).
 */
import type { VmRecord } from "../toolstack/vm-record.ts";
import type { SettingChange } from "./dry-run.ts";
import { readJournal } from "./journal.ts";
import { bootableChanges } from "./plan.ts";
import { fieldChanges, formerFields, keyChange } from "./record-fields.ts";
import type { BootImage } from "./use-image.ts";

/**
 * The changes after which the next start boots from the disk, and none asks for an installation again. What an image
 * needed (its kernel, its arguments) is as it was before; what an admin has set is left alone.
 *
 * @param image the pre-staged image that the record's PV_kernel is of; null where it is of none. For records that keep
 *   no journal, and for those that an admin has made to boot it by hand
 */
export function planFinish(record: VmRecord, image: BootImage | null): SettingChange[] {
  const journal = readJournal(record);
  const former = {
    ...withoutImage(record, image),
    ...formerFields(record, journal, ["PV_kernel", "PV_ramdisk", "PV_args"]),
  };
  const hasDisk = record.VBDs.some((vbd) => vbd.type === "Disk" && vbd.userdevice === "0");
  const readsMedium = record.VBDs.some((vbd) => vbd.type === "CD" && vbd.bootable);
  return [
    ...fieldChanges(record, { ...former, PV_bootloader: "pygrub" }),
    ...keyChange(record, "install-distro", null),
    ...keyChange(record, "install-round", null),
    ...(hasDisk && readsMedium ? bootableChanges(record, (vbd) => vbd.userdevice === "0") : []),
  ];
}

function withoutImage(record: VmRecord, image: BootImage | null) {
  if (image === null) return {};
  const { PV_args } = record;
  const isImages = image.arguments !== "" && `${PV_args} `.startsWith(`${image.arguments} `);
  const own = isImages ? PV_args.slice(image.arguments.length).trimStart() : PV_args;
  return { PV_kernel: "", PV_ramdisk: "", PV_args: own };
}
