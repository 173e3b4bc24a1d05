/**
 * A note beside a VM's record that is a file: the changes of a start, from before they are made until its toolstack has
 * the answer. A record is replaced whole, so that they are all made or none; a note whose changes stand in the record
 * tells of a start that was killed in between. A note that stays for another reason tells of nothing.
 */
import * as fs from "node:fs";
import { GuestbootError, isSystemError, systemReason } from "../base/errors.ts";
import { areMade, readNote, writeNote } from "./noted-changes.ts";
import type { RecordChange, VmRecord } from "./vm-record.ts";

/** In bytes; what a note can be is less. */
const LARGEST = 1024 * 1024;

/**
 * For a process that is killed, not for the host's power, which takes the VM too: it need not reach the disk.
 * @throws NO_SPACE, VM_UNWRITABLE
 */
export function writeCutOffFile(file: string, changes: readonly RecordChange[]): void {
  try {
    // A link that somebody else has put there is not followed.
    fs.rmSync(file, { force: true });
    fs.writeFileSync(file, writeNote(changes), { mode: 0o600, flag: "wx" });
  } catch (error) {
    removeCutOffFile(file);
    const code = isSystemError(error, "ENOSPC", "EDQUOT") ? "NO_SPACE" : "VM_UNWRITABLE";
    throw new GuestbootError(code, `the note ${file} cannot be written: ${systemReason(error)}`, { cause: error });
  }
}

/** The changes of a start that was cut off after them; null when there is none, or nobody can tell. */
export function readCutOffFile(file: string, record: VmRecord): readonly RecordChange[] | null {
  try {
    const status = fs.lstatSync(file, { throwIfNoEntry: false });
    if (status?.isFile() !== true || status.size > LARGEST) return null;
    const changes = readNote(fs.readFileSync(file, "utf8"));
    return changes !== null && areMade(record, changes) ? changes : null;
  } catch {
    // A start does not fail for a note about another one.
    return null;
  }
}

/** One that stays does no harm. */
export function removeCutOffFile(file: string): void {
  try {
    fs.rmSync(file, { force: true });
  } catch {
    // The next start's takes its place.
  }
}
