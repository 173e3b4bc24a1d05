/**
 * A filter of system calls, as the program of the classic BPF that seccomp(2) takes, built from a list of what is
 * allowed. Pure: who installs it is `kernel-confinement.ts`. For x86-64, the one machine that we are built for.
 *
 * https://docs.kernel.org/userspace-api/seccomp_filter.html; numbers of the calls: asm/unistd_64.h of Linux.
 */

/** A call that is allowed: always, or where one argument (its lower 32 bits) is as given. */
export type AllowedCall =
  | { readonly call: number }
  | { readonly call: number; readonly argument: number; readonly oneOf: readonly number[] }
  | { readonly call: number; readonly argument: number; readonly without: number };

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

/** One instruction: struct sock_filter. */
const INSTRUCTION_SIZE = 8;

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

/** Forbids some calls and allows the rest: for a process that does too much to list it. */
export function seccompDenials(denied: readonly number[]): Uint8Array {
  return bytesOf([...OWN_CALLS_ONLY, ...denied.flatMap((call) => whenCalled(call, [fail(EPERM)])), allow]);
}

function whenCalled(call: number, then: readonly Instruction[]): Instruction[] {
  return [[JUMP_EQUAL, 0, then.length, call], ...then];
}

function ruleOf(rule: AllowedCall): Instruction[] {
  if (!("argument" in rule)) return [allow];
  const load: Instruction = [LOAD, 0, 0, OFFSET_OF_ARGUMENTS + 8 * rule.argument];
  if ("without" in rule) return [load, [JUMP_ANY_BIT, 0, 1, rule.without], fail(EPERM), allow];
  return [load, ...rule.oneOf.flatMap((value): Instruction[] => [[JUMP_EQUAL, 0, 1, value], allow]), fail(EPERM)];
}

function bytesOf(program: readonly Instruction[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(program.length * INSTRUCTION_SIZE));
  program.forEach(([code, ifTrue, ifFalse, value], index) => {
    const at = index * INSTRUCTION_SIZE;
    view.setUint16(at, code, true);
    view.setUint8(at + 2, ifTrue);
    view.setUint8(at + 3, ifFalse);
    view.setUint32(at + 4, value >>> 0, true);
  });
  return new Uint8Array(view.buffer);
}
