/**
 * The system calls that an installation never needs, by what they would be good for to somebody who has taken it over.
 *
 * A list of what is forbidden, and not of what is allowed as for a start from disk: an installation uses most of what
 * the runtime has (a network, threads, a database's locks), in the way of the C library of the day. Each of these is
 * refused in every thread. Numbers: asm/unistd_64.h.
 */
import type { Denials } from "./seccomp.ts";

/** Looking into other processes, or changing them. */
const OTHER_PROCESSES = {
  ptrace: 101,
  setpriority: 141,
  ioprio_set: 251,
  migrate_pages: 256,
  move_pages: 279,
  perf_event_open: 298,
  process_vm_readv: 310,
  process_vm_writev: 311,
  kcmp: 312,
  pidfd_send_signal: 424,
  pidfd_open: 434,
  pidfd_getfd: 438,
  process_madvise: 440,
  process_mrelease: 448,
  rt_sigqueueinfo: 129,
  rt_tgsigqueueinfo: 297,
  tkill: 200,
};

/** The host: its modules, its clock, its hardware, its end. */
const HOST = {
  modify_ldt: 154,
  adjtimex: 159,
  acct: 163,
  settimeofday: 164,
  swapon: 167,
  swapoff: 168,
  reboot: 169,
  sethostname: 170,
  setdomainname: 171,
  iopl: 172,
  ioperm: 173,
  init_module: 175,
  delete_module: 176,
  quotactl: 179,
  clock_settime: 227,
  kexec_load: 246,
  clock_adjtime: 305,
  finit_module: 313,
  kexec_file_load: 320,
  quotactl_fd: 443,
  syslog: 103,
  vhangup: 153,
};

/** Parts of the kernel that have been ways into it. */
const WAYS_IN = {
  add_key: 248,
  request_key: 249,
  keyctl: 250,
  fanotify_init: 300,
  bpf: 321,
  userfaultfd: 323,
  /** Its requests are not seen by a filter. The runtime has its rings by now; what it asks of them later is little. */
  io_uring_setup: 425,
  io_uring_register: 427,
};

/** Other views of the host's files, and other namespaces. */
const VIEWS = {
  mknod: 133,
  mknodat: 259,
  pivot_root: 155,
  chroot: 161,
  unshare: 272,
  name_to_handle_at: 303,
  open_by_handle_at: 304,
  setns: 308,
};

const MOUNTS = {
  mount: 165,
  umount2: 166,
  open_tree: 428,
  move_mount: 429,
  fsopen: 430,
  fsconfig: 431,
  fsmount: 432,
  fspick: 433,
  mount_setattr: 442,
  open_tree_attr: 467,
};

/** Waiting for somebody to come in. */
const SERVING = { accept: 43, listen: 50, accept4: 288 };

const PROGRAMS = { fork: 57, vfork: 58, execve: 59, execveat: 322 };
const SIGKILL = 9;

/** Becoming somebody else. */
const IDENTITY = {
  setuid: 105,
  setgid: 106,
  setreuid: 113,
  setregid: 114,
  setgroups: 116,
  setresuid: 117,
  setresgid: 119,
  setfsuid: 122,
  setfsgid: 123,
  capset: 126,
};

const SOCKET = 41;
const CLONE = 56;
const KILL = 62;
const FCNTL = 72;
const TGKILL = 234;
const PRLIMIT64 = 302;
const CLONE3 = 435;

/** fcntl.h: all that libuv, SQLite and glibc ask for. Not F_SETOWN and F_SETSIG, by which signals reach others. */
const FILE_CONTROLS = [0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1031, 1032, 1033, 1034];
/** linux/sched.h: a thread; new namespaces of every kind. */
const CLONE_THREAD = 0x10000;
const NEW_NAMESPACES = 0x7e020000;
/** bits/socket.h */
const FAMILIES = { unix: 1, ip4: 2, ip6: 10, netlink: 16 } as const;

export interface NeededCalls {
  /** Programs are started, and ended with SIGKILL. */
  readonly programs: boolean;
  /** A network: sockets of IP, and netlink, by which the C library learns of its addresses. */
  readonly network: boolean;
  /** Sockets in the file system: the toolstack's. */
  readonly sockets: boolean;
}

/** @param pid our own: abort(3) sends itself a signal */
export function deniedCalls(pid: number, { programs, network, sockets }: NeededCalls): Denials {
  const { unix, ...ofNetwork } = FAMILIES;
  const families = [...(sockets ? [unix] : []), ...(network ? Object.values(ofNetwork) : [])];
  return {
    denied: [
      ...[OTHER_PROCESSES, HOST, WAYS_IN, VIEWS, MOUNTS, SERVING, IDENTITY].flatMap((calls) => Object.values(calls)),
      ...(programs ? [] : Object.values(PROGRAMS)),
    ],
    bound: [
      { call: FCNTL, argument: 1, oneOf: FILE_CONTROLS },
      { call: PRLIMIT64, argument: 0, oneOf: [0] },
      programs
        ? { call: CLONE, argument: 0, without: NEW_NAMESPACES }
        : { call: CLONE, argument: 0, withBit: CLONE_THREAD },
      // Only Landlock (Linux 6.12) knows whose process it is.
      { call: KILL, argument: 1, oneOf: programs ? [0, SIGKILL] : [0] },
      { call: TGKILL, argument: 0, oneOf: [pid] },
      { call: SOCKET, argument: 0, oneOf: families },
    ],
    // Its flags are in memory, where a filter cannot look.
    missing: [CLONE3],
  };
}
