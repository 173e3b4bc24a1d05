/**
 * The walls of the kernel around an installation, up before the first byte of a server's or a medium's is parsed.
 *
 * Unlike a start from disk (`confine.ts`) it must go on as who it is: it writes the cache, changes the VM's record and
 * talks to servers afterwards. So the walls leave what it is there for, and take away the rest of the host: its
 * programs, other processes, its devices and namespaces, and where the kernel has Landlock all files and ports that it
 * has no business with. What each kernel cannot enforce: `docs/SECURITY.md`.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { deniedCalls } from "../base/denied-calls.ts";
import { keepCapabilities } from "../base/capabilities.ts";
import { isSystemError } from "../base/errors.ts";
import { kernelConfinement } from "../base/kernel-confinement.ts";
import { restrictPaths } from "../base/landlock.ts";
import { dataLimit, openMemoryGauge } from "../base/memory.ts";
import { ownExecutable, packageRoot } from "../base/program.ts";
import { seccompDenials } from "../base/seccomp.ts";
import { fetchSystemCalls } from "../base/system-call.ts";
import type { PreparedNfs } from "../repository/nfs-prepared.ts";
import { DEFAULT_LIMITS } from "../repository/transfer.ts";
import {
  nfsLocations,
  NO_NFS,
  reachOf,
  type HostReach,
  type InstallationNeeds,
  type Reach,
} from "./installation-reach.ts";

/**
 * linux/capability.h: the files of others (an admin's answer file, a toolstack's record) can be read and changed as
 * root can, where Landlock lets them be reached at all. No device nodes, raw sockets, signals, modules, clocks.
 */
const FILES_OF_OTHERS = { CHOWN: 0, DAC_OVERRIDE: 1, DAC_READ_SEARCH: 2, FOWNER: 3 } as const;
/** NFS servers want a port which only root has. */
const PORTS_OF_ROOT = { NET_BIND_SERVICE: 10 } as const;

/** Bytes. No start takes a fifth of it; a parser that is driven to more shall not take the host's memory along. */
const MEMORY = 1024 ** 3;
/** Several ramdisks are joined to one, and files are put into it: more than one download may have. */
const LARGEST_FILE = 2 * DEFAULT_LIMITS.maxFileSize;

export interface ConfineInstallation {
  readonly needs: InstallationNeeds;
  readonly host: HostReach;
  /** Bytes that the process may have resident, where an admin wants more than we do. */
  readonly memory: number;
}

/** Set by the build of the test that plays an attacker, whose attacks must work without the walls. */
declare const GUESTBOOT_WITHOUT: string | undefined;

/** What was started before the walls went up, and must be ended. */
export type Prepared = AsyncDisposable;

/** @throws CONFINEMENT_FAILED; nothing of others must be parsed then */
export async function confineInstallation({ needs, host, memory }: ConfineInstallation): Promise<Prepared> {
  const nfs = await nfsOf(needs);
  try {
    if (typeof GUESTBOOT_WITHOUT !== "string" || !GUESTBOOT_WITHOUT.includes("installation")) {
      raiseWalls(reachOf(needs, host, ownFolders(), nfs), host, memory);
    }
    return { [Symbol.asyncDispose]: () => nfs.end() };
  } catch (error) {
    await nfs.end();
    throw error;
  }
}

async function nfsOf({ locations }: InstallationNeeds): Promise<PreparedNfs> {
  const onNfs = nfsLocations(locations);
  if (onNfs.length === 0) return { ...NO_NFS, end: () => Promise.resolve() };
  const { prepareNfs } = await import("../repository/nfs-prepared.ts");
  return prepareNfs(onNfs);
}

function raiseWalls(reach: Reach, host: HostReach, memory: number): void {
  for (const folder of host.writable) makeFolder(folder);
  openMemoryGauge();
  const calls = fetchSystemCalls();
  const kernel = kernelConfinement(calls);
  const data = dataLimit(Math.max(memory, MEMORY));
  kernel.limitResources({ core: 0, fileSize: LARGEST_FILE, ...(data === null ? {} : { data }) });
  kernel.hideMemory();
  restrictPaths({ ...reach, executable: reach.programs }, calls);
  const startsPrograms = reach.programs.length > 0;
  keepCapabilities([...Object.values(FILES_OF_OTHERS), ...(startsPrograms ? Object.values(PORTS_OF_ROOT) : [])], calls);
  kernel.filterCalls(seccompDenials(deniedCalls(process.pid, { ...reach, programs: startsPrograms })));
}

/** What is loaded when it is first needed lies beside the executable; from its sources and its bundle, in the package. */
function ownFolders(): string[] {
  if (ownExecutable() !== null) return [path.dirname(process.execPath)];
  return [path.dirname(process.execPath), packageRoot() ?? ""];
}

/** A rule is for what is there. Whoever needs the folder says what is wrong with it. */
function makeFolder(folder: string): void {
  try {
    fs.mkdirSync(folder, { recursive: true, mode: 0o755 });
  } catch (error) {
    if (!isSystemError(error)) throw error;
  }
}
