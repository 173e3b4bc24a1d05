/**
 * The journal in a VM's record, held against the record of before: what it must say follows from the two records alone.
 */
import assert from "node:assert";

export const JOURNAL = "guestboot-journal";

/** A record as its toolstack keeps it, in XenAPI's names. */
export interface KeptRecord {
  readonly other_config: Readonly<Record<string, string>>;
  readonly [field: string]: unknown;
}

const FIELDS = ["PV_bootloader", "PV_bootloader_args", "PV_args", "PV_kernel", "PV_ramdisk"];

export function withoutJournal<Kept extends KeptRecord>(record: Kept): Kept {
  const config = Object.entries(record.other_config).filter(([key]) => key !== JOURNAL);
  return { ...record, other_config: Object.fromEntries(config) };
}

/** null where there is none. */
export function journalOf(record: KeptRecord): unknown {
  const text = record.other_config[JOURNAL];
  return text === undefined ? null : JSON.parse(text);
}

/** What the journal of `after` must be: each setting that is not as it was, with what it was; null where all are. */
export function journalSince(before: KeptRecord, after: KeptRecord): object | null {
  const [was, is] = [settingsOf(before), settingsOf(after)];
  // Disks that are gone are no settings.
  const places = [...new Set([...was.keys(), ...is.keys()])].filter(
    (place) => !place.startsWith("bootable:") || is.has(place),
  );
  const changed = places.flatMap((place) => {
    const pair = [was.get(place) ?? null, is.get(place) ?? null];
    return pair[0] === pair[1] ? [] : [[place, pair] as const];
  });
  return changed.length === 0 ? null : { version: 1, ...Object.fromEntries(changed) };
}

/** `record` without its journal, which says of `before` what it must. */
export function checkedJournal<Kept extends KeptRecord>(record: Kept, before: KeptRecord): Kept {
  const rest = withoutJournal(record);
  assert.deepEqual(journalOf(record), journalSince(before, rest), "the record's journal");
  return rest;
}

function settingsOf(record: KeptRecord): Map<string, unknown> {
  const disks = Array.isArray(record["VBDs"]) ? (record["VBDs"] as { userdevice: string; bootable?: boolean }[]) : [];
  return new Map<string, unknown>([
    ...FIELDS.map((field) => [field, record[field] ?? ""] as const),
    ...Object.entries(record.other_config).map(([key, value]) => [`other_config:${key}`, value] as const),
    ...disks.map((disk) => [`bootable:${disk.userdevice}`, disk.bootable ?? false] as const),
  ]);
}
