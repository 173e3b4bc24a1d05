/**
 * A bug for the tests of the confinement: whoever made the guest's disk, or an index of the repository that it is
 * installed from, runs code of theirs in the process that reads it, with all that the runtime offers and, worse than any real bug, with the kernel's system calls by number. It is in
 * no program but the one that those tests build (`GUESTBOOT_PLANTED_BUG`); everywhere else the import is cut out.
 */
import type { ByteSource } from "../base/byte-source.ts";
import { limitedSource } from "../base/limits.ts";

/** What the attacker has been left, from before rights were given up. */
export interface Loot {
  /** syscall(2): -1 where it fails. */
  syscall(call: number, ...words: (number | bigint)[]): number;
  /** Memory that system calls can be pointed at, and its address. */
  readonly memory: Buffer;
  readonly address: bigint;
  /** The disk as the readers of its formats have it. */
  readonly disk: ByteSource;
}

/** @returns runs the code that stands on the disk, as the body of an async function of `loot` and `builtin(id)` */
export function plantBug(): (disk: ByteSource) => Promise<void> {
  const { compileFunction } = process.getBuiltinModule("node:vm");
  const ffi = process.getBuiltinModule("node:ffi");
  const { syscall } = ffi.dlopen(null, {
    syscall: { arguments: Array.from({ length: 7 }, () => "int64" as const), return: "int64" },
  }).functions;
  const memory = Buffer.alloc(4096);
  const loot: Omit<Loot, "disk"> = {
    syscall: (...words) => Number(syscall(...Array.from({ length: 7 }, (_, index) => BigInt(words[index] ?? 0)))),
    memory,
    address: ffi.getRawPointer(memory),
  };
  return async (disk) => {
    const code = Buffer.from(disk.read(0, disk.size)).toString("utf8");
    const run = compileFunction(`return (async () => {${code}\n})();`, ["loot", "builtin"]);
    await Reflect.apply(run, undefined, [
      { ...loot, disk: limitedSource(disk) } satisfies Loot,
      (id: string): unknown => process.getBuiltinModule(id),
    ]);
  };
}
