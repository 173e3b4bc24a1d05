/**
 * Planned changes put onto a VM record: all of them or none, and none over somebody else's change.
 */
import { GuestbootError } from "../base/errors.ts";
import type { DiskChange, RecordChange, VmRecord } from "./vm-record.ts";

/**
 * The record after `changes`, in their order. A change whose `to` already stands counts as applied.
 * @throws GuestbootError VM_CHANGED when a value is neither `from` nor `to`, or the disk is not there any more
 */
export function applyChanges(record: VmRecord, changes: readonly RecordChange[]): VmRecord {
  return changes.reduce(applyChange, record);
}

/** Those of `changes` whose `to` does not stand in the record yet. */
export function outstandingChanges(record: VmRecord, changes: readonly RecordChange[]): RecordChange[] {
  return changes.filter((change) => {
    switch (change.kind) {
      case "field":
        return record[change.field] !== change.to;
      case "other_config":
        return entryOf(record.other_config, change.key) !== change.to;
      case "bootable":
        return record.VBDs.some((vbd) => vbd.userdevice === change.userdevice && vbd.bootable !== change.to);
      case "disk":
        return hasDisk(record, change.userdevice) !== (change.to !== null);
    }
  });
}

function applyChange(record: VmRecord, change: RecordChange): VmRecord {
  switch (change.kind) {
    case "field":
      checkUnchanged(record, change.field, record[change.field], change);
      return { ...record, [change.field]: change.to };
    case "other_config": {
      const config = record.other_config;
      checkUnchanged(record, `other-config:${change.key}`, entryOf(config, change.key), change);
      return { ...record, other_config: withEntry(config, change.key, change.to) };
    }
    case "bootable": {
      const name = `bootable of disk ${change.userdevice}`;
      const disks = record.VBDs.filter((vbd) => vbd.userdevice === change.userdevice);
      if (disks.length === 0) throw changed(record, name, change, "the disk is gone");
      for (const vbd of disks) checkUnchanged(record, name, vbd.bootable, change);
      const VBDs = record.VBDs.map((vbd) =>
        vbd.userdevice === change.userdevice ? { ...vbd, bootable: change.to } : vbd,
      );
      return { ...record, VBDs };
    }
    case "disk":
      return withDisk(record, change);
  }
}

/** Where the disk has come or gone already there is nothing to do, so nobody else's change can be in the way. */
function withDisk(record: VmRecord, { userdevice, to }: DiskChange): VmRecord {
  if (to === null) return { ...record, VBDs: record.VBDs.filter((vbd) => vbd.userdevice !== userdevice) };
  return hasDisk(record, userdevice) ? record : { ...record, VBDs: [...record.VBDs, to] };
}

function hasDisk(record: VmRecord, userdevice: string): boolean {
  return record.VBDs.some((vbd) => vbd.userdevice === userdevice);
}

/** Own keys only: a key may be named like something that every object inherits. */
function entryOf(config: Readonly<Record<string, string>>, key: string): string | null {
  return Object.hasOwn(config, key) ? (config[key] ?? null) : null;
}

/** A copy with one entry set, in its place when it was there, or taken out. */
function withEntry(
  config: Readonly<Record<string, string>>,
  key: string,
  value: string | null,
): Record<string, string> {
  if (value !== null) return { ...config, [key]: value };
  return Object.fromEntries(Object.entries(config).filter(([name]) => name !== key));
}

interface FromTo {
  readonly from: string | boolean | null;
  readonly to: string | boolean | null;
}

function checkUnchanged(record: VmRecord, name: string, value: string | boolean | null, change: FromTo): void {
  if (value !== change.from && value !== change.to) throw changed(record, name, change, `it is ${shown(value)}`);
}

function changed(record: VmRecord, name: string, change: FromTo, now: string): GuestbootError {
  return new GuestbootError(
    "VM_CHANGED",
    `somebody changed VM ${record.uuid} during the start: ${name} was ${shown(change.from)}, should become ` +
      `${shown(change.to)}, and now ${now}`,
    { hint: "nothing was changed; look at the VM and start it again" },
  );
}

function shown(value: string | boolean | null): string {
  return value === null ? "not set" : JSON.stringify(value);
}
