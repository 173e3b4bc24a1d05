/**
 * The embedded default for VM records: one JSON file a VM, `<state>/vms/<uuid>.json`, in XenAPI's field names. Admins
 * edit these files and other programs may keep fields of their own in them: what we do not know is kept as it is.
 *
 * A file is replaced whole, by a rename, so that a reader needs no lock and a kill at any point leaves the old record
 * or the new one. Writers of one VM wait for each other at `<state>/vms/.<uuid>.lock`. Between the new record and the
 * answer, `<state>/vms/.<uuid>.cut-off` tells what was changed (cut-off-file.ts).
 */
import * as fs from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { Budget } from "../base/budget.ts";
import { GuestbootError, isSystemError, systemReason } from "../base/errors.ts";
import { giveBack } from "../base/give-back.ts";
import { withLock } from "../base/lock.ts";
import { applyChanges, outstandingChanges } from "./apply-changes.ts";
import { readCutOffFile, removeCutOffFile, writeCutOffFile } from "./cut-off-file.ts";
import { disksOf, isObject, keepingDisk, mergeDisks, type JsonObject } from "./record-disks.ts";
import type { BootField, RecordChange, RecordStore, VmRecord } from "./vm-record.ts";

/** A record has a few kilobytes; what is larger is something else. Bytes. */
const LARGEST_RECORD = 1024 * 1024;
const MOST_RECORDS = 100_000;
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;
const FIELDS: readonly BootField[] = ["PV_bootloader", "PV_bootloader_args", "PV_args", "PV_kernel", "PV_ramdisk"];

export interface FileStore extends RecordStore, AsyncDisposable {
  /** For loaders, before they read: from now on, what is changed is noted until the store is closed. */
  recover(id: string): Promise<void>;
}

/**
 * A VM is named by its UUID or by a `name_label` that no other VM has.
 * @param stateFolder need not exist until a record is asked for
 */
export function openFileStore(stateFolder: string): FileStore {
  const folder = join(stateFolder, "vms");
  const noteOf = (uuid: string) => join(folder, `.${uuid}.cut-off`);
  const starting = new Set<string>();
  const noted = new Set<string>();
  /** What is taken back needs no note of its own: the first one tells of nothing then. */
  const replaceNoted = (uuid: string, made: readonly RecordChange[], text: string) => {
    const isFirst = starting.has(uuid) && !noted.has(uuid);
    if (isFirst) writeCutOffFile(noteOf(uuid), made);
    try {
      replaceFile(folder, uuid, text);
      if (isFirst) noted.add(uuid);
    } catch (error) {
      // A start that cannot be taken back is one that was cut off.
      noted.delete(uuid);
      if (isFirst) removeCutOffFile(noteOf(uuid));
      throw error;
    }
  };
  return {
    read: (id) =>
      Promise.try(() => {
        const uuid = findUuid(folder, id);
        const record = checkRecord(readJson(folder, uuid), uuid, fileOf(folder, uuid));
        const cutOff = readCutOffFile(noteOf(uuid), record);
        return cutOff === null ? record : { ...record, cutOff };
      }),
    async apply(id, changes) {
      const uuid = findUuid(folder, id);
      const file = fileOf(folder, uuid);
      return withLock(join(folder, `.${uuid}.lock`), () => {
        const json = readJson(folder, uuid);
        const before = checkRecord(json, uuid, file);
        const merged = merge(json, before, applyChanges(before, changes), changes);
        const made = outstandingChanges(before, changes);
        const isChanged = JSON.stringify(merged) !== JSON.stringify(json);
        if (isChanged) replaceNoted(uuid, made, JSON.stringify(merged, null, 2));
        return made.map((change) => keepingDisk(json, before, change));
      });
    },
    recover(id) {
      return Promise.resolve().then(() => void starting.add(findUuid(folder, id)));
    },
    [Symbol.asyncDispose]() {
      for (const uuid of noted) removeCutOffFile(noteOf(uuid));
      noted.clear();
      return Promise.resolve();
    },
  };
}

function fileOf(folder: string, uuid: string): string {
  return join(folder, `${uuid}.json`);
}

/** Only a well-formed UUID ever becomes part of a path; any other id is compared with names. */
function findUuid(folder: string, id: string): string {
  const uuid = id.toLowerCase();
  if (UUID.test(uuid) && isThere(fileOf(folder, uuid))) return uuid;

  const { uuids, unreadable } = id === "" ? { uuids: [], unreadable: [] } : findByName(folder, id);
  const [only, ...others] = uuids;
  const shownId = JSON.stringify(id.slice(0, 200));
  if (only !== undefined && others.length > 0) {
    throw new GuestbootError("VM_UNKNOWN", `${shownId} is the name of more than one VM: ${uuids.join(", ")}`, {
      hint: "name the VM by its UUID",
    });
  }
  if (only !== undefined) return only;
  const skipped = unreadable.length === 0 ? "" : ` (passed over, because unreadable: ${unreadable.join(", ")})`;
  const missing = fs.existsSync(folder) ? "" : ": there is no such folder";
  throw new GuestbootError("VM_UNKNOWN", `no record of a VM ${shownId} in ${folder}${missing}${skipped}`, {
    hint: `a VM's record is ${folder}/<uuid>.json; GUESTBOOT_STATE_DIR or "state" in /etc/guestboot.conf names another folder`,
  });
}

/** @throws VM_INVALID when that cannot be said: a disk that fails must not look as if there were no such VM */
function isThere(file: string): boolean {
  try {
    return fs.lstatSync(file, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    throw new GuestbootError("VM_INVALID", `${file} cannot be read: ${systemReason(error)}`, { cause: error });
  }
}

/** The UUIDs of the VMs of that name. A damaged record of another VM does not keep this one from starting. */
function findByName(folder: string, name: string): { uuids: string[]; unreadable: string[] } {
  const uuids: string[] = [];
  const unreadable: string[] = [];
  const budget = new Budget(`files in ${folder}`, MOST_RECORDS);
  for (const fileName of filesIn(folder)) {
    budget.spend();
    const uuid = fileName.endsWith(".json") ? fileName.slice(0, -".json".length) : "";
    if (!UUID.test(uuid)) continue;
    try {
      if (readJson(folder, uuid)["name_label"] === name) uuids.push(uuid);
    } catch {
      unreadable.push(fileName);
    }
  }
  return { uuids: uuids.sort(), unreadable: unreadable.slice(0, 5) };
}

function* filesIn(folder: string): Generator<string> {
  let directory: fs.Dir;
  try {
    directory = fs.opendirSync(folder);
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return;
    throw new GuestbootError("VM_UNKNOWN", `${folder} cannot be read: ${systemReason(error)}`, { cause: error });
  }
  try {
    for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) yield entry.name;
  } finally {
    directory.closeSync();
  }
}

/** @throws VM_UNKNOWN when there is no file, VM_INVALID when it is no JSON object */
function readJson(folder: string, uuid: string): JsonObject {
  const file = fileOf(folder, uuid);
  const text = readText(file);
  let value: unknown;
  try {
    value = JSON.parse(text, keepNumber);
  } catch (error) {
    throw new GuestbootError("VM_INVALID", `${file} is not JSON: ${systemReason(error)}`, {
      cause: error,
      hint: `python3 -m json.tool ${file} shows where`,
    });
  }
  if (!isObject(value)) throw new GuestbootError("VM_INVALID", `${file}: must be one JSON object`);
  return value;
}

declare global {
  // https://tc39.es/proposal-json-parse-with-source/, which TypeScript's library does not have yet.
  interface JSON {
    parse(
      text: string,
      reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
    ): unknown;
    rawJSON(text: string): object;
  }
}

/** A number that JavaScript would write differently (2^64, 1.0) stays as it was written. */
function keepNumber(_key: string, value: unknown, context: { readonly source?: string }): unknown {
  if (typeof value !== "number" || context.source === undefined || String(value) === context.source) return value;
  return JSON.rawJSON(context.source);
}

/** Links are refused: the rename that replaces the record would put a file in the link's place. */
function readText(file: string): string {
  let descriptor: number | null = null;
  try {
    descriptor = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK | fs.constants.O_NOFOLLOW);
    const status = fs.fstatSync(descriptor);
    if (!status.isFile()) throw new GuestbootError("VM_INVALID", `${file} is not a regular file`);
    if (status.size > LARGEST_RECORD) {
      throw new GuestbootError(
        "VM_INVALID",
        `${file} has ${status.size} bytes; a VM's record has at most ${LARGEST_RECORD}`,
      );
    }
    return new TextDecoder("utf-8", { fatal: true }).decode(fs.readFileSync(descriptor));
  } catch (error) {
    if (error instanceof GuestbootError) throw error;
    if (isSystemError(error, "ENOENT")) {
      throw new GuestbootError("VM_UNKNOWN", `the VM's record ${file} is gone`, { cause: error });
    }
    const reason = isSystemError(error, "ELOOP") ? "it is a symbolic link" : systemReason(error);
    throw new GuestbootError("VM_INVALID", `${file} cannot be read: ${reason}`, { cause: error });
  } finally {
    if (descriptor !== null) giveBack(descriptor);
  }
}

/** The record with XenAPI's defaults for what is missing. @throws VM_INVALID naming file and field */
function checkRecord(json: JsonObject, uuid: string, file: string): VmRecord {
  const text = v.optional(v.string(), "");
  const schema = v.object({
    uuid: v.string(),
    name_label: text,
    PV_bootloader: text,
    PV_bootloader_args: text,
    PV_args: text,
    PV_kernel: text,
    PV_ramdisk: text,
    other_config: v.optional(v.record(v.string(), v.string()), {}),
    VBDs: v.optional(
      v.array(
        v.object({
          userdevice: v.string(),
          type: v.optional(v.picklist(["Disk", "CD", "Floppy"]), "Disk"),
          bootable: v.optional(v.boolean(), false),
          mode: v.optional(v.picklist(["RO", "RW"])),
        }),
      ),
      [],
    ),
  });
  const result = v.safeParse(schema, json, { abortEarly: true });
  if (!result.success) {
    const [issue] = result.issues;
    const wrong = issue.received === "undefined" ? "is missing" : `must be ${issue.expected}, is ${issue.received}`;
    throw new GuestbootError("VM_INVALID", `${file}: ${v.getDotPath(issue) ?? "the record"} ${wrong}`);
  }
  // To the schema a list is an object too.
  if (Array.isArray(json["other_config"])) {
    throw new GuestbootError("VM_INVALID", `${file}: other_config must be Object, is Array`);
  }
  if (result.output.uuid !== uuid) {
    const given = JSON.stringify(result.output.uuid.slice(0, 200));
    throw new GuestbootError("VM_INVALID", `${file}: uuid must be as the file's name says, is ${given}`);
  }
  return result.output;
}

/** `json` with what differs between the two records, everything else and its order left as it is. */
function merge(
  json: JsonObject,
  before: VmRecord,
  after: VmRecord,
  changes: readonly RecordChange[],
): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...json };
  for (const field of FIELDS) if (after[field] !== before[field]) merged[field] = after[field];

  const config = new Map(Object.entries(isObject(json["other_config"]) ? json["other_config"] : {}));
  for (const key of Object.keys(before.other_config)) if (!Object.hasOwn(after.other_config, key)) config.delete(key);
  for (const [key, value] of Object.entries(after.other_config)) config.set(key, value);
  if ("other_config" in json || config.size > 0) merged["other_config"] = Object.fromEntries(config);

  const disks = mergeDisks(disksOf(json), before, after, changes);
  if (Array.isArray(json["VBDs"]) || disks.length > 0) merged["VBDs"] = disks;
  return merged;
}

/**
 * The lock is held, so the temporary file can have one fixed name: what a killed writer left is used up by the next.
 * @throws NO_SPACE, VM_UNWRITABLE; then the record is as it was
 */
function replaceFile(folder: string, uuid: string, text: string): void {
  const file = fileOf(folder, uuid);
  const temporary = join(folder, `.${uuid}.json.new`);
  try {
    writeDurably(temporary, `${text}\n`, fs.statSync(file));
    fs.renameSync(temporary, file);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    const code = isSystemError(error, "ENOSPC", "EDQUOT") ? "NO_SPACE" : "VM_UNWRITABLE";
    throw new GuestbootError(code, `the VM's record ${file} cannot be changed: ${systemReason(error)}`, {
      cause: error,
    });
  }
}

/**
 * Writes a file that has the mode and the owner of `like`; when it returns, the disk has it (O_SYNC: the runtime's
 * permission model refuses fsync). The rename behind it reaches the disk with the file system's next commit: until
 * then a power failure leaves the record as it was, whole.
 */
function writeDurably(file: string, text: string, like: fs.Stats): void {
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW, O_SYNC } = fs.constants;
  const descriptor = fs.openSync(file, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_SYNC, 0o600);
  try {
    // By path, since fchmod and fchown are refused too. The file was made by us, in our own folder.
    const own = fs.fstatSync(descriptor);
    if (own.uid !== like.uid || own.gid !== like.gid) fs.chownSync(file, like.uid, like.gid);
    fs.chmodSync(file, like.mode & 0o7777);
    fs.writeFileSync(descriptor, text);
  } finally {
    fs.closeSync(descriptor);
  }
}
