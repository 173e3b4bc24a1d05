/**
 * A VM record in a guest's own file: that of an `xl` or `xm` guest, or an export of xend. For an admin's commands, not
 * for starts: no toolstack tells a loader where the guest's file is.
 */
import * as fs from "node:fs";
import { dirname, join, basename } from "node:path";
import { GuestbootError, systemReason } from "../base/errors.ts";
import { decodeText, encodeText } from "../base/text.ts";
import { changeBootText, type BootText } from "./boot-text.ts";
import { parseGuestFile } from "./guest-file.ts";
import { parseSxpGuest } from "./sxp.ts";
import type { RecordStore } from "./vm-record.ts";

/** In bytes; a guest's file has hundreds of them. */
const LARGEST = 1024 * 1024;

/** Is `id`, as an admin names a VM, the path of such a file? Names and UUIDs have no slash. */
export function isGuestFile(id: string): boolean {
  return id.includes("/") && fs.statSync(id, { throwIfNoEntry: false })?.isFile() === true;
}

/** The one record of `file`, whatever it is asked for by. */
export function openGuestStore(file: string): RecordStore {
  return {
    read: () => Promise.resolve().then(() => parse(readText(file)).record),
    apply: (_id, changes) =>
      Promise.resolve().then(() => {
        const text = readText(file);
        const changed = changeBootText(text, parse, changes);
        if (changed.text !== text) replaceFile(file, text, changed.text);
        return changed.made;
      }),
  };
}

function parse(text: string): BootText {
  return text.trimStart().startsWith("(") ? parseSxpGuest(text) : parseGuestFile(text);
}

function readText(file: string): string {
  let descriptor: number | null = null;
  try {
    descriptor = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    const { size } = fs.fstatSync(descriptor);
    if (size <= LARGEST) return decodeText(fs.readFileSync(descriptor));
  } catch (error) {
    throw new GuestbootError("VM_INVALID", `${file} cannot be read: ${systemReason(error)}`, { cause: error });
  } finally {
    if (descriptor !== null) fs.closeSync(descriptor);
  }
  throw new GuestbootError("VM_INVALID", `${file} is larger than a guest's file can be (${LARGEST} bytes)`);
}

/** In one step, through links to the file itself, with its mode and owner. */
function replaceFile(given: string, before: string, after: string): void {
  const file = fs.realpathSync(given);
  const like = fs.statSync(file);
  const temporary = join(dirname(file), `.${basename(file)}.guestboot-new`);
  try {
    fs.rmSync(temporary, { force: true });
    fs.writeFileSync(temporary, encodeText(after), { mode: 0o600, flag: "wx" });
    fs.chownSync(temporary, like.uid, like.gid);
    fs.chmodSync(temporary, like.mode & 0o7777);
    if (readText(file) !== before) throw new GuestbootError("VM_CHANGED", `somebody else changed ${file} just now`);
    fs.renameSync(temporary, file);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    if (error instanceof GuestbootError) throw error;
    throw new GuestbootError("VM_UNWRITABLE", `${file} cannot be changed: ${systemReason(error)}`, { cause: error });
  }
}
