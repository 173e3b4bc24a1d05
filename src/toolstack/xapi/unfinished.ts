/**
 * A round's changes while they are being made. xapi has no transactions: each change is a call of its own, and a start
 * can be killed between any two. So before the first one, all of them are written into the VM's own other-config,
 * where the next start finds them on whichever host it runs; it goes when the start is over.
 *
 * The changes are made in the note's order, the last of them being the one that decides what the next start is. While
 * that one has not been made, nothing counts: the record is what it was before the first.
 */
import type { RecordChange, VmRecord } from "../vm-record.ts";
import { isStruct } from "./rpc.ts";

/** The key in other-config. */
export const UNFINISHED_KEY = "guestboot-unfinished";

const LONGEST = 64 * 1024;
const MOST_CHANGES = 1000;

/**
 * The order in which changes are made. A disk becomes bootable before another ceases to be, since without one nothing
 * starts at all; PV_bootloader comes last, since whatever is not eliloader never asks xapi anything. A disk that goes
 * away goes after that: a VM starts with one too many.
 */
export function inOrder(changes: readonly RecordChange[]): RecordChange[] {
  return changes.toSorted((one, other) => rankOf(one) - rankOf(other));
}

function rankOf(change: RecordChange): number {
  switch (change.kind) {
    case "bootable":
      return change.to ? 1 : 2;
    case "other_config":
      return change.key === "install-round" ? 4 : 3;
    case "field":
      return change.field === "PV_bootloader" ? 6 : 5;
    case "disk":
      return 7;
  }
}

/**
 * Disks are not written down: to make one again would be to believe what other-config says of whose data it shows.
 */
export function writeUnfinished(changes: readonly RecordChange[]): string {
  return JSON.stringify({ changes: changes.filter((change) => change.kind !== "disk") });
}

/**
 * The changes that a start began and did not finish, in the order in which they were made; null when there are none,
 * when the last was made too, or when somebody has changed the record since in a way that no start does.
 */
export function readUnfinished(record: VmRecord): readonly RecordChange[] | null {
  const text = record.other_config[UNFINISHED_KEY];
  const changes = text === undefined ? null : parseChanges(text);
  if (changes === null) return null;
  // What a killed start leaves: some that were made, maybe one half made, then some that were not.
  const states = changes.map((change) => stateOf(record, change));
  const begun = states.findLastIndex((state) => state !== "from") + 1;
  const isLeftBehind = states
    .slice(0, begun)
    .every((state, at) => state === "to" || (state === "half" && at === begun - 1));
  const isFinished = states.at(-1) === "to";
  return isLeftBehind && !isFinished ? changes.slice(0, begun) : null;
}

/** The changes of a start that made all of them and did not take its note away; null when there is none. */
export function readCutOff(record: VmRecord): readonly RecordChange[] | null {
  const text = record.other_config[UNFINISHED_KEY];
  const changes = text === undefined ? null : parseChanges(text);
  return changes?.every((change) => stateOf(record, change) === "to") === true ? changes : null;
}

export type ChangeState = "from" | "half" | "to" | "other";

/** How far a change has been made. A key that is replaced is absent for a moment. */
export function stateOf(record: VmRecord, change: RecordChange): ChangeState {
  switch (change.kind) {
    case "field":
      return stateOfValue(record[change.field], change);
    case "other_config": {
      const value = Object.hasOwn(record.other_config, change.key) ? (record.other_config[change.key] ?? null) : null;
      const state = stateOfValue(value, change);
      return state === "other" && value === null ? "half" : state;
    }
    case "bootable": {
      const disk = record.VBDs.find((vbd) => vbd.userdevice === change.userdevice);
      return disk === undefined ? "other" : stateOfValue(disk.bootable, change);
    }
    case "disk": {
      const isThere = record.VBDs.some((vbd) => vbd.userdevice === change.userdevice);
      return isThere === (change.to !== null) ? "to" : "from";
    }
  }
}

function stateOfValue<T>(value: T, { from, to }: { readonly from: T; readonly to: T }): ChangeState {
  if (value === to) return "to";
  return value === from ? "from" : "other";
}

/** null for whatever we did not write: other-config is open to everybody. */
function parseChanges(text: string): readonly RecordChange[] | null {
  if (text.length > LONGEST) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isStruct(value) || !Array.isArray(value["changes"])) return null;
  const list: readonly unknown[] = value["changes"];
  if (list.length === 0 || list.length > MOST_CHANGES) return null;
  const changes = list.map(parseChange).filter((change) => change !== null);
  return changes.length === list.length ? changes : null;
}

function parseChange(value: unknown): RecordChange | null {
  if (!isStruct(value)) return null;
  const { kind, from, to } = value;
  const { field, key, userdevice } = value;
  if (kind === "field" && isBootField(field) && typeof from === "string" && typeof to === "string") {
    return { kind, field, from, to };
  }
  if (kind === "other_config" && typeof key === "string" && isTextOrNull(from) && isTextOrNull(to)) {
    return { kind, key, from, to };
  }
  if (kind === "bootable" && typeof userdevice === "string" && typeof from === "boolean" && typeof to === "boolean") {
    return { kind, userdevice, from, to };
  }
  return null;
}

function isBootField(value: unknown): value is Extract<RecordChange, { kind: "field" }>["field"] {
  return (
    value === "PV_bootloader" ||
    value === "PV_bootloader_args" ||
    value === "PV_args" ||
    value === "PV_kernel" ||
    value === "PV_ramdisk"
  );
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === "string";
}
