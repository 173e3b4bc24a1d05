/**
 * The kernel and ramdisk that a start puts into the boot directory, and the owner that removes them again.
 *
 * A loader that has given up its rights cannot unlink a file any more, and a toolstack cancels with SIGKILL. So a
 * small shell beside us owns the two names: it waits on a pipe, and when the pipe ends without a word to keep them,
 * however we ended, it removes them. It knows nothing but these two paths.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { giveBack } from "../base/give-back.ts";
import { spawnBeside, waitForEnd, type SpawnedProgram } from "../base/spawn.ts";
import { GuestbootError, isSystemError, systemReason } from "../base/errors.ts";

/** What of the two files the answer names. */
export type Kept = "kernel" | "kernel and ramdisk";

export interface BootFiles extends Disposable {
  /** Paths; nothing is there until the caller makes it. */
  readonly kernel: string;
  readonly ramdisk: string;
  /** The answer has been given: what it names belongs to the toolstack now, the rest is removed. */
  keep(kept: Kept): void;
}

const OWNER_SCRIPT = `trap '' HUP INT TERM
read -r kept
case $kept in
  'kernel and ramdisk') ;;
  kernel) rm -f -- "$2" ;;
  *) rm -f -- "$1" "$2" ;;
esac`;

/** How long the end of a failed start waits for the owner to have removed the files. */
const OWNER_TIMEOUT_MS = 5_000;

const NAME_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789";

/**
 * Makes the boot directory ready: the default one is made with mode 0700 when it is missing, a given one must exist.
 *
 * @throws BOOT_DIRECTORY
 */
export function prepareBootDirectory(folder: string, options: { readonly make: boolean }): void {
  try {
    if (options.make) fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    if (!fs.statSync(folder).isDirectory()) {
      throw new GuestbootError("BOOT_DIRECTORY", `boot directory ${folder} is not a folder`);
    }
    fs.accessSync(folder, fs.constants.W_OK | fs.constants.X_OK);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new GuestbootError("BOOT_DIRECTORY", `boot directory ${folder} cannot be used: ${systemReason(error)}`, {
      cause: error,
      hint: isSystemError(error, "ENOENT") ? `mkdir -p -m 0700 ${folder}` : `ls -ld ${folder}`,
    });
  }
}

/** Chooses two new names in `folder` and starts their owner. @throws BOOT_DIRECTORY when no owner can be started */
export function ownBootFiles(folder: string): BootFiles {
  const kernel = freshName(folder, "boot_kernel");
  const ramdisk = freshName(folder, "boot_ramdisk");
  const owner = startOwner(kernel, ramdisk);
  let kept = false;
  return {
    kernel,
    ramdisk,
    keep(which) {
      kept = true;
      tellOwner(owner.input, which);
      // An empty ramdisk is to be gone when the toolstack looks.
      if (which === "kernel") waitForEnd(owner, OWNER_TIMEOUT_MS);
    },
    [Symbol.dispose]() {
      giveBack(owner.input);
      if (!kept) waitForEnd(owner, OWNER_TIMEOUT_MS);
      giveBack(owner.output);
    },
  };
}

function startOwner(kernel: string, ramdisk: string): SpawnedProgram {
  try {
    return spawnBeside(["/bin/sh", "-c", OWNER_SCRIPT, "guestboot-owner", kernel, ramdisk], ["PATH=/usr/bin:/bin"]);
  } catch (error) {
    const reason = systemReason(error);
    throw new GuestbootError("BOOT_DIRECTORY", `no owner could be started for the boot files: ${reason}`, {
      cause: error,
    });
  }
}

/** The answer is out by now: an owner that is gone removes nothing, so that is no failure. */
function tellOwner(input: number, kept: Kept): void {
  try {
    fs.writeSync(input, `${kept}\n`);
  } catch (error) {
    if (!isSystemError(error, "EPIPE")) throw error;
  }
}

/** Creates an empty file that nobody else has opened. @returns the descriptor, open for writing */
export function createBootFile(file: string): number {
  try {
    return fs.openSync(file, fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_EXCL, 0o600);
  } catch (error) {
    throw new GuestbootError("BOOT_DIRECTORY", `${file} cannot be made: ${systemReason(error)}`, { cause: error });
  }
}

/** Not a secret: whoever could guess the name could list the folder, and O_EXCL and link(2) take no name twice. */
function freshName(folder: string, stem: string): string {
  const pick = () => NAME_CHARACTERS[Math.floor(Math.random() * NAME_CHARACTERS.length)] ?? "x";
  return path.join(folder, `${stem}.${Array.from({ length: 6 }, pick).join("")}`);
}
