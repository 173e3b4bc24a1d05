/**
 * The system calls that remain to a process which reads a guest: use what is open, get and give back memory, wait, end.
 * Nothing that takes a path, makes a descriptor, a thread or a process, reaches a network or another process.
 *
 * Numbers: asm/unistd_64.h. What the list leaves out and the runtime should ask for fails with EPERM, as it would
 * without the right; V8, libuv and glibc have been watched by strace to need no more.
 */
import type { AllowedCall } from "./seccomp.ts";

const ALWAYS = {
  read: 0,
  write: 1,
  close: 3,
  fstat: 5,
  poll: 7,
  lseek: 8,
  mmap: 9,
  mprotect: 10,
  munmap: 11,
  brk: 12,
  rt_sigaction: 13,
  rt_sigprocmask: 14,
  rt_sigreturn: 15,
  pread64: 17,
  pwrite64: 18,
  readv: 19,
  writev: 20,
  sched_yield: 24,
  mremap: 25,
  madvise: 28,
  nanosleep: 35,
  getpid: 39,
  sendfile: 40,
  shutdown: 48,
  getsockname: 51,
  getpeername: 52,
  getsockopt: 55,
  exit: 60,
  uname: 63,
  fsync: 74,
  fdatasync: 75,
  ftruncate: 77,
  gettimeofday: 96,
  getrusage: 98,
  sysinfo: 99,
  getuid: 102,
  getgid: 104,
  geteuid: 107,
  getegid: 108,
  getppid: 110,
  sigaltstack: 131,
  sched_getparam: 143,
  sched_getscheduler: 145,
  gettid: 186,
  futex: 202,
  sched_getaffinity: 204,
  restart_syscall: 219,
  clock_gettime: 228,
  clock_getres: 229,
  clock_nanosleep: 230,
  exit_group: 231,
  epoll_wait: 232,
  epoll_ctl: 233,
  /** Of a descriptor, as glibc asks since 2.33; paths lead nowhere from the empty root. */
  newfstatat: 262,
  ppoll: 271,
  set_robust_list: 273,
  epoll_pwait: 281,
  preadv: 295,
  pwritev: 296,
  getrandom: 318,
  membarrier: 324,
  pkey_mprotect: 329,
  statx: 332,
  rseq: 334,
  epoll_pwait2: 441,
} as const;

const IOCTL = 16;
const FCNTL = 72;
const PRCTL = 157;
const TGKILL = 234;
const PRLIMIT64 = 302;
const CLONE3 = 435;

/** asm-generic/ioctls.h: a terminal's mode and size, and what libuv asks of a descriptor. Not TIOCSTI. */
const TERMINAL = { TCGETS: 0x5401, TCSETS: 0x5402, TCSETSW: 0x5403, TCSETSF: 0x5404, TIOCGWINSZ: 0x5413 } as const;
const DESCRIPTOR = { FIONREAD: 0x541b, FIONBIO: 0x5421, FIOCLEX: 0x5451 } as const;
/** fcntl.h: F_GETFD, F_SETFD, F_GETFL, F_SETFL. Not F_SETOWN, which has signals sent to others. */
const FLAGS = [1, 2, 3, 4];
/** linux/prctl.h: PR_SET_NAME, PR_SET_VMA: names of threads and of memory. */
const NAMES = [15, 0x53564d41];

/** What reads a folder that stands for a guest's disk, and changes nothing. */
const READING = { stat: 4, lstat: 6, access: 21, getcwd: 79, readlink: 89, getdents64: 217, readlinkat: 267 } as const;
const FACCESSAT2 = 439;
const OPENAT = 257;
/** fcntl.h: O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, the bit of O_TMPFILE. */
const WRITING = 0o1 | 0o2 | 0o100 | 0o1000 | 0o20000000;

/** Calls of glibc's that have an older one to fall back to. */
export const MISSING_CALLS = [CLONE3];

/**
 * @param pid our own: abort(3) sends itself a signal
 * @param readsFiles a folder is read as a disk: files can be opened for reading, and for nothing else
 */
export function allowedCalls(pid: number, readsFiles: boolean): AllowedCall[] {
  const always = [...Object.values(ALWAYS), ...(readsFiles ? [...Object.values(READING), FACCESSAT2] : [])];
  return [
    ...always.map((call) => ({ call })),
    { call: IOCTL, argument: 1, oneOf: [...Object.values(TERMINAL), ...Object.values(DESCRIPTOR)] },
    { call: FCNTL, argument: 1, oneOf: FLAGS },
    { call: PRCTL, argument: 0, oneOf: NAMES },
    { call: TGKILL, argument: 0, oneOf: [pid] },
    { call: PRLIMIT64, argument: 0, oneOf: [0] },
    ...(readsFiles ? [{ call: OPENAT, argument: 2, without: WRITING }] : []),
  ];
}
