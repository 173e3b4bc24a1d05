/**
 * The end of the process.
 *
 * The runtime takes itself apart in good order, threads and all, which costs a start from disk 3 of 45 ms (measured)
 * and is of use to nobody: everything that matters has been written through descriptors by then. _exit(2) of the C
 * library ends at once. Fetching it costs a millisecond too where the C library has not been opened before, so only
 * those prepare it who need the C library anyway; and before rights are given up, after which it cannot be had.
 */

type End = (status: number) => void;

const endInOrder: End = (status) => process.exit(status);

let end = endInOrder;

/**
 * From now on the process ends at once, whether it has done what it should or not: what it has said has been written
 * too, since Linux takes a standard error at once. A confined process must: the runtime's other threads have event
 * loops of their own, which would be woken for the end, and abort for want of io_uring (see `kernel-confinement.ts`).
 */
export function prepareQuickEnd(): void {
  const { _exit } = process.getBuiltinModule("node:ffi").dlopen(null, {
    _exit: { arguments: ["int32"], return: "void" },
  }).functions;
  end = _exit;
}

/** For the build, whose snapshot must not hold the process's own `_exit`. */
export function forgetQuickEnd(): void {
  end = endInOrder;
}

export function endProcess(status: number): never {
  end(status);
  throw new Error("the process should have ended");
}
