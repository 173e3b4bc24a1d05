/**
 * Giving up rights before guest bytes are parsed: what has been opened stays open, and nothing else can be reached.
 *
 * Two walls. The kernel's: an empty root folder, limits, a user of our own, and a filter of system calls that leaves
 * nothing that takes a path, makes a process or reaches a network; it holds whatever code runs in the process. The
 * runtime's permission model, inside it, gives clean errors and takes away the way to call into the C library.
 *
 * Not used: namespaces. unshare(2) is for the calling thread alone, and this process has others by then; what they
 * would hide can no longer be asked for (see `docs/SECURITY.md`, with what each wall costs).
 */
import * as fs from "node:fs";
import { allowedCalls, MISSING_CALLS } from "../base/allowed-calls.ts";
import { prepareQuickEnd } from "../base/end.ts";
import { GuestbootError, systemReason } from "../base/errors.ts";
import { kernelConfinement, type ResourceLimits } from "../base/kernel-confinement.ts";
import { dataLimit } from "../base/memory.ts";
import { readLimits } from "../base/limits.ts";
import { seccompProgram } from "../base/seccomp.ts";

const PERMISSIONS = ["fs.read", "fs.write", "net", "child", "worker", "addon", "ffi", "wasi", "inspector"] as const;

/** What `keep` may name: a folder read as a disk still has to be opened file by file. */
export type KeptPermission = "fs.read";

export interface ConfineOptions {
  /**
   * The user to become, and the group of the same number. null: as root, a user that nobody else on the host is; else
   * stay who we are.
   */
  readonly uid: number | null;
  /** The folder is the admin's own, so its reader stays who it is, and sees the host's files. */
  readonly keep?: KeptPermission;
  /** Bytes of the largest file that may be written; null: what goes to standard output has no limit. */
  readonly largestFile?: number | null;
}

/** A wall that a build for measuring can leave out; every other build has all. */
type Wall = "root" | "limits" | "user" | "filter";

/** Set by the build. */
declare const GUESTBOOT_WITHOUT: string | undefined;
const LEFT_OUT = typeof GUESTBOOT_WITHOUT === "string" ? GUESTBOOT_WITHOUT : "";

/** @throws CONFINEMENT_FAILED; guest bytes must not be touched then */
export function confine(options: ConfineOptions): void {
  const permission = process.permission as DroppablePermission | undefined;
  if (permission === undefined) {
    throw new GuestbootError("CONFINEMENT_FAILED", "guestboot was started without the runtime's permission model", {
      hint: "start it as dist/guestboot or through dist/launch.js, which switch it on",
    });
  }
  confineByKernel(options);
  for (const scope of PERMISSIONS) {
    if (scope === options.keep) continue;
    permission.drop(scope);
    if (permission.has(scope)) {
      throw new GuestbootError("CONFINEMENT_FAILED", `the permission ${scope} could not be given up`);
    }
  }
}

/** What Node 26 has at `process.permission`; the type declarations know only `has`. */
interface DroppablePermission {
  has(scope: string): boolean;
  drop(scope: string): void;
}

function confineByKernel({ uid, keep, largestFile = null }: ConfineOptions): void {
  const isUp = (wall: Wall) => !LEFT_OUT.includes(wall);
  const readsFiles = keep !== undefined;
  const kernel = kernelConfinement();
  prepareQuickEnd();
  const isRoot = process.geteuid?.() === 0;
  if (isUp("filter")) kernel.leaveIoUring();
  const limits = resourceLimits(largestFile, readsFiles);
  const filter = seccompProgram(allowedCalls(process.pid, readsFiles), MISSING_CALLS);
  if (isRoot && !readsFiles && isUp("root")) kernel.emptyRoot();
  if (isUp("limits")) kernel.limitResources(limits);
  if (isUp("user")) becomeUser(uid, isRoot && !readsFiles);
  kernel.hideMemory();
  if (isUp("filter")) kernel.filterCalls(filter);
}

function resourceLimits(largestFile: number | null, readsFiles: boolean): ResourceLimits {
  const data = dataLimit(readLimits().memory);
  return {
    core: 0,
    processes: 0,
    lockedMemory: 0,
    ...(largestFile === null ? {} : { fileSize: largestFile }),
    ...(data === null ? {} : { data }),
    ...(readsFiles ? {} : { openFiles: descriptorsInUse() }),
  };
}

/** Enough for what is open, and nothing more; poll(2) wants as much too. */
function descriptorsInUse(): number {
  return Math.max(...openDescriptors()) + 1;
}

/** Looked for where there is no /proc, as in a bare root: a loader is started with a handful and opens few more. */
const MOST_LOOKED_FOR = 1024;

function openDescriptors(): number[] {
  try {
    return fs.readdirSync("/proc/self/fd").map(Number);
  } catch {
    return Array.from({ length: MOST_LOOKED_FOR }, (_, descriptor) => descriptor).filter(isOpen);
  }
}

function isOpen(descriptor: number): boolean {
  try {
    fs.fstatSync(descriptor);
    return true;
  } catch {
    return false;
  }
}

/**
 * Users that no distribution gives to anybody (systemd's list of ranges, https://systemd.io/UIDS-GIDS): one for each
 * process number there can be, so that two starts are strangers to each other.
 */
const FIRST_OWN_USER = 1_900_000_000;
/** Where a user namespace of a container does not have them. */
const NOBODY = 65534;

function becomeUser(wanted: number | null, byDefault: boolean): void {
  if (wanted !== null && wanted !== 0) {
    become(wanted);
    return;
  }
  if (!byDefault) return;
  try {
    become(FIRST_OWN_USER + process.pid);
  } catch {
    become(NOBODY);
  }
}

function become(uid: number): void {
  if (process.getuid?.() === uid) return;
  try {
    process.setgroups?.([]);
    process.setgid?.(uid);
    process.setuid?.(uid);
  } catch (error) {
    throw new GuestbootError("CONFINEMENT_FAILED", `cannot become user ${uid}: ${systemReason(error)}`, {
      cause: error,
      hint: "--runas and --domid need root",
    });
  }
  if (process.getuid?.() !== uid || process.geteuid?.() !== uid || process.getgid?.() !== uid) {
    throw new GuestbootError("CONFINEMENT_FAILED", `did not become user ${uid}`);
  }
}
