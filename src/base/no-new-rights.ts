/**
 * PR_SET_NO_NEW_PRIVS: whatever is executed from now on gives this thread, and those that it makes, no rights that it
 * has not. The kernel lays neither Landlock's rules nor a filter of system calls on a thread without it. For good.
 */
import { GuestbootError } from "./errors.ts";
import type { SystemCalls } from "./system-call.ts";

/** asm/unistd_64.h, linux/prctl.h */
const PRCTL = 157;
const PR_SET_NO_NEW_PRIVS = 38;

/** @throws CONFINEMENT_FAILED */
export function refuseNewRights({ call }: SystemCalls): void {
  if (call(PRCTL, PR_SET_NO_NEW_PRIVS, 1) === 0) return;
  throw new GuestbootError("CONFINEMENT_FAILED", "rights could not be given up: prctl(PR_SET_NO_NEW_PRIVS) failed");
}
