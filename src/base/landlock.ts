/**
 * Landlock: rules of the kernel for what a thread, and every thread that it makes, may do with paths and with ports,
 * whatever its user may. The kernel has it since 5.13; what a version of it has not is not forbidden there.
 *
 * https://docs.kernel.org/userspace-api/landlock.html; numbers: linux/landlock.h, asm/unistd_64.h.
 *
 * Threads: it holds for the calling one, and since version 8 of its interface for the others too. What the runtime has
 * of them before are V8's, which compile and collect garbage; those that open files, look up names and hash are made
 * later, and by this one.
 */
import { GuestbootError } from "./errors.ts";
import { refuseNewRights } from "./no-new-rights.ts";
import type { SystemCalls } from "./system-call.ts";

export interface LandlockRules {
  /** Files, and folders with all that is below them. What is not there is left out. */
  readonly readable: readonly string[];
  /** May be read too; files may be made, linked and removed there. No devices, sockets or pipes. */
  readonly writable: readonly string[];
  /** Programs that may be started, and what they are started with; they have the same rules. */
  readonly executable: readonly string[];
  /** TCP ports to connect to; null: any. No port can be listened on where they are given. */
  readonly ports: readonly number[] | null;
}

const OPEN = 2;
const CLOSE = 3;
/** fcntl.h. O_PATH names a file without opening it, so that a drive is not touched. */
const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;
const CREATE_RULESET = 444;
const ADD_RULE = 445;
const RESTRICT_SELF = 446;
const ONLY_VERSION = 1;
const PATH_BENEATH = 1;
const NET_PORT = 2;
/** LANDLOCK_RESTRICT_SELF_TSYNC: every thread of the process. */
const ALL_THREADS = 1 << 3;
const ALL_THREADS_SINCE = 8;

/** The first version that lets a file be linked or moved from one folder to another. */
const FIRST_VERSION = 2;

const RIGHTS = {
  execute: 1 << 0,
  writeFile: 1 << 1,
  readFile: 1 << 2,
  readFolder: 1 << 3,
  removeFolder: 1 << 4,
  removeFile: 1 << 5,
  makeDevice: 1 << 6,
  makeFolder: 1 << 7,
  makeFile: 1 << 8,
  makeSocket: 1 << 9,
  makePipe: 1 << 10,
  makeBlockDevice: 1 << 11,
  makeLink: 1 << 12,
  refer: 1 << 13,
  truncate: 1 << 14,
  controlDevice: 1 << 15,
} as const;
const { execute, writeFile, readFile, readFolder, removeFolder, removeFile, makeFolder, makeFile, makeLink } = RIGHTS;
const READ = readFile | readFolder;
const WRITE =
  READ | writeFile | removeFolder | removeFile | makeFolder | makeFile | makeLink | RIGHTS.refer | RIGHTS.truncate;
/** The others are about what is in a folder. */
const OF_A_FILE = execute | writeFile | readFile | RIGHTS.truncate | RIGHTS.controlDevice;

const BIND_TCP = 1 << 0;
const CONNECT_TCP = 1 << 1;
const PORTS_SINCE = 4;

const SCOPE_ABSTRACT_SOCKETS = 1 << 0;
const SCOPE_SIGNALS = 1 << 1;
const SCOPES_SINCE = 6;

/** All rights that a version of the interface knows: what it does not know it refuses to forbid. */
export function rightsOf(version: number): number {
  const known = version >= 5 ? 16 : version >= 3 ? 15 : 14;
  return 2 ** known - 1;
}

/** The interface's version in this kernel; 0 where there is none, or one that we have no use for. */
export function landlockVersion({ call }: SystemCalls): number {
  const version = call(CREATE_RULESET, 0, 0, ONLY_VERSION);
  return version >= FIRST_VERSION ? version : 0;
}

/**
 * Lays the rules on this thread, for good; nothing where the kernel has no Landlock.
 * @throws CONFINEMENT_FAILED
 */
export function restrictPaths(rules: LandlockRules, calls: SystemCalls): void {
  const version = landlockVersion(calls);
  if (version === 0) return;
  const { call, addressOf } = calls;
  const handled = rightsOf(version);
  const ports = version >= PORTS_SINCE ? rules.ports : null;
  const attributes = rulesetAttributes(version, handled, ports !== null);
  const check = (name: string, result: number): number => {
    if (result >= 0) return result;
    throw failed(name);
  };
  refuseNewRights(calls);
  const ruleset = check("landlock_create_ruleset", call(CREATE_RULESET, addressOf(attributes), attributes.length));
  const add = (type: number, rule: Uint8Array) => call(ADD_RULE, ruleset, type, addressOf(rule)) >= 0;
  try {
    const allow = (paths: readonly string[], rights: number): void => {
      for (const path of paths) allowPath(path, rights & handled, calls, (rule) => add(PATH_BENEATH, rule));
    };
    allow(rules.readable, READ);
    allow(rules.writable, WRITE);
    allow(rules.executable, execute | readFile);
    for (const port of ports ?? []) if (!add(NET_PORT, portRule(port))) throw failed("landlock_add_rule");
    const flags = version >= ALL_THREADS_SINCE ? ALL_THREADS : 0;
    check("landlock_restrict_self", call(RESTRICT_SELF, ruleset, flags));
  } finally {
    call(CLOSE, ruleset);
  }
}

/** struct landlock_ruleset_attr, as much of it as the version has. */
function rulesetAttributes(version: number, handled: number, bindsPorts: boolean): Uint8Array {
  const words = [handled, bindsPorts ? BIND_TCP | CONNECT_TCP : 0, SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS];
  const length = version >= SCOPES_SINCE ? 3 : version >= PORTS_SINCE ? 2 : 1;
  return bytesOf(...words.slice(0, length));
}

/**
 * struct landlock_path_beneath_attr: 8 bytes of rights, 4 of a descriptor.
 * @param add returns false where the rule is refused
 */
function allowPath(path: string, rights: number, { call, addressOf }: SystemCalls, add: (rule: Uint8Array) => boolean) {
  const descriptor = call(OPEN, addressOf(Buffer.from(`${path}\0`)), O_PATH | O_CLOEXEC);
  if (descriptor < 0) return;
  // What is no folder takes no rule with a folder's rights.
  const isAdded = add(bytesOf(rights, descriptor)) || add(bytesOf(rights & OF_A_FILE, descriptor));
  call(CLOSE, descriptor);
  if (!isAdded) throw failed(`landlock_add_rule for ${path}`);
}

/** struct landlock_net_port_attr */
function portRule(port: number): Uint8Array {
  return bytesOf(CONNECT_TCP, port);
}

function bytesOf(...words: readonly number[]): Uint8Array {
  return new Uint8Array(new BigUint64Array(words.map(BigInt)).buffer);
}

function failed(call: string): GuestbootError {
  return new GuestbootError("CONFINEMENT_FAILED", `rights could not be given up: ${call} failed`);
}
