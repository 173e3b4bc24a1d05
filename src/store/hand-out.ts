/**
 * Gives a toolstack its own name for a file of the store, with as little copying as the filesystems allow. The name is
 * theirs to remove: toolstacks unlink kernel and ramdisk once the domain is built.
 */
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  linkSync,
  openSync,
  readSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { GuestbootError, isSystemError, systemReason } from "../base/errors.ts";
import { pinAndLink } from "./pins.ts";
import { checkSpace, noSpace } from "./space.ts";

export type HandedOutBy = "hard link" | "reflink" | "symbolic link" | "copy";

const COPY_BUFFER_BYTES = 1024 * 1024;

/**
 * Makes `target` a name for the bytes of `object`. A hard link shares the object's read-only mode; a reflink and a
 * copy are ours alone (mode 0600).
 * @param store the store's folder, where `target` may be a symbolic link to a pin in it; null where it must be a file
 *   of its own
 * @throws BOOT_DIRECTORY when `target` exists or its folder cannot be written; NO_SPACE; STORE_DAMAGED when the object
 *   is gone. There is no `target` then.
 */
export function handOut(object: string, target: string, store: string | null = null): HandedOutBy {
  try {
    return (
      tryHardLink(object, target) ??
      tryReflink(object, target) ??
      trySymbolicLink(object, target, store) ??
      copy(object, target)
    );
  } catch (error) {
    throw explain(error, object, target);
  }
}

function tryHardLink(object: string, target: string): HandedOutBy | null {
  try {
    linkSync(object, target);
    return "hard link";
  } catch (error) {
    // Another filesystem; links not allowed or not known there; too many links.
    if (isSystemError(error, "EXDEV", "EPERM", "EMLINK", "ENOTSUP", "EOPNOTSUPP", "ENOSYS")) return null;
    throw error;
  }
}

function tryReflink(object: string, target: string): HandedOutBy | null {
  try {
    copyFileSync(object, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
  } catch (error) {
    // ioctl_ficlone(2): another filesystem, or one that shares no blocks. The half-made target is already removed.
    if (isSystemError(error, "EXDEV", "EPERM", "EINVAL", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "ENOTTY")) return null;
    throw error;
  }
  chmodSync(target, 0o600);
  return "reflink";
}

function trySymbolicLink(object: string, target: string, store: string | null): HandedOutBy | null {
  return store !== null && pinAndLink(store, object, target) ? "symbolic link" : null;
}

function copy(object: string, target: string): HandedOutBy {
  checkSpace(dirname(target), statSync(object).size, target);
  const from = openSync(object, "r");
  try {
    const to = openSync(target, "wx", 0o600);
    try {
      copyBytes(from, to);
    } catch (error) {
      unlinkSync(target);
      throw error;
    } finally {
      closeSync(to);
    }
  } finally {
    closeSync(from);
  }
  return "copy";
}

function copyBytes(from: number, to: number): void {
  const buffer = Buffer.allocUnsafe(COPY_BUFFER_BYTES);
  for (;;) {
    const length = readSync(from, buffer);
    if (length === 0) return;
    for (let done = 0; done < length;) done += writeSync(to, buffer, done, length - done);
  }
}

function explain(error: unknown, object: string, target: string): unknown {
  if (error instanceof GuestbootError || !isSystemError(error)) return error;
  const folder = dirname(target);
  if (error.code === "ENOSPC" || error.code === "EDQUOT") {
    return noSpace(folder, statSync(object, { throwIfNoEntry: false })?.size ?? null, target, error);
  }
  if (error.code === "EEXIST") {
    return new GuestbootError("BOOT_DIRECTORY", `${target} exists already`, {
      hint: `another start may be using it; if none is running: rm ${target}`,
      cause: error,
    });
  }
  if (!existsSync(object)) {
    return new GuestbootError("STORE_DAMAGED", `the file ${object} has gone from the cache`, {
      hint: "start again: it will be fetched anew",
      cause: error,
    });
  }
  return new GuestbootError("BOOT_DIRECTORY", `${target} cannot be written: ${systemReason(error)}`, {
    hint: `look at the folder and its filesystem: ls -ld ${folder}; df ${folder}`,
    cause: error,
  });
}
