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
import { refuseNewRights } from "./no-new-rights.ts";
import { seccompDenials } from "./seccomp.ts";
import { fetchSystemCalls, type SystemCalls } from "./system-call.ts";

/** sys/prctl.h, sys/resource.h, linux/seccomp.h */
const PR_SET_DUMPABLE = 4;
const SECCOMP_SET_MODE_FILTER = 1;
/** TSYNC: all threads. SPEC_ALLOW: without the slow mode of the processor that old kernels add to a filter. */
const FILTER_FLAGS = 1 | 4;
/** asm/unistd_64.h */
const CALLS = { prctl: 157, chroot: 161, prlimit64: 302, seccomp: 317 } as const;
const IO_URING_SETUP = 425;
const INSTRUCTION_SIZE = 8;

/** libuv's, which the runtime exports. */
const LOOP_FUNCTIONS = {
  uv_default_loop: { arguments: [], return: "pointer" },
  uv_loop_fork: { arguments: ["pointer"], return: "int32" },
} as const;

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
export function kernelConfinement(calls: SystemCalls = fetchSystemCalls()): KernelConfinement {
  const { call, addressOf } = calls;
  const check = (name: string, result: number): void => {
    if (result !== 0) throw failed(`${name} failed`);
  };
  const install = (program: Uint8Array): void => {
    refuseNewRights(calls);
    // struct sock_fprog: how many instructions, and where they are.
    const header = new BigUint64Array([BigInt(program.length / INSTRUCTION_SIZE), addressOf(program)]);
    check("seccomp", call(CALLS.seccomp, SECCOMP_SET_MODE_FILTER, FILTER_FLAGS, addressOf(header)));
  };
  return {
    limitResources(limits) {
      const pair = new BigUint64Array(2);
      for (const [name, resource] of Object.entries(RESOURCES)) {
        const limit = limits[name as keyof typeof RESOURCES];
        if (limit === undefined) continue;
        pair.fill(BigInt(Math.floor(limit)));
        check(`setrlimit(${name})`, call(CALLS.prlimit64, 0, resource, addressOf(pair)));
      }
    },
    emptyRoot() {
      enterRemovedFolder();
      check("chroot", call(CALLS.chroot, addressOf(Buffer.from(".\0"))));
    },
    hideMemory() {
      check("prctl(PR_SET_DUMPABLE)", call(CALLS.prctl, PR_SET_DUMPABLE));
    },
    leaveIoUring() {
      const ffi = process.getBuiltinModule("node:ffi");
      // libuv makes its descriptors anew, as after fork(2), and takes epoll_ctl(2) where there is no io_uring.
      install(seccompDenials({ denied: [IO_URING_SETUP] }));
      const { uv_default_loop: loop, uv_loop_fork: fork } = ffi.dlopen(null, LOOP_FUNCTIONS).functions;
      const result = fork(loop());
      if (result !== 0) {
        throw failed(`uv_loop_fork: ${process.getBuiltinModule("node:util").getSystemErrorMessage(result)}`);
      }
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
    hint: "guestboot reads nothing of others without it; in a container, allow chroot, setuid and seccomp",
  });
}
