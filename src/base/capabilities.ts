/**
 * What root may beyond others, piece by piece: capabilities(7). Of the calling thread and those that it makes; programs
 * that it starts get no more, where the bit no_new_privs is set.
 */
import { GuestbootError } from "./errors.ts";
import type { SystemCalls } from "./system-call.ts";

/** linux/capability.h: version 3 has two words of 32 bits for each set. */
const VERSION = 0x20080522;
/** asm/unistd_64.h */
const CAPGET = 125;
const CAPSET = 126;

/** Gives up all but these (numbers below 32). @throws CONFINEMENT_FAILED */
export function keepCapabilities(kept: readonly number[], { call, addressOf }: SystemCalls): void {
  // struct __user_cap_header_struct, and two of __user_cap_data_struct: effective, permitted, inheritable.
  const [header, sets] = [new Uint32Array([VERSION, 0]), new Uint32Array(6)];
  const [of, at] = [addressOf(header), addressOf(sets)];
  let isDone = call(CAPGET, of, at) === 0;
  const mask = kept.reduce((bits, capability) => bits | (1 << capability), 0);
  const permitted = (sets[1] ?? 0) & mask;
  sets.set([permitted, permitted, 0, 0, 0, 0]);
  isDone &&= call(CAPSET, of, at) === 0;
  if (!isDone) throw new GuestbootError("CONFINEMENT_FAILED", "rights could not be given up: capset failed");
}
