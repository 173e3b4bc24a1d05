/**
 * For the build: starts from a disk, as far as a stage lets them; other commands are run on it too. What would change the process itself (its rights, its
 * root folder, its user) or start another is a prop that says yes and does nothing; all else is real. So the functions
 * of a start are compiled in the snapshot, and nothing of the rehearsal is: what it has set is set back.
 */
import * as fs from "node:fs";
import type * as Ffi from "node:ffi";
import { forgetQuickEnd } from "../base/end.ts";
import { forgetReadLimits } from "../base/limits.ts";
import { run } from "./main.ts";

/**
 * @param image a guest's disk
 * @param folder an empty one, for what is copied out
 * @throws Error when a start fails
 */
export async function rehearseStarts(image: string, folder: string): Promise<void> {
  const leave = enterStage();
  try {
    const extraction = [`--output-directory=${folder}`, "--args=a"];
    const formats = ["sxp", "simple", "simple0"].map((format) => [`--output-format=${format}`, ...extraction]);
    for (const options of [["-n"], ...formats]) {
      const status = await run("pygrub", ["-q", ...options, image]);
      if (status !== 0) throw new Error(`the rehearsal of pygrub ${options.join(" ")} ended with ${status}`);
    }
  } finally {
    leave();
    forgetQuickEnd();
    forgetReadLimits();
  }
}

/** Nothing of the process itself changes from now on. @returns to be called to leave it */
export function enterStage(): () => void {
  const none = () => undefined;
  let user = 0;
  const real = process.getBuiltinModule.bind(process);
  const props = {
    getBuiltinModule: (id: string): unknown => (id === "node:ffi" ? ffiProp() : real(id)),
    permission: { drop: none, has: () => false },
    geteuid: () => user,
    getuid: () => user,
    // The same number, as always with us.
    getgid: () => user,
    setgroups: none,
    setgid: none,
    setuid: (wanted: number) => void (user = wanted),
    chdir: none,
  };
  const before = Object.entries(props).flatMap(([name, prop]) => {
    const own = Object.getOwnPropertyDescriptor(process, name);
    // The runtime's permissions, where it was started with some: who gives them up is done with other files.
    if (own?.configurable === false) return [];
    Object.defineProperty(process, name, { value: prop, configurable: true });
    return [[name, own] as const];
  });
  return () => {
    for (const [name, own] of before) {
      if (own === undefined) Reflect.deleteProperty(process, name);
      else Object.defineProperty(process, name, own);
    }
  };
}

/** asm/unistd_64.h, and a version that has all. */
const CREATE_RULESET = 444n;
const LANDLOCK = 7n;

type Call = (...values: readonly unknown[]) => number | bigint;

/** A C library all of whose calls succeed. */
function ffiProp() {
  const memories = new Map<bigint, Int32Array>();
  const callOf = (name: string, returns: Ffi.FunctionSignature["return"]): Call => {
    if (name === "pipe2") return (address) => openPipe(memories.get(address as bigint));
    // All of what was asked for was sent.
    if (name === "sendfile") return (...values) => values[3] as bigint;
    // Of what the kernel is asked, the version of its Landlock alone has an answer that is no zero.
    if (name === "syscall") return (...values) => (values[0] === CREATE_RULESET && values[3] === 1n ? LANDLOCK : 0n);
    return () => (returns === "int32" ? 0 : 0n);
  };
  return {
    getRawPointer(memory: Int32Array): bigint {
      const address = BigInt(memories.size + 1);
      memories.set(address, memory);
      return address;
    },
    dlopen(_path: null, signatures: Readonly<Record<string, Ffi.FunctionSignature>>) {
      const named = Object.entries(signatures).map(([name, signature]) => [name, callOf(name, signature.return)]);
      return { functions: Object.fromEntries(named) as Record<string, Call>, [Symbol.dispose]: () => undefined };
    },
  };
}

/** Two ends that lead nowhere. */
function openPipe(ends: Int32Array | undefined): number {
  ends?.set([fs.openSync("/dev/null", "r"), fs.openSync("/dev/null", "w")]);
  return 0;
}
