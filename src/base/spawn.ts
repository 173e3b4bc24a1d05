/**
 * Starts a small program beside us through posix_spawn(3) of the C library.
 *
 * The runtime's own way (`node:child_process`) forks: it copies the page tables of a process with a large address
 * space, makes each page that we write afterwards a fault, and loads the network's modules for the pipe. That cost a
 * start from disk 7 of 48 ms (measured); posix_spawn shares the memory until the program is executed. For programs
 * whose output matters, or that are not on the way of every start, `node:child_process` is right.
 *
 * Works only until rights are given up: the permission `ffi` is among them.
 */
import * as fs from "node:fs";
import { GuestbootError, isSystemError } from "./errors.ts";

/** The two pipes to a program that was started. Closing `input` tells it that we are done, or gone. */
export interface SpawnedProgram {
  /** Descriptor: what is written there is the program's standard input. */
  readonly input: number;
  /** Descriptor, non-blocking: the program's standard output; it ends when the program does. */
  readonly output: number;
}

/** fcntl.h, spawn.h of Linux and of glibc. */
const O_CLOEXEC = 0o2000000;
const POSIX_SPAWN_SETSID = 0x80;
/** More than glibc's structures have (80 and 336 bytes on 64-bit machines). */
const FILE_ACTIONS_SIZE = 256;
const ATTRIBUTES_SIZE = 1024;

const SIGNATURES = {
  pipe2: { arguments: ["pointer", "int32"], return: "int32" },
  posix_spawn: { arguments: ["pointer", "string", "pointer", "pointer", "pointer", "pointer"], return: "int32" },
  posix_spawn_file_actions_init: { arguments: ["pointer"], return: "int32" },
  posix_spawn_file_actions_adddup2: { arguments: ["pointer", "int32", "int32"], return: "int32" },
  posix_spawn_file_actions_addopen: { arguments: ["pointer", "int32", "string", "int32", "int32"], return: "int32" },
  posix_spawnattr_init: { arguments: ["pointer"], return: "int32" },
  posix_spawnattr_setflags: { arguments: ["pointer", "int16"], return: "int32" },
} as const;

/**
 * In a session of its own: what ends our process group (a terminal's interrupt) does not end the program.
 * @param argv the program's path and its arguments
 * @param environment `NAME=value`
 * @throws OUTPUT_FAILED when it cannot be started
 */
export function spawnBeside(argv: readonly [string, ...string[]], environment: readonly string[]): SpawnedProgram {
  const ffi = process.getBuiltinModule("node:ffi");
  using library = ffi.dlopen(null, SIGNATURES);
  const c = library.functions;
  /** Whatever C code is given an address of must live until it has returned. */
  const alive: object[] = [];
  const addressOf = (memory: NodeJS.TypedArray): bigint => {
    alive.push(memory);
    return ffi.getRawPointer(memory);
  };
  const arrayOf = (words: readonly string[]): bigint => {
    const pointers = new BigUint64Array(words.length + 1);
    words.forEach((word, index) => (pointers[index] = addressOf(Buffer.from(`${word}\0`))));
    return addressOf(pointers);
  };
  const check = (call: string, result: number): void => {
    if (result === 0) return;
    for (const fd of [...input, ...output]) if (fd > 2) fs.closeSync(fd);
    throw new GuestbootError("OUTPUT_FAILED", `${argv[0]} could not be started: ${call}: ${reasonOf(result)}`);
  };

  const input = new Int32Array(2);
  const output = new Int32Array(2);
  check("pipe2", c.pipe2(addressOf(input), O_CLOEXEC));
  check("pipe2", c.pipe2(addressOf(output), O_CLOEXEC | fs.constants.O_NONBLOCK));
  const [programReads = -1, weWrite = -1] = input;
  const [weRead = -1, programWrites = -1] = output;

  const actions = addressOf(Buffer.alloc(FILE_ACTIONS_SIZE));
  check("posix_spawn_file_actions_init", c.posix_spawn_file_actions_init(actions));
  check("posix_spawn_file_actions_adddup2", c.posix_spawn_file_actions_adddup2(actions, programReads, 0));
  check("posix_spawn_file_actions_adddup2", c.posix_spawn_file_actions_adddup2(actions, programWrites, 1));
  const nowhere = c.posix_spawn_file_actions_addopen(actions, 2, "/dev/null", fs.constants.O_WRONLY, 0);
  check("posix_spawn_file_actions_addopen", nowhere);
  const attributes = addressOf(Buffer.alloc(ATTRIBUTES_SIZE));
  check("posix_spawnattr_init", c.posix_spawnattr_init(attributes));
  check("posix_spawnattr_setflags", c.posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSID));

  const pid = addressOf(new Int32Array(1));
  const words = arrayOf(argv);
  check("posix_spawn", c.posix_spawn(pid, argv[0], actions, attributes, words, arrayOf(environment)));
  fs.closeSync(programReads);
  fs.closeSync(programWrites);
  return { input: weWrite, output: weRead };
}

/** posix_spawn and its kin return the error's number; pipe2 returns -1, and can fail for one reason only (pipe(2)). */
function reasonOf(result: number): string {
  return result < 0 ? "too many open files" : process.getBuiltinModule("node:util").getSystemErrorMessage(-result);
}

const POLL_MS = 5;

/** Waits until the program has ended. @returns false when it has not after `timeoutMs` */
export function waitForEnd(program: SpawnedProgram, timeoutMs: number): boolean {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  const buffer = new Uint8Array(64);
  for (let waited = 0; waited <= timeoutMs; waited += POLL_MS) {
    try {
      if (fs.readSync(program.output, buffer, 0, buffer.length, null) === 0) return true;
    } catch (error) {
      // Nothing to read yet, and not at its end.
      if (!isSystemError(error, "EAGAIN")) return true;
    }
    Atomics.wait(pause, 0, 0, POLL_MS);
  }
  return false;
}
