/**
 * What Linux itself can take away from a process, through calls of the C library that the runtime does not have: they
 * are fetched here, used, and let go, before the permission `ffi` is given up with the others.
 *
 * Threads: the runtime has some before our first line runs. The root folder, the limits and PR_SET_DUMPABLE are the
 * process's; the filter of system calls is laid on every thread by SECCOMP_FILTER_FLAG_TSYNC, and no_new_privs with it;
 * users and groups are set by the runtime through glibc, which sets them for every thread. unshare(2) would be for the
 * calling thread alone.
 */
import * as fs from "node:fs";
import { GuestbootError, systemReason } from "./errors.ts";
import { seccompDenials } from "./seccomp.ts";

/** sys/prctl.h, sys/resource.h, linux/seccomp.h */
const PR_SET_DUMPABLE = 4;
const PR_SET_NO_NEW_PRIVS = 38;
const SYS_SECCOMP = 317n;
const SECCOMP_SET_MODE_FILTER = 1n;
/** TSYNC: all threads. SPEC_ALLOW: without the slow mode of the processor that old kernels add to a filter. */
const FILTER_FLAGS = 1n | 4n;
/** asm/unistd_64.h */
const IO_URING_SETUP = 425;
const INSTRUCTION_SIZE = 8;

const RESOURCES = { fileSize: 1, data: 2, core: 4, processes: 6, openFiles: 7, lockedMemory: 8 } as const;

/** Limits that no one can raise again; what is left out stays as it is. Bytes, or counts. */
export type ResourceLimits = Readonly<Partial<Record<keyof typeof RESOURCES, number>>>;

export interface KernelConfinement {
  /** Fetches nothing more from then on; each is for good. @throws CONFINEMENT_FAILED */
  limitResources(limits: ResourceLimits): void;
  /** The whole process sees an empty folder that nothing can be made in. Needs root. @throws CONFINEMENT_FAILED */
  emptyRoot(): void;
  /**
   * The event loop goes on without io_uring, whose requests (open, connect, …) a filter of system calls does not see.
   */
  leaveIoUring(): void;
  /** Nobody of the same user can look into our memory, and no core is written. @throws CONFINEMENT_FAILED */
  hideMemory(): void;
  /** Only what `program` (of `seccomp.ts`) allows, in every thread, and no program ever gives us rights again. */
  filterCalls(program: Uint8Array): void;
}

/** @throws CONFINEMENT_FAILED where the C library cannot be called */
export function kernelConfinement(): KernelConfinement {
  const ffi = process.getBuiltinModule("node:ffi");
  const { functions: c } = ffi.dlopen(null, {
    chroot: { arguments: ["string"], return: "int32" },
    prctl: { arguments: ["int32", "int64", "int64", "int64", "int64"], return: "int32" },
    setrlimit: { arguments: ["int32", "pointer"], return: "int32" },
    uv_default_loop: { arguments: [], return: "pointer" },
    uv_loop_fork: { arguments: ["pointer"], return: "int32" },
    syscall: { arguments: ["int64", "int64", "int64", "pointer"], return: "int64" },
  });
  const check = (call: string, result: number | bigint): void => {
    if (Number(result) !== 0) throw failed(`${call} failed`);
  };
  const install = (program: Uint8Array): void => {
    check("prctl(PR_SET_NO_NEW_PRIVS)", c.prctl(PR_SET_NO_NEW_PRIVS, 1n, 0n, 0n, 0n));
    // struct sock_fprog: how many instructions, and where they are.
    const header = new BigUint64Array([BigInt(program.length / INSTRUCTION_SIZE), ffi.getRawPointer(program)]);
    const pointer = ffi.getRawPointer(header);
    check("seccomp", c.syscall(SYS_SECCOMP, SECCOMP_SET_MODE_FILTER, FILTER_FLAGS, pointer));
  };
  return {
    limitResources(limits) {
      const pair = new BigUint64Array(2);
      for (const [name, resource] of Object.entries(RESOURCES)) {
        const limit = limits[name as keyof typeof RESOURCES];
        if (limit === undefined) continue;
        pair.fill(BigInt(Math.floor(limit)));
        check(`setrlimit(${name})`, c.setrlimit(resource, ffi.getRawPointer(pair)));
      }
    },
    emptyRoot() {
      enterRemovedFolder();
      check("chroot", c.chroot("."));
    },
    hideMemory() {
      check("prctl(PR_SET_DUMPABLE)", c.prctl(PR_SET_DUMPABLE, 0n, 0n, 0n, 0n));
    },
    leaveIoUring() {
      // libuv makes its descriptors anew, as after fork(2), and takes epoll_ctl(2) where there is no io_uring.
      install(seccompDenials([IO_URING_SETUP]));
      const result = c.uv_loop_fork(c.uv_default_loop());
      if (result !== 0)
        throw failed(`uv_loop_fork: ${process.getBuiltinModule("node:util").getSystemErrorMessage(result)}`);
    },
    filterCalls: install,
  };
}

const PLACES = ["/run", "/tmp", "/"];

/** A folder that is gone has nothing in it and takes nothing: better than any folder that must be there. */
function enterRemovedFolder(): void {
  const reasons: string[] = [];
  for (const place of PLACES) {
    try {
      const folder = fs.mkdtempSync(`${place === "/" ? "" : place}/guestboot-root-`);
      try {
        process.chdir(folder);
      } finally {
        fs.rmdirSync(folder);
      }
      return;
    } catch (error) {
      reasons.push(`${place}: ${systemReason(error)}`);
    }
  }
  throw failed(`no folder could be made for an empty root (${reasons.join("; ")})`);
}

function failed(what: string): GuestbootError {
  return new GuestbootError("CONFINEMENT_FAILED", `rights could not be given up: ${what}`, {
    hint: "guestboot reads no guest without it; in a container, allow chroot, setuid and seccomp",
  });
}
