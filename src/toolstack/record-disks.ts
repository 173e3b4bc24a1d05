/**
 * The disks of a VM record in its file: which objects of the file stay, go and come back. Fields that we do not know
 * (a disk's VDI, its own other-config) are kept, also over a disk's going and coming back.
 */
import type { RecordChange, VmRecord } from "./vm-record.ts";

/** The record as the file has it: objects whose fields nobody has checked. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** The file's own objects of its disks, in the record's order; the record was checked against them. */
export function disksOf(json: JsonObject): readonly unknown[] {
  return Array.isArray(json["VBDs"]) ? json["VBDs"] : [];
}

/** The disks as they stand in the file after `changes`, each with all that the file says of it. */
export function mergeDisks(
  disks: readonly unknown[],
  before: VmRecord,
  after: VmRecord,
  changes: readonly RecordChange[],
): unknown[] {
  const isThere = (userdevice: string | undefined) => after.VBDs.some((vbd) => vbd.userdevice === userdevice);
  const stayed = before.VBDs.flatMap((vbd, index) => (isThere(vbd.userdevice) ? [{ vbd, json: disks[index] }] : []));
  // Changes keep the order, so those that stayed come first in the new record too.
  const merged: unknown[] = stayed.map(({ vbd, json }, index) => {
    const bootable = after.VBDs[index]?.bootable;
    return isObject(json) && bootable !== vbd.bootable ? { ...json, bootable } : json;
  });
  for (const added of after.VBDs.slice(stayed.length)) {
    const change = changes.find((each) => each.kind === "disk" && each.userdevice === added.userdevice);
    const kept = change?.kind === "disk" && isKeptDisk(change.kept) ? change.kept : { at: merged.length, json: added };
    merged.splice(kept.at, 0, kept.json);
  }
  return merged;
}

/** A disk that was taken away: its object in the file with all that we do not know of it, and where it stood. */
interface KeptDisk {
  readonly at: number;
  readonly json: object;
}

function isKeptDisk(value: unknown): value is KeptDisk {
  return isObject(value) && typeof value["at"] === "number" && isObject(value["json"]);
}

/** The change as it was made: with what puts a disk that was taken away back where it was. */
export function keepingDisk(json: JsonObject, before: VmRecord, change: RecordChange): RecordChange {
  if (change.kind !== "disk" || change.to !== null) return change;
  const at = before.VBDs.findIndex((vbd) => vbd.userdevice === change.userdevice);
  const disk = disksOf(json)[at];
  return isObject(disk) ? { ...change, kept: { at, json: disk } satisfies KeptDisk } : change;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
