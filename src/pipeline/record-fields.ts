/** Changes of a record's fields and keys, without those that change nothing; and what of ours can be put back. Pure. */
import type { BootField, VmRecord } from "../toolstack/vm-record.ts";
import type { SettingChange } from "./dry-run.ts";
import { formerValue, type Journal } from "./journal.ts";

/** In the order of `wanted`. */
export function fieldChanges(record: VmRecord, wanted: Readonly<Partial<Record<BootField, string>>>): SettingChange[] {
  const fields: readonly BootField[] = ["PV_kernel", "PV_ramdisk", "PV_args", "PV_bootloader_args", "PV_bootloader"];
  return fields.flatMap((field): SettingChange[] => {
    const to = wanted[field];
    const from = record[field];
    return to === undefined || to === from ? [] : [{ kind: "field", field, from, to }];
  });
}

export function keyChange(record: VmRecord, key: string, to: string | null): SettingChange[] {
  const from = Object.hasOwn(record.other_config, key) ? (record.other_config[key] ?? null) : null;
  return from === to ? [] : [{ kind: "other_config", key, from, to }];
}

/** Those of `fields` that hold what we wrote, with the values that they had before. */
export function formerFields(
  record: VmRecord,
  journal: Journal,
  fields: readonly BootField[],
): Partial<Record<BootField, string>> {
  const former: Partial<Record<BootField, string>> = {};
  for (const field of fields) {
    const was = formerValue(record, journal, field);
    if (typeof was === "string") former[field] = was;
  }
  return former;
}
