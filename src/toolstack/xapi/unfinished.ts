/**
 * A round's changes while they are being made. xapi has no transactions: each change is a call of its own, and a start
 * can be killed between any two. So before the first one, all of them are written into the VM's own other-config,
 * where the next start finds them on whichever host it runs; it goes when the start is over.
 *
 * The changes are made in the note's order, the last of them being the one that decides what the next start is. While
 * that one has not been made, nothing counts: the record is what it was before the first.
 */
import { areMade, readNote, stateOf } from "../noted-changes.ts";
import type { RecordChange, VmRecord } from "../vm-record.ts";

/** The key in other-config. */
export const UNFINISHED_KEY = "guestboot-unfinished";

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
 * The changes that a start began and did not finish, in the order in which they were made; null when there are none,
 * when the last was made too, or when somebody has changed the record since in a way that no start does.
 */
export function readUnfinished(record: VmRecord): readonly RecordChange[] | null {
  const text = record.other_config[UNFINISHED_KEY];
  const changes = text === undefined ? null : readNote(text);
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
  const changes = text === undefined ? null : readNote(text);
  return changes !== null && areMade(record, changes) ? changes : null;
}
