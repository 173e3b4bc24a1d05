/**
 * The kernel's calls by their numbers (asm/unistd_64.h), through the C library's syscall(2): for what the runtime has no
 * function for. One function does for all of them, since each that is fetched costs a part of a millisecond.
 */

export interface SystemCalls {
  /** At most five words. @returns a negative number where the call fails */
  readonly call: (number: number, ...words: (number | bigint)[]) => number;
  /** The address of memory, which stays where it is as long as the process lives. */
  readonly addressOf: (memory: NodeJS.TypedArray) => bigint;
}

/** @throws Error where the C library cannot be called */
export function fetchSystemCalls(): SystemCalls {
  const ffi = process.getBuiltinModule("node:ffi");
  const { syscall } = ffi.dlopen(null, {
    syscall: { arguments: ["int64", "int64", "int64", "int64", "int64", "int64"], return: "int64" },
  }).functions;
  const alive: object[] = [];
  return {
    call(number, first = 0, second = 0, third = 0, fourth = 0, fifth = 0) {
      const [a, b, c] = [BigInt(first), BigInt(second), BigInt(third)];
      return Number(syscall(BigInt(number), a, b, c, BigInt(fourth), BigInt(fifth)));
    },
    addressOf(memory) {
      alive.push(memory);
      return ffi.getRawPointer(memory);
    },
  };
}
