/**
 * A filter of system calls, as the program of the classic BPF that seccomp(2) takes, built from a list of what is
 * allowed. Pure: who installs it is `kernel-confinement.ts`. For x86-64, the one machine that we are built for.
 *
 * https://docs.kernel.org/userspace-api/seccomp_filter.html; numbers of the calls: asm/unistd_64.h of Linux.
 */

/** A call that is allowed where one argument (its lower 32 bits) is one of these, has none of these bits, or one. */
export type BoundCall =
  | { readonly call: number; readonly argument: number; readonly oneOf: readonly number[] }
  | { readonly call: number; readonly argument: number; readonly without: number }
  | { readonly call: number; readonly argument: number; readonly withBit: number };

/** A call that is allowed: always, or as bound. */
export type AllowedCall = { readonly call: number } | BoundCall;

/** What a process that does too much to list it must not do; the rest is allowed. */
export interface Denials {
  /** Fail with EPERM. */
  readonly denied: readonly number[];
  /** Fail with EPERM unless they are as bound. */
  readonly bound?: readonly BoundCall[];
  /** Fail as if the kernel did not have them, so that the C library takes an older one. */
  readonly missing?: readonly number[];
}

/** BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ|BPF_K and so on: linux/bpf_common.h. */
const LOAD = 0x20;
const JUMP_EQUAL = 0x15;
const JUMP_GREATER_OR_EQUAL = 0x35;
const JUMP_ANY_BIT = 0x45;
const RETURN = 0x06;

const ALLOW = 0x7fff0000;
const FAIL = 0x00050000;
const EPERM = 1;
const ENOSYS = 38;

/** struct seccomp_data: number of the call, architecture, address, six arguments of 64 bits. */
const OFFSET_OF_CALL = 0;
const OFFSET_OF_ARCHITECTURE = 4;
const OFFSET_OF_ARGUMENTS = 16;
const AUDIT_ARCH_X86_64 = 0xc000003e;
/** Calls of the x32 ABI have this bit, and other meanings. */
const X32_BIT = 0x40000000;

/** One instruction. Jumps of more than 255 instructions there are not. */
type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, value: number];

const fail = (errno: number): Instruction => [RETURN, 0, 0, FAIL | errno];
const allow: Instruction = [RETURN, 0, 0, ALLOW];

/** How each program begins: no other machine's calls, no x32; then the call's number is at hand. */
const OWN_CALLS_ONLY: readonly Instruction[] = [
  [LOAD, 0, 0, OFFSET_OF_ARCHITECTURE],
  [JUMP_EQUAL, 1, 0, AUDIT_ARCH_X86_64],
  fail(EPERM),
  [LOAD, 0, 0, OFFSET_OF_CALL],
  [JUMP_GREATER_OR_EQUAL, 0, 1, X32_BIT],
  fail(EPERM),
];

/**
 * @param missing calls that fail as if the kernel did not have them, so that the C library takes an older one; every
 *   other call that is not allowed fails with EPERM
 * @returns the bytes of an array of struct sock_filter, little-endian
 */
export function seccompProgram(allowed: readonly AllowedCall[], missing: readonly number[] = []): Uint8Array {
  return bytesOf([
    ...OWN_CALLS_ONLY,
    ...allowed.flatMap((rule) => whenCalled(rule.call, ruleOf(rule))),
    ...missing.flatMap((call) => whenCalled(call, [fail(ENOSYS)])),
    fail(EPERM),
  ]);
}

/** As `seccompProgram`, of what is forbidden. */
export function seccompDenials({ denied, bound = [], missing = [] }: Denials): Uint8Array {
  const begin = [...OWN_CALLS_ONLY, ...bound.flatMap((rule) => whenCalled(rule.call, ruleOf(rule)))];
  // Both ends are shared: each call takes one instruction, a jump over what is left of the list.
  const all = denied.length + missing.length;
  const jumps = denied.map((call, index): Instruction => [JUMP_EQUAL, all - index, 0, call]);
  const more = missing.map((call, index): Instruction => [JUMP_EQUAL, missing.length - index + 1, 0, call]);
  return bytesOf([...begin, ...jumps, ...more, allow, fail(EPERM), fail(ENOSYS)]);
}

function whenCalled(call: number, then: readonly Instruction[]): Instruction[] {
  return [[JUMP_EQUAL, 0, then.length, call], ...then];
}

function ruleOf(rule: AllowedCall): Instruction[] {
  if (!("argument" in rule)) return [allow];
  const load: Instruction = [LOAD, 0, 0, OFFSET_OF_ARGUMENTS + 8 * rule.argument];
  if ("without" in rule) return [load, [JUMP_ANY_BIT, 0, 1, rule.without], fail(EPERM), allow];
  if ("withBit" in rule) return [load, [JUMP_ANY_BIT, 0, 1, rule.withBit], allow, fail(EPERM)];
  return [load, ...rule.oneOf.flatMap((value): Instruction[] => [[JUMP_EQUAL, 0, 1, value], allow]), fail(EPERM)];
}

/** struct sock_filter: 2 bytes of code, 1 and 1 of jumps, 4 of a value. */
function bytesOf(program: readonly Instruction[]): Uint8Array {
  const words = new Uint32Array(program.length * 2);
  let at = 0;
  for (const instruction of program) {
    words[at] = instruction[0] | (instruction[1] << 16) | (instruction[2] << 24);
    words[at + 1] = instruction[3];
    at += 2;
  }
  return new Uint8Array(words.buffer);
}
