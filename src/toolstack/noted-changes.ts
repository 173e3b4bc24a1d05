/**
 * The changes of a start, written down for whoever comes after it, in case it is killed; and how far they were made.
 */
import { isObject } from "./record-disks.ts";
import type { RecordChange, VmRecord } from "./vm-record.ts";

/** In characters. A change of the journal of what the VM was before has its old text and its new one. */
const LONGEST = 256 * 1024;
const MOST_CHANGES = 1000;

/** Disks are not written down: to make one again would be to believe what a note says of whose data it shows. */
export function writeNote(changes: readonly RecordChange[]): string {
  return JSON.stringify({ changes: changes.filter((change) => change.kind !== "disk") });
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

/** Have all of them been made, and does none of them stand otherwise by now? */
export function areMade(record: VmRecord, changes: readonly RecordChange[]): boolean {
  return changes.every((change) => stateOf(record, change) === "to");
}

/** null for whatever we did not write: others can write where it was read. */
export function readNote(text: string): readonly RecordChange[] | null {
  if (text.length > LONGEST) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isObject(value) || !Array.isArray(value["changes"])) return null;
  const list: readonly unknown[] = value["changes"];
  if (list.length === 0 || list.length > MOST_CHANGES) return null;
  const changes = list.map(parseChange).filter((change) => change !== null);
  return changes.length === list.length ? changes : null;
}

function parseChange(value: unknown): RecordChange | null {
  if (!isObject(value)) return null;
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
