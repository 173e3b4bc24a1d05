/**
 * What a simulated xapi keeps, and what it does at each call: the pieces of XenAPI that a loader and its clients use,
 * with XenAPI's own failures (https://xapi-project.github.io/xen-api/). Nothing here is taken from what guestboot
 * expects: a map's key is added once, a destroyed object's reference is invalid, a session's reference must be known.
 */
import { randomUUID } from "node:crypto";

export type Value = string | number | boolean | readonly Value[] | { readonly [key: string]: Value };

/** XenAPI's list: a code and its arguments. */
export class Failure extends Error {
  readonly description: readonly string[];
  constructor(...description: readonly string[]) {
    super(description.join(" "));
    this.description = description;
  }
}

export interface SimulatedVm {
  ref: string;
  uuid: string;
  name_label: string;
  power_state: string;
  is_a_template: boolean;
  fields: Record<string, string>;
  other_config: Map<string, string>;
}

export interface SimulatedVbd {
  ref: string;
  uuid: string;
  VM: string;
  VDI: string;
  userdevice: string;
  type: string;
  mode: string;
  bootable: boolean;
  currently_attached: boolean;
  other_config: Map<string, string>;
}

export interface Call {
  readonly method: string;
  readonly params: readonly unknown[];
}

export interface Database {
  readonly vms: Map<string, SimulatedVm>;
  readonly vbds: Map<string, SimulatedVbd>;
  readonly sessions: Set<string>;
  /** Every call in its order, logins and those that failed among them. */
  readonly calls: Call[];
  /** Set: this host is a slave, and says so. */
  master: string | null;
  /** The password of root over the network. */
  password: string;
  /** Called before each call is looked at; what it throws is the answer. */
  before: (call: Call, number: number) => void | Promise<void>;
  /** What VM.start does beside setting power_state: runs a loader. */
  starting: (vm: SimulatedVm) => void | Promise<void>;
}

const FIELDS = ["PV_bootloader", "PV_bootloader_args", "PV_args", "PV_kernel", "PV_ramdisk", "PV_legacy_args"];

export function makeDatabase(): Database {
  return {
    vms: new Map(),
    vbds: new Map(),
    sessions: new Set(),
    calls: [],
    master: null,
    password: "secret",
    before: () => undefined,
    starting: () => undefined,
  };
}

export interface VmWanted {
  readonly uuid?: string;
  readonly name_label?: string;
  readonly is_a_template?: boolean;
  readonly fields?: Readonly<Record<string, string>>;
  readonly other_config?: Readonly<Record<string, string>>;
  readonly VBDs?: readonly Partial<SimulatedVbd>[];
}

export function addVm(database: Database, wanted: VmWanted = {}): SimulatedVm {
  const vm: SimulatedVm = {
    ref: newRef(),
    uuid: wanted.uuid ?? randomUUID(),
    name_label: wanted.name_label ?? "guest",
    power_state: "Halted",
    is_a_template: wanted.is_a_template ?? false,
    fields: { ...Object.fromEntries(FIELDS.map((name) => [name, ""])), ...wanted.fields },
    other_config: new Map(Object.entries(wanted.other_config ?? {})),
  };
  database.vms.set(vm.ref, vm);
  for (const vbd of wanted.VBDs ?? []) addVbd(database, { ...vbd, VM: vm.ref });
  return vm;
}

function addVbd(database: Database, wanted: Partial<SimulatedVbd> & { VM: string }): SimulatedVbd {
  const vbd: SimulatedVbd = {
    VDI: newRef(),
    userdevice: "0",
    type: "Disk",
    mode: "RW",
    bootable: false,
    currently_attached: false,
    other_config: new Map(),
    uuid: randomUUID(),
    ...wanted,
    ref: newRef(),
  };
  database.vbds.set(vbd.ref, vbd);
  return vbd;
}

export function vbdsOf(database: Database, vm: SimulatedVm): SimulatedVbd[] {
  return [...database.vbds.values()].filter((vbd) => vbd.VM === vm.ref);
}

/** Carries out a call. @param isLocal whether it came over the host's own socket, where root needs no password */
export async function carryOut(database: Database, call: Call, isLocal: boolean): Promise<Value> {
  database.calls.push(call);
  await database.before(call, database.calls.length);
  const { method, params } = call;
  if (method === "session.login_with_password") return logIn(database, params, isLocal);
  if (method === "system.listMethods") return Object.keys(METHODS);
  const [session, ...rest] = params;
  if (database.master !== null) throw new Failure("HOST_IS_SLAVE", database.master);
  if (typeof session !== "string" || !database.sessions.has(session))
    throw new Failure("SESSION_INVALID", String(session));
  if (method === "session.logout") {
    database.sessions.delete(session);
    return "";
  }
  const known = METHODS[method];
  if (known === undefined) throw new Failure("MESSAGE_METHOD_UNKNOWN", method);
  return known(database, rest);
}

function logIn(database: Database, [user, password]: readonly unknown[], isLocal: boolean): string {
  if (database.master !== null) throw new Failure("HOST_IS_SLAVE", database.master);
  const isRoot = isLocal || (user === "root" && password === database.password);
  if (!isRoot) throw new Failure("SESSION_AUTHENTICATION_FAILED", String(user), "Authentication failure");
  const session = newRef();
  database.sessions.add(session);
  return session;
}

type Method = (database: Database, params: readonly unknown[]) => Value | Promise<Value>;

const METHODS: Readonly<Record<string, Method>> = {
  "pool.get_all": () => ["OpaqueRef:pool"],
  "pool.get_all_records": () => ({
    "OpaqueRef:pool": { uuid: "7e2f7a40-0000-4000-8000-000000000001", name_label: "" },
  }),
  "VM.get_all": (database) => [...database.vms.keys()],
  "VM.get_by_uuid"(database, [uuid]) {
    const found = [...database.vms.values()].find((vm) => vm.uuid === uuid);
    if (found === undefined) throw new Failure("UUID_INVALID", "VM", String(uuid));
    return found.ref;
  },
  "VM.get_by_name_label": (database, [name]) =>
    [...database.vms.values()].filter((vm) => vm.name_label === name).map((vm) => vm.ref),
  "VM.get_is_a_template": (database, [ref]) => vmOf(database, ref).is_a_template,
  "VM.get_record": (database, [ref]) => vmRecord(database, vmOf(database, ref)),
  "VM.get_all_records": (database) =>
    Object.fromEntries([...database.vms.values()].map((vm) => [vm.ref, vmRecord(database, vm)])),
  "VM.get_other_config": (database, [ref]) => Object.fromEntries(vmOf(database, ref).other_config),
  "VM.add_to_other_config"(database, [ref, key, value]) {
    const { other_config } = vmOf(database, ref);
    const [name, text] = [textOf(key), textOf(value)];
    const old = other_config.get(name);
    if (old !== undefined) throw new Failure("MAP_DUPLICATE_KEY", "VM", "other_config", textOf(ref), name, old, text);
    other_config.set(name, text);
    return "";
  },
  "VM.remove_from_other_config"(database, [ref, key]) {
    vmOf(database, ref).other_config.delete(textOf(key));
    return "";
  },
  async "VM.start"(database, [ref]) {
    const vm = vmOf(database, ref);
    if (vm.power_state !== "Halted") throw new Failure("VM_BAD_POWER_STATE", vm.ref, "halted", vm.power_state);
    await database.starting(vm);
    vm.power_state = "Running";
    return "";
  },
  "VBD.get_by_uuid"(database, [uuid]) {
    const found = [...database.vbds.values()].find((vbd) => vbd.uuid === uuid);
    if (found === undefined) throw new Failure("UUID_INVALID", "VBD", String(uuid));
    return found.ref;
  },
  "VBD.get_record": (database, [ref]) => vbdRecord(vbdOf(database, ref)),
  "VBD.set_bootable"(database, [ref, bootable]) {
    if (typeof bootable !== "boolean") throw new Failure("INTERNAL_ERROR", "a boolean is wanted");
    vbdOf(database, ref).bootable = bootable;
    return "";
  },
  "VBD.unplug"(database, [ref]) {
    const vbd = vbdOf(database, ref);
    if (!vbd.currently_attached) throw new Failure("DEVICE_ALREADY_DETACHED", vbd.ref);
    vbd.currently_attached = false;
    return "";
  },
  "VBD.destroy"(database, [ref]) {
    const vbd = vbdOf(database, ref);
    if (vbd.currently_attached) throw new Failure("OPERATION_NOT_ALLOWED", "VBD is still attached");
    database.vbds.delete(vbd.ref);
    return "";
  },
  "VBD.create"(database, [record]) {
    const wanted = new Map(Object.entries(Object(record) as Record<string, unknown>));
    const text = (name: string) => textOf(wanted.get(name));
    const vm = vmOf(database, text("VM"));
    if (vbdsOf(database, vm).some((vbd) => vbd.userdevice === text("userdevice"))) {
      throw new Failure("DEVICE_ALREADY_EXISTS", text("userdevice"));
    }
    if (typeof wanted.get("unpluggable") !== "boolean") throw new Failure("FIELD_TYPE_ERROR", "unpluggable");
    return addVbd(database, {
      VM: vm.ref,
      VDI: text("VDI"),
      userdevice: text("userdevice"),
      type: text("type"),
      mode: text("mode"),
      bootable: wanted.get("bootable") === true,
      other_config: new Map(Object.entries(Object(wanted.get("other_config")) as Record<string, string>)),
    }).ref;
  },
  ...Object.fromEntries(
    FIELDS.map((field): [string, Method] => [
      `VM.set_${field}`,
      (database, [ref, value]) => {
        vmOf(database, ref).fields[field] = textOf(value);
        return "";
      },
    ]),
  ),
};

function vmRecord(database: Database, vm: SimulatedVm): Value {
  return {
    uuid: vm.uuid,
    name_label: vm.name_label,
    name_description: "made up <&> \"for\" 'tests', Zoë",
    power_state: vm.power_state,
    is_a_template: vm.is_a_template,
    memory_static_max: "1073741824",
    allowed_operations: ["start", "destroy"],
    snapshots: [],
    ...vm.fields,
    other_config: Object.fromEntries(vm.other_config),
    VBDs: vbdsOf(database, vm).map((vbd) => vbd.ref),
  };
}

function vbdRecord(vbd: SimulatedVbd): Value {
  return {
    ...vbd,
    other_config: Object.fromEntries(vbd.other_config),
    unpluggable: true,
    empty: vbd.VDI === "OpaqueRef:NULL",
    qos_algorithm_type: "",
    qos_algorithm_params: {},
  };
}

function vmOf(database: Database, ref: unknown): SimulatedVm {
  const vm = database.vms.get(textOf(ref));
  if (vm === undefined) throw new Failure("HANDLE_INVALID", "VM", textOf(ref));
  return vm;
}

function vbdOf(database: Database, ref: unknown): SimulatedVbd {
  const vbd = database.vbds.get(textOf(ref));
  if (vbd === undefined) throw new Failure("HANDLE_INVALID", "VBD", textOf(ref));
  return vbd;
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  throw new Failure("FIELD_TYPE_ERROR", String(value));
}

function newRef(): string {
  return `OpaqueRef:${randomUUID()}`;
}
