/**
 * VM records in xapi's database (XenServer, XCP-ng). One session for as long as the store is open.
 *
 * All the changes of a round are one function: made in an order that a kill cannot hurt (see unfinished.ts), and taken
 * back when one of them fails. A kill after the last of them and before the answer is given leaves a VM that boots
 * from its disk, and the note that was not taken away: what is read tells of it, and `guestboot vm reinstall` is for
 * that.
 */
import { GuestbootError } from "../../base/errors.ts";
import { quote } from "../../base/printable.ts";
import { applyChanges, outstandingChanges } from "../apply-changes.ts";
import { stateOf, writeNote } from "../noted-changes.ts";
import { inverseOf, type RecordChange, type RecordStore, type VmRecord } from "../vm-record.ts";
import { keepingDisk, makeChange, setOtherConfig } from "./make-change.ts";
import { readVm, type XapiVm } from "./read-vm.ts";
import { XapiFailure } from "./rpc.ts";
import { openSession, type XapiLogin, type XapiSession } from "./session.ts";
import { inOrder, readCutOff, readUnfinished, UNFINISHED_KEY } from "./unfinished.ts";

export interface XapiStore extends RecordStore, AsyncDisposable {
  /**
   * Puts the record back to where it was before a start that was killed on its way; nothing when there is none. For
   * loaders only: an admin who just looks must not take back what a start is about to make.
   */
  recover(id: string): Promise<void>;
  /** Starts the VM and waits until it runs, or until xapi says why not. */
  start(id: string): Promise<void>;
}

/** A start has its own limits, and a loader in it that downloads: nothing is gained by giving up before them. */
const START_SECONDS = 24 * 3600;

export function openXapiStore(login: XapiLogin): XapiStore {
  const session = openSession(login);
  /** What was made by this store and can still be taken back; its note stays in the record that long. */
  const noted = new Map<string, readonly RecordChange[]>();

  const recover = async (vm: XapiVm): Promise<XapiVm> => {
    if (!Object.hasOwn(vm.record.other_config, UNFINISHED_KEY)) return vm;
    await takeBack(session, vm, readUnfinished(vm.record) ?? []);
    await removeNote(session, vm);
    return readVm(session, vm.record.uuid);
  };

  return {
    async read(id) {
      return saying(session, id, "VM_INVALID", async () => asBeforeUnfinished((await readVm(session, id)).record));
    },

    async apply(id, changes) {
      return saying(session, id, "VM_UNWRITABLE", async () => {
        let vm = await readVm(session, id);
        const before = noted.get(vm.record.uuid);
        if (before === undefined) vm = await recover(vm);
        const seen = withoutNote(vm.record);
        applyChanges(seen, changes);
        const made = outstandingChanges(seen, changes).map((change) => keepingDisk(vm, change));
        if (made.length === 0) return made;
        if (before !== undefined && isUndoing(before, made)) {
          const wanted = made.map(keyOf);
          const back = inverseOf(before).reverse();
          // Where that fails, the note stays, and tells what is left of the start.
          noted.delete(vm.record.uuid);
          await makeAll(
            session,
            vm,
            back.filter((change) => wanted.includes(keyOf(change))),
          );
          await removeNote(session, vm);
          return made;
        }
        const ordered = inOrder(made);
        if (ordered.length > 1) {
          await setOtherConfig(session, vm, UNFINISHED_KEY, writeNote(ordered));
          noted.set(vm.record.uuid, ordered);
        }
        try {
          await makeAll(session, vm, ordered);
        } catch (error) {
          await takeBackAfter(session, error, vm, ordered);
          noted.delete(vm.record.uuid);
          throw error;
        }
        return made;
      });
    },

    async recover(id) {
      await saying(session, id, "VM_UNWRITABLE", async () => recover(await readVm(session, id)));
    },

    async start(id) {
      await saying(session, id, "TOOLSTACK_REFUSED", async () => {
        const { ref } = await readVm(session, id);
        await session.call("VM.start", [ref, false, false], { timeoutSeconds: START_SECONDS });
      });
    },

    async [Symbol.asyncDispose]() {
      for (const uuid of noted.keys()) {
        // A note that stays says that its last change was made, and is passed over.
        await readVm(session, uuid)
          .then((vm) => removeNote(session, vm))
          .catch(() => undefined);
      }
      noted.clear();
      await session[Symbol.asyncDispose]();
    },
  };
}

async function makeAll(session: XapiSession, vm: XapiVm, changes: readonly RecordChange[]): Promise<void> {
  for (const change of changes) await makeChange(session, vm, change);
}

/**
 * Undoes those of `changes`, the last first, that stand in the record now. What a failed call has done nobody knows
 * but the record; and what somebody else has made of it since is theirs.
 */
async function takeBack(session: XapiSession, vm: XapiVm, changes: readonly RecordChange[]): Promise<void> {
  for (const change of changes.toReversed()) {
    const state = stateOf(vm.record, change);
    if (state === "to" || state === "half") await makeAll(session, vm, inverseOf([change]));
  }
}

/** @throws VM_UNWRITABLE when not even that can be done; the next start does it then */
async function takeBackAfter(
  session: XapiSession,
  error: unknown,
  { record: { uuid } }: XapiVm,
  changes: readonly RecordChange[],
): Promise<void> {
  try {
    const now = await readVm(session, uuid);
    await takeBack(session, now, changes);
    await removeNote(session, now);
  } catch (second) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new GuestbootError("VM_UNWRITABLE", `VM ${uuid} is changed by half: ${reason}; nor can that be taken back`, {
      cause: second,
      hint: `the VM's next start takes it back; guestboot vm show ${uuid} tells what it will do`,
    });
  }
}

async function removeNote(session: XapiSession, vm: XapiVm): Promise<void> {
  if (!Object.hasOwn(vm.record.other_config, UNFINISHED_KEY)) return;
  await session.call("VM.remove_from_other_config", [vm.ref, UNFINISHED_KEY]);
}

/** The record that counts: what a killed start had begun to change is as it was before. */
function asBeforeUnfinished(record: VmRecord): VmRecord {
  const cutOff = readCutOff(record);
  if (cutOff !== null) return { ...withoutNote(record), cutOff };
  const unfinished = readUnfinished(record) ?? [];
  const back = inverseOf(unfinished).reverse();
  return withoutNote(back.reduce(withChange, record));
}

/** Without the checks of applyChanges: a key that is being replaced is neither what it was nor what it will be. */
function withChange(record: VmRecord, change: RecordChange): VmRecord {
  if (change.kind !== "other_config") return applyChanges(record, [change]);
  const rest = Object.entries(record.other_config).filter(([key]) => key !== change.key);
  return {
    ...record,
    other_config: Object.fromEntries(change.to === null ? rest : [...rest, [change.key, change.to]]),
  };
}

function withoutNote(record: VmRecord): VmRecord {
  const config = Object.entries(record.other_config).filter(([key]) => key !== UNFINISHED_KEY);
  return { ...record, other_config: Object.fromEntries(config) };
}

/** Do `changes` take back some of what was made, and do nothing else? */
function isUndoing(made: readonly RecordChange[], changes: readonly RecordChange[]): boolean {
  const back = inverseOf(made).map(keyOf);
  return changes.every((change) => back.includes(keyOf(change)));
}

function keyOf(change: RecordChange): string {
  if (change.kind === "disk") return JSON.stringify(["disk", change.userdevice, change.to === null]);
  const what = change.kind === "field" ? change.field : change.kind === "bootable" ? change.userdevice : change.key;
  return JSON.stringify([change.kind, what, change.to]);
}

/** xapi's own "no" in our words. */
async function saying<T>(
  session: XapiSession,
  id: string,
  code: "VM_INVALID" | "VM_UNWRITABLE" | "TOOLSTACK_REFUSED",
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof XapiFailure)) throw error;
    const details = [error.code, ...error.params].map(quote).join(", ");
    const isGone = error.code === "HANDLE_INVALID" || error.code === "UUID_INVALID";
    throw new GuestbootError(
      isGone ? "VM_UNKNOWN" : code === "VM_INVALID" ? "TOOLSTACK_REFUSED" : code,
      `xapi at ${session.name} refuses for VM ${quote(id)}: ${details}`,
      {
        cause: error,
        hint: isGone ? "xe vm-list shows which VMs there are" : "xapi's own log tells more: /var/log/xensource.log",
      },
    );
  }
}
