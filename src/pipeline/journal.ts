/**
 * What a VM's record was before guestboot changed it, kept in the record itself (`other_config`, key
 * `guestboot-journal`): the VM may be started on another host next time. With it a change can be told from an admin's
 * own setting, and put back: those of an installation's rounds as well as those of `guestboot vm`. Pure.
 *
 * Not kept: a history. Of each place in the record the value before our first change and the one we wrote last; once a
 * place has its former value again it leaves the journal, and an empty journal leaves the record. However often a VM is
 * installed, its journal has an entry for each place at most. Nor who took disks away: a disk is no setting.
 */
import type { RecordChange, VmRecord } from "../toolstack/vm-record.ts";

export const JOURNAL_KEY = "guestboot-journal";

/** A place in a record, and what it held; null: the key was not there. */
export type Value = string | boolean | null;

export interface JournalEntry {
  readonly was: Value;
  readonly wrote: Value;
}

/** By the places' names: `PV_args`, `other_config:install-distro`, `bootable:3`. */
export type Journal = ReadonlyMap<string, JournalEntry>;

type OtherConfigChange = Extract<RecordChange, { readonly kind: "other_config" }>;

const VERSION = 1;
/**
 * In characters; a kernel command line has at most some thousands. xapi's note of a round (unfinished.ts) holds two
 * journals, the old one and the new.
 */
const LARGEST = 32 * 1024;
const MOST_ENTRIES = 1024;

/** A journal that cannot be read (an admin's edit) counts as none: then nothing is known to be ours. */
export function readJournal(record: VmRecord): Journal {
  const text = journalText(record);
  if (text === null || text.length > LARGEST) return new Map();
  try {
    return entriesOf(JSON.parse(text));
  } catch {
    return new Map();
  }
}

/**
 * `changes`, and the one that notes them in the journal where that changes it. A journal that would be too long to be
 * read again is not kept.
 */
export function withJournal<Change extends RecordChange>(
  record: VmRecord,
  changes: readonly Change[],
): (Change | OtherConfigChange)[] {
  const journal = new Map([...readJournal(record)].filter((entry) => isStillNews(record, entry)));
  for (const change of changes) {
    if (change.kind === "disk" || placeOf(change) === `other_config:${JOURNAL_KEY}`) continue;
    const place = placeOf(change);
    const known = journal.get(place);
    // What somebody else has set since is what a later return must find.
    const was = known !== undefined && known.wrote === change.from ? known.was : change.from;
    if (was === change.to) journal.delete(place);
    else journal.set(place, { was, wrote: change.to });
  }
  const from = journalText(record);
  const text = formatJournal(journal);
  const to = journal.size === 0 || text.length > LARGEST ? null : text;
  return from === to ? [...changes] : [...changes, { kind: "other_config", key: JOURNAL_KEY, from, to }];
}

/** `changes`, and the journal's end: for those that put back what it knows, and make the rest as an admin wants it. */
export function endingJournal<Change extends RecordChange>(
  record: VmRecord,
  changes: readonly Change[],
): (Change | OtherConfigChange)[] {
  const from = journalText(record);
  return from === null ? [...changes] : [...changes, { kind: "other_config", key: JOURNAL_KEY, from, to: null }];
}

/** Somebody else may have put a place back, or taken it away with its disk. */
function isStillNews(record: VmRecord, [place, { was }]: readonly [string, JournalEntry]): boolean {
  const now = valueAt(record, place);
  return now !== undefined && now !== was;
}

/** The value that a place had before ours; undefined where what stands there now is not ours. */
export function formerValue(record: VmRecord, journal: Journal, place: string): Value | undefined {
  const entry = journal.get(place);
  return entry === undefined || entry.wrote !== valueAt(record, place) ? undefined : entry.was;
}

/** A place's value before ours, also where somebody has changed it since; undefined where we never wrote to it. */
export function rememberedValue(journal: Journal, place: string): Value | undefined {
  return journal.get(place)?.was;
}

function journalText({ other_config }: VmRecord): string | null {
  return Object.hasOwn(other_config, JOURNAL_KEY) ? (other_config[JOURNAL_KEY] ?? null) : null;
}

function placeOf(change: Exclude<RecordChange, { readonly kind: "disk" }>): string {
  switch (change.kind) {
    case "field":
      return change.field;
    case "other_config":
      return `other_config:${change.key}`;
    case "bootable":
      return `bootable:${change.userdevice}`;
  }
}

function valueAt(record: VmRecord, place: string): Value | undefined {
  switch (place) {
    case "PV_bootloader":
    case "PV_bootloader_args":
    case "PV_args":
    case "PV_kernel":
    case "PV_ramdisk":
      return record[place];
  }
  const [, kind, name = ""] = /^(other_config|bootable):(.*)$/s.exec(place) ?? [];
  if (kind === "other_config") return Object.hasOwn(record.other_config, name) ? record.other_config[name] : null;
  if (kind === "bootable") return record.VBDs.find((vbd) => vbd.userdevice === name)?.bootable;
  return undefined;
}

/** `{"version":1,"PV_bootloader":["eliloader","pygrub"]}`: what it was, what we wrote. */
function formatJournal(journal: Journal): string {
  const entries = [...journal].map(([place, { was, wrote }]) => [place, [was, wrote]] as const);
  return JSON.stringify({ version: VERSION, ...Object.fromEntries(entries) });
}

function entriesOf(parsed: unknown): Journal {
  if (typeof parsed !== "object" || parsed === null) return new Map();
  const all = new Map<string, unknown>(Object.entries(parsed));
  if (all.get("version") !== VERSION || all.size > MOST_ENTRIES) return new Map();
  const journal = new Map<string, JournalEntry>();
  for (const [place, pair] of all) {
    if (!Array.isArray(pair) || pair.length !== 2) continue;
    const was: unknown = pair[0];
    const wrote: unknown = pair[1];
    if (isValue(was) && isValue(wrote)) journal.set(place, { was, wrote });
  }
  return journal;
}

function isValue(value: unknown): value is Value {
  return value === null || typeof value === "string" || typeof value === "boolean";
}
