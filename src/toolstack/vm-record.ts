/**
 * What a toolstack knows of a VM, in XenAPI's field names, and how a start changes it. Plain data and pure functions.
 */

export interface VirtualBlockDevice {
  readonly userdevice: string;
  readonly type: "Disk" | "CD" | "Floppy";
  readonly bootable: boolean;
  /** Whether the guest may write to it; RW where nobody says. */
  readonly mode?: "RO" | "RW" | undefined;
}

export interface VmRecord {
  readonly uuid: string;
  readonly name_label: string;
  readonly PV_bootloader: string;
  readonly PV_bootloader_args: string;
  readonly PV_args: string;
  readonly PV_kernel: string;
  readonly PV_ramdisk: string;
  readonly other_config: Readonly<Record<string, string>>;
  readonly VBDs: readonly VirtualBlockDevice[];
  /**
   * What a start has changed that was not seen to end: it may have been killed before its toolstack had the answer.
   * A guest's own file, which no start changes, has none.
   */
  readonly cutOff?: readonly RecordChange[];
}

export type BootField = "PV_bootloader" | "PV_bootloader_args" | "PV_args" | "PV_kernel" | "PV_ramdisk";

/**
 * One change to a record, with the value it was planned from, so that it can be taken back and so that somebody
 * else's change in between is noticed. For `other_config`, null means that the key is absent.
 */
export type RecordChange =
  | { readonly kind: "field"; readonly field: BootField; readonly from: string; readonly to: string }
  | { readonly kind: "other_config"; readonly key: string; readonly from: string | null; readonly to: string | null }
  | { readonly kind: "bootable"; readonly userdevice: string; readonly from: boolean; readonly to: boolean }
  | DiskChange;

/** A disk is taken away from the VM, or given back to it. What is on the disk is not touched. */
export interface DiskChange {
  readonly kind: "disk";
  readonly userdevice: string;
  /** null: the VM has no such disk. */
  readonly from: VirtualBlockDevice | null;
  readonly to: VirtualBlockDevice | null;
  /** What a store needs to give the disk back just as it was: its own business, in what `apply` returns. */
  readonly kept?: unknown;
}

/** Where VM records live. */
export interface RecordStore {
  /** @throws VM_UNKNOWN, VM_INVALID */
  read(id: string): Promise<VmRecord>;
  /**
   * Applies all of `changes`, or none. A change whose `to` already stands counts as applied.
   * @returns the changes that were really made here: what taking them back must undo, and no more
   * @throws VM_CHANGED when a value is neither `from` nor `to` any more; VM_UNKNOWN, VM_INVALID, VM_UNWRITABLE, LOCK_TIMEOUT
   */
  apply(id: string, changes: readonly RecordChange[]): Promise<readonly RecordChange[]>;
}

/** The changes that undo `changes`. */
export function inverseOf(changes: readonly RecordChange[]): RecordChange[] {
  return changes.map((change): RecordChange => {
    switch (change.kind) {
      case "field":
        return { ...change, from: change.to, to: change.from };
      case "other_config":
        return { ...change, from: change.to, to: change.from };
      case "bootable":
        return { ...change, from: change.to, to: change.from };
      case "disk":
        return { ...change, from: change.to, to: change.from };
    }
  });
}
