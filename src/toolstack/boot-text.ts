/**
 * What the readers of guests' own files have in common: the boot fields of a record as spans of a text, so that a
 * change touches nothing but its value.
 */
import { GuestbootError } from "../base/errors.ts";
import { applyChanges, outstandingChanges } from "./apply-changes.ts";
import type { BootField, RecordChange, VirtualBlockDevice, VmRecord } from "./vm-record.ts";

/** A guest's file: text that holds a VM's record, and can be changed in place. */
export interface BootText {
  /** For messages: "xl guest file". */
  readonly form: string;
  readonly record: VmRecord;
  /** The text with one field set; "" takes it out. */
  with(field: BootField, value: string): string;
}

/**
 * The text after `changes`, and those that were really made.
 * @throws VM_CHANGED; VM_UNWRITABLE for what such a file has no place for
 */
export function changeBootText(
  text: string,
  parse: (text: string) => BootText,
  changes: readonly RecordChange[],
): { readonly text: string; readonly made: readonly RecordChange[] } {
  const { record, form } = parse(text);
  applyChanges(record, changes);
  const made = outstandingChanges(record, changes);
  let changed = text;
  for (const change of made) {
    if (change.kind !== "field") {
      const what = change.kind === "other_config" ? change.key : `disk ${change.userdevice}`;
      throw new GuestbootError("VM_UNWRITABLE", `an ${form} has no place for ${what}`, {
        hint: "keep the VM's record in the file store, by the guest's name: <state>/vms/<uuid>.json",
      });
    }
    changed = parse(changed).with(change.field, change.to);
  }
  return { text: changed, made };
}

/** `/usr/lib/xen/bin/pygrub` is pygrub to us; where it lies is the file's own business. */
export function loaderName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** The loader `name` in the folder where the old one was. */
export function loaderBeside(old: string, name: string, folder: string): string {
  if (name === "" || name.includes("/")) return name;
  const slash = old.lastIndexOf("/");
  return `${slash < 0 ? folder : old.slice(0, slash + 1)}${name}`;
}

/** xvda, sda, hda → 0; the number that xapi calls `userdevice`. What is no such name keeps the place it has. */
export function userdeviceOf(device: string, place: number): string {
  const letters = /^(?:\/dev\/)?(?:xvd|sd|hd|ioemu:hd)([a-z]{1,2})\d*$/.exec(device)?.[1];
  if (letters === undefined) return String(place);
  const number = Array.from(letters).reduce((sum, letter) => sum * 26 + letter.charCodeAt(0) - 0x60, 0) - 1;
  return String(number);
}

/** The first disk is the one that these toolstacks hand to a loader. */
export function withFirstBootable(disks: readonly VirtualBlockDevice[]): VirtualBlockDevice[] {
  return disks.map((disk, index) => ({ ...disk, bootable: index === 0 }));
}
