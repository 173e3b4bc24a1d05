/**
 * A VM and its disks as xapi has them, as the plain record that the plans are made from. Every field is checked: what
 * answers is another program.
 */
import { GuestbootError } from "../../base/errors.ts";
import { quote } from "../../base/printable.ts";
import type { VirtualBlockDevice, VmRecord } from "../vm-record.ts";
import { isStruct, XapiFailure, type RpcStruct, type RpcValue } from "./rpc.ts";
import { malformed, type XapiSession } from "./session.ts";

export interface XapiVm {
  /** xapi's reference. */
  readonly ref: string;
  readonly record: VmRecord;
  /** By `userdevice`. */
  readonly disks: ReadonlyMap<string, XapiDisk>;
}

export interface XapiDisk {
  readonly ref: string;
  readonly isAttached: boolean;
  /** What VBD.create needs to make the same disk of the VM again. */
  readonly made: RpcStruct;
}

/** xapi itself allows 255 in a VM. */
const MOST_DISKS = 1024;
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;
/** What VBD.create reads (XenAPI, class VBD). */
const MADE_OF = ["userdevice", "bootable", "mode", "type", "unpluggable", "empty", "other_config"] as const;

/**
 * A VM is named by its UUID or by a name that no other VM has (templates and snapshots do not count).
 * @throws VM_UNKNOWN, and what the session throws
 */
export async function readVm(session: XapiSession, id: string): Promise<XapiVm> {
  const ref = await findVm(session, id);
  const raw = await readRecord(session, "VM", ref);
  const disks = new Map<string, XapiDisk>();
  const VBDs: VirtualBlockDevice[] = [];
  const refs = fieldOf(session, raw, "VM", "VBDs", isTextList);
  if (refs.length > MOST_DISKS) throw malformed(session.name, "VM.get_record");
  for (const vbd of refs) {
    const device = await readRecordUnlessGone(session, vbd);
    if (device === null) continue;
    const read = readDisk(session, device);
    VBDs.push(read);
    disks.set(read.userdevice, {
      ref: vbd,
      isAttached: device["currently_attached"] === true,
      made: madeOf(session, ref, device),
    });
  }
  VBDs.sort((one, other) => Number(one.userdevice) - Number(other.userdevice));
  const text = (name: string) => fieldOf(session, raw, "VM", name, isText);
  return {
    ref,
    disks,
    record: {
      uuid: text("uuid"),
      name_label: text("name_label"),
      PV_bootloader: text("PV_bootloader"),
      PV_bootloader_args: text("PV_bootloader_args"),
      PV_args: text("PV_args"),
      PV_kernel: text("PV_kernel"),
      PV_ramdisk: text("PV_ramdisk"),
      other_config: fieldOf(session, raw, "VM", "other_config", isTextMap),
      VBDs,
    },
  };
}

async function findVm(session: XapiSession, id: string): Promise<string> {
  if (UUID.test(id)) {
    try {
      const ref = await session.call("VM.get_by_uuid", [id.toLowerCase()]);
      if (!isText(ref)) throw malformed(session.name, "VM.get_by_uuid");
      return ref;
    } catch (error) {
      if (!(error instanceof XapiFailure) || error.code !== "UUID_INVALID") throw error;
    }
  }
  const named = id === "" ? [] : await session.call("VM.get_by_name_label", [id]);
  if (!isTextList(named)) throw malformed(session.name, "VM.get_by_name_label");
  const vms: string[] = [];
  for (const ref of named.slice(0, MOST_DISKS)) {
    const isTemplate = await session.call("VM.get_is_a_template", [ref]);
    if (isTemplate !== true) vms.push(ref);
  }
  const [only, ...others] = vms;
  if (only !== undefined && others.length === 0) return only;
  if (only === undefined) {
    throw new GuestbootError("VM_UNKNOWN", `xapi at ${session.name} knows no VM ${quote(id)}`, { hint: "xe vm-list" });
  }
  throw new GuestbootError("VM_UNKNOWN", `${quote(id)} is the name of ${vms.length} VMs`, {
    hint: "name the VM by its UUID; xe vm-list lists them",
  });
}

type Raw = Readonly<Record<string, unknown>>;

async function readRecord(session: XapiSession, kind: "VM" | "VBD", ref: string): Promise<Raw> {
  const raw = await session.call(`${kind}.get_record`, [ref]);
  if (!isStruct(raw)) throw malformed(session.name, `${kind}.get_record`);
  return raw;
}

/** A disk may be taken away by somebody else between two calls. */
async function readRecordUnlessGone(session: XapiSession, ref: string): Promise<Raw | null> {
  try {
    return await readRecord(session, "VBD", ref);
  } catch (error) {
    if (error instanceof XapiFailure && error.code === "HANDLE_INVALID") return null;
    throw error;
  }
}

function readDisk(session: XapiSession, raw: Raw): VirtualBlockDevice {
  const type = raw["type"];
  const mode = raw["mode"];
  if (type !== "Disk" && type !== "CD" && type !== "Floppy") throw malformed(session.name, "VBD.get_record");
  return {
    userdevice: fieldOf(session, raw, "VBD", "userdevice", isText),
    type,
    bootable: fieldOf(session, raw, "VBD", "bootable", (value) => typeof value === "boolean"),
    mode: mode === "RO" ? "RO" : "RW",
  };
}

function madeOf(session: XapiSession, vm: string, raw: Raw): RpcStruct {
  const made: Record<string, RpcValue> = {
    VM: vm,
    VDI: fieldOf(session, raw, "VBD", "VDI", isText),
    // Quality of service by disk went with the schedulers that had it; VBD.create still wants the fields.
    qos_algorithm_type: isText(raw["qos_algorithm_type"]) ? raw["qos_algorithm_type"] : "",
    qos_algorithm_params: isTextMap(raw["qos_algorithm_params"]) ? raw["qos_algorithm_params"] : {},
  };
  for (const field of MADE_OF) {
    const value = raw[field];
    if (isText(value) || typeof value === "boolean" || isTextMap(value)) made[field] = value;
  }
  return made;
}

function fieldOf<T>(
  session: XapiSession,
  raw: Raw,
  kind: "VM" | "VBD",
  name: string,
  is: (value: unknown) => value is T,
): T {
  const value = raw[name];
  if (!is(value)) throw malformed(session.name, `${kind}.get_record (${name})`);
  return value;
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isTextList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(isText);
}

function isTextMap(value: unknown): value is Readonly<Record<string, string>> {
  return isStruct(value) && Object.values(value).every(isText);
}
