/**
 * A VM's start from a pre-staged image, as changes to its record: its toolstack loads kernel and ramdisk by itself and
 * runs no boot loader. Such a start is the same each time, so an installation is endless until the record is changed
 * again (finish.ts).
 */
import type { VmRecord } from "../toolstack/vm-record.ts";
import type { SettingChange } from "./dry-run.ts";
import { formerValue, readJournal } from "./journal.ts";
import { fieldChanges } from "./record-fields.ts";

/** What a start needs of a pre-staged image. */
export interface BootImage {
  /** Absolute paths on the host. */
  readonly kernel: string;
  readonly ramdisk: string | null;
  /** The installer's own; they come before the VM's. */
  readonly arguments: string;
}

/** The changes after which the next start boots `image`. */
export function planUseImage(record: VmRecord, image: BootImage): SettingChange[] {
  // The arguments of an earlier image are not the VM's own.
  const former = formerValue(record, readJournal(record), "PV_args");
  const own = typeof former === "string" ? former : record.PV_args;
  return fieldChanges(record, {
    PV_kernel: image.kernel,
    PV_ramdisk: image.ramdisk ?? "",
    PV_args: [image.arguments, own].filter((words) => words !== "").join(" "),
    // The last one: while it stands, the others change nothing.
    PV_bootloader: "",
  });
}
