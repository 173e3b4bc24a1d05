/**
 * Giving up rights before guest bytes are parsed: what has been opened stays open, and nothing else can be reached.
 *
 * The runtime's permission model is switched on by the executable's own options (see `scripts/build.ts`), and here
 * every permission is dropped for good; where a user is given, the process becomes that user for good.
 */
import { GuestbootError } from "../base/errors.ts";

const PERMISSIONS = ["fs.read", "fs.write", "net", "child", "worker", "addon", "ffi", "wasi", "inspector"] as const;

/** What `keep` may name: a folder read as a disk still has to be opened file by file. */
export type KeptPermission = "fs.read";

export interface ConfineOptions {
  /** The user to become, and the group of the same number. null: stay who we are. */
  readonly uid: number | null;
  readonly keep?: KeptPermission;
}

/** @throws CONFINEMENT_FAILED; guest bytes must not be touched then */
export function confine(options: ConfineOptions): void {
  if (options.uid !== null) becomeUser(options.uid);
  const permission = process.permission as DroppablePermission | undefined;
  if (permission === undefined) {
    throw new GuestbootError("CONFINEMENT_FAILED", "guestboot was started without the runtime's permission model", {
      hint: "start it as dist/guestboot or through dist/launch.js, which switch it on",
    });
  }
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

function becomeUser(uid: number): void {
  if (process.getuid?.() === uid && uid !== 0) return;
  try {
    process.setgroups?.([]);
    process.setgid?.(uid);
    process.setuid?.(uid);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new GuestbootError("CONFINEMENT_FAILED", `cannot become user ${uid}: ${reason}`, {
      cause: error,
      hint: "--runas and --domid need root",
    });
  }
  if (process.getuid?.() !== uid || process.geteuid?.() !== uid || process.getgid?.() !== uid) {
    throw new GuestbootError("CONFINEMENT_FAILED", `did not become user ${uid}`);
  }
}
