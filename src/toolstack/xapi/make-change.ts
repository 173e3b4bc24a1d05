/**
 * A change to a VM's record as calls of XenAPI, each of which can be made again without harm.
 */
import { GuestbootError } from "../../base/errors.ts";
import type { BootField, RecordChange } from "../vm-record.ts";
import type { XapiVm } from "./read-vm.ts";
import { isStruct, XapiFailure, type RpcStruct, type RpcValue } from "./rpc.ts";
import type { XapiSession } from "./session.ts";

const SETTERS: Readonly<Record<BootField, string>> = {
  PV_bootloader: "VM.set_PV_bootloader",
  PV_bootloader_args: "VM.set_PV_bootloader_args",
  PV_args: "VM.set_PV_args",
  PV_kernel: "VM.set_PV_kernel",
  PV_ramdisk: "VM.set_PV_ramdisk",
};

/** Others set the same key at the same time, but not for ever. */
const MOST_TRIES = 5;

/** @throws XapiFailure, VM_CHANGED and what the session throws */
export async function makeChange(session: XapiSession, vm: XapiVm, change: RecordChange): Promise<void> {
  switch (change.kind) {
    case "field":
      await session.call(SETTERS[change.field], [vm.ref, change.to]);
      return;
    case "other_config":
      if (change.to === null) await session.call("VM.remove_from_other_config", [vm.ref, change.key]);
      else await setOtherConfig(session, vm, change.key, change.to);
      return;
    case "bootable":
      await session.call("VBD.set_bootable", [diskOf(vm, change.userdevice).ref, change.to]);
      return;
    case "disk":
      if (change.to === null) await removeDisk(session, vm, change.userdevice);
      else await session.call("VBD.create", [keptDisk(vm, change)]);
  }
}

/** There is no call that replaces a key: it is taken out and put in, and in between somebody else may put theirs in. */
export async function setOtherConfig(session: XapiSession, vm: XapiVm, key: string, value: string): Promise<void> {
  let mustRemove = Object.hasOwn(vm.record.other_config, key);
  for (let tries = 1; ; tries += 1) {
    if (mustRemove) await session.call("VM.remove_from_other_config", [vm.ref, key]);
    try {
      await session.call("VM.add_to_other_config", [vm.ref, key, value]);
      return;
    } catch (error) {
      if (!(error instanceof XapiFailure) || error.code !== "MAP_DUPLICATE_KEY" || tries === MOST_TRIES) throw error;
      mustRemove = true;
    }
  }
}

/** The disk stays what it is; only the VM loses it. */
async function removeDisk(session: XapiSession, vm: XapiVm, userdevice: string): Promise<void> {
  const disk = vm.disks.get(userdevice);
  if (disk === undefined) return;
  try {
    if (disk.isAttached) await session.call("VBD.unplug", [disk.ref]);
    await session.call("VBD.destroy", [disk.ref]);
  } catch (error) {
    const isGone = error instanceof XapiFailure && error.code === "HANDLE_INVALID";
    if (!isGone) throw error;
  }
}

/** A disk's change with what makes the disk again. */
export function keepingDisk(vm: XapiVm, change: RecordChange): RecordChange {
  if (change.kind !== "disk" || change.to !== null) return change;
  return { ...change, kept: vm.disks.get(change.userdevice)?.made };
}

function keptDisk(vm: XapiVm, { kept, userdevice }: Extract<RecordChange, { kind: "disk" }>): RpcStruct {
  if (isRpcStruct(kept) && kept["VM"] === vm.ref) return kept;
  throw new GuestbootError("VM_UNWRITABLE", `VM ${vm.record.uuid}: what disk ${userdevice} was made of is not known`, {
    hint: `xe vbd-create vm-uuid=${vm.record.uuid} device=${userdevice} vdi-uuid=… gives the VM a disk`,
  });
}

function isRpcStruct(value: unknown): value is RpcStruct {
  return isStruct(value) && Object.values(value).every(isRpcValue);
}

function isRpcValue(value: unknown): value is RpcValue {
  if (Array.isArray(value)) return value.every(isRpcValue);
  return typeof value === "string" || typeof value === "boolean" || isRpcStruct(value);
}

function diskOf(vm: XapiVm, userdevice: string): { readonly ref: string } {
  const disk = vm.disks.get(userdevice);
  if (disk !== undefined) return disk;
  throw new GuestbootError("VM_CHANGED", `VM ${vm.record.uuid}: disk ${userdevice} is gone`);
}
