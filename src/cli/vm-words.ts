/**
 * A VM's record as it is shown, in words and as JSON: everything but passwords.
 */
import { printable } from "../base/printable.ts";
import { HIDDEN, withoutSecrets } from "../base/secrets.ts";
import { formerValue, JOURNAL_KEY, readJournal, type Value } from "../pipeline/journal.ts";
import { describeNextStart } from "../pipeline/next-start.ts";
import type { VmRecord } from "../toolstack/vm-record.ts";

/** The record's fields and `next_start`, and `journal` where guestboot has changed something: what each was before. */
export function shownJson(record: VmRecord): object {
  const { PV_bootloader, PV_bootloader_args, PV_args, PV_kernel, PV_ramdisk, other_config, VBDs } = record;
  const fields = { PV_bootloader, PV_bootloader_args, PV_args, PV_kernel, PV_ramdisk };
  const config = Object.entries(other_config).filter(([key]) => key !== JOURNAL_KEY);
  const journal = [...readJournal(record)].map(([place, { was, wrote }]) => {
    return [place, { was: shownValue(place, was), wrote: shownValue(place, wrote) }] as const;
  });
  return {
    uuid: record.uuid,
    name_label: record.name_label,
    ...Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, withoutSecrets(value)])),
    other_config: Object.fromEntries(config.map(([key, value]) => [key, shownValue(key, value)])),
    VBDs,
    ...(journal.length === 0 ? {} : { journal: Object.fromEntries(journal) }),
    next_start: withoutSecrets(describeNextStart(record)),
  };
}

/** A line a fact. */
export function shownWords(record: VmRecord): string {
  const installKeys = Object.entries(record.other_config).filter(([key]) => /^(install-|debian-release$)/.test(key));
  const rows: [string, string][] = [
    ["uuid", record.uuid],
    ["name", record.name_label],
    ["PV_bootloader", record.PV_bootloader],
    ["PV_bootloader_args", withoutSecrets(record.PV_bootloader_args)],
    ["PV_args", withoutSecrets(record.PV_args)],
    ["PV_kernel", withoutSecrets(record.PV_kernel)],
    ["PV_ramdisk", withoutSecrets(record.PV_ramdisk)],
    ...installKeys.map(([key, value]): [string, string] => [key, String(shownValue(key, value))]),
    ["before guestboot", formerWords(record)],
    ["next start", withoutSecrets(describeNextStart(record))],
  ];
  return rows
    .filter(([, value]) => value !== "")
    .map(([name, value]) => `${printable(name).padEnd(20)} ${printable(value)}\n`)
    .join("");
}

/** What guestboot has changed and nobody since, as it was before. */
function formerWords(record: VmRecord): string {
  const journal = readJournal(record);
  const former = [...journal.keys()].flatMap((place) => {
    const was = formerValue(record, journal, place);
    if (was === undefined) return [];
    const value = shownValue(place, was);
    return [`${place.replace(/^other_config:/, "")} ${value === null || value === "" ? "not set" : String(value)}`];
  });
  return former.join(", ");
}

function shownValue(key: string, value: Value): Value {
  if (typeof value !== "string") return value;
  if (/passw|passphrase|secret|token|credential/i.test(key)) return value === "" ? "" : HIDDEN;
  return withoutSecrets(value);
}
