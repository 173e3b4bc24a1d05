/**
 * The filters, run by an interpreter of the classic BPF as https://docs.kernel.org/networking/filter.html describes it.
 */
import { describe, expect, it } from "vitest";
import { deniedCalls, type NeededCalls } from "../../src/base/denied-calls.ts";
import { seccompDenials, seccompProgram } from "../../src/base/seccomp.ts";

const ARCH_X86_64 = 0xc000003e;
const ARCH_I386 = 0x40000003;
/** linux/seccomp.h, and the error's number in its lower half. */
const ALLOWED = 0x7fff0000;
const EPERM = 0x00050001;
const ENOSYS = 0x00050026;

function judge(program: Uint8Array, call: number, args: readonly number[] = [], architecture = ARCH_X86_64): number {
  const view = new DataView(program.buffer);
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, call, true);
  data.setUint32(4, architecture, true);
  args.forEach((value, index) => data.setBigInt64(16 + 8 * index, BigInt(value), true));
  let accumulator = 0;
  for (let at = 0; at < program.length / 8; at++) {
    const [code, yes, no] = [view.getUint16(at * 8, true), view.getUint8(at * 8 + 2), view.getUint8(at * 8 + 3)];
    const value = view.getUint32(at * 8 + 4, true);
    if (code === 0x20) accumulator = data.getUint32(value, true);
    else if (code === 0x15) at += accumulator === value ? yes : no;
    else if (code === 0x35) at += accumulator >= value ? yes : no;
    else if (code === 0x45) at += (accumulator & value) !== 0 ? yes : no;
    else if (code === 0x06) return value;
    else throw new Error(`no such instruction: ${code}`);
  }
  throw new Error("the program ran past its end");
}

describe("a filter of what is allowed", () => {
  const program = seccompProgram(
    [
      { call: 0 },
      { call: 16, argument: 1, oneOf: [5, 6] },
      { call: 257, argument: 2, without: 3 },
      { call: 56, argument: 0, withBit: 8 },
    ],
    [435],
  );
  it.each([
    [0, [], ALLOWED],
    [1, [], EPERM],
    [16, [9, 6], ALLOWED],
    [16, [9, 7], EPERM],
    [257, [0, 0, 4], ALLOWED],
    [257, [0, 0, 6], EPERM],
    [56, [9], ALLOWED],
    [56, [7], EPERM],
    [435, [], ENOSYS],
  ])("judges the call %i with %j", (call, args, verdict) => {
    expect(judge(program, call, args)).toBe(verdict);
  });

  it("takes no calls of another machine, and none of x32", () => {
    expect(judge(program, 0, [], ARCH_I386)).toBe(EPERM);
    expect(judge(program, 0x40000000)).toBe(EPERM);
  });
});

describe("a filter of what is denied", () => {
  const program = seccompDenials({
    denied: [101, 165, 166],
    bound: [{ call: 62, argument: 1, oneOf: [0] }],
    missing: [435, 436],
  });
  it.each([
    [0, [], ALLOWED],
    [101, [], EPERM],
    [165, [], EPERM],
    [166, [], EPERM],
    [167, [], ALLOWED],
    [62, [1, 0], ALLOWED],
    [62, [1, 9], EPERM],
    [435, [], ENOSYS],
    [436, [], ENOSYS],
  ])("judges the call %i with %j", (call, args, verdict) => {
    expect(judge(program, call, args)).toBe(verdict);
  });
});

describe("an installation's filter", () => {
  const PID = 4711;
  const LOCAL: NeededCalls = { programs: false, network: false, sockets: false };
  const filter = (needed: Partial<NeededCalls>) => seccompDenials(deniedCalls(PID, { ...LOCAL, ...needed }));
  /** asm/unistd_64.h */
  const [SOCKET, CLONE, EXECVE, KILL, MOUNT, PTRACE, TGKILL, WRITE] = [41, 56, 59, 62, 165, 101, 234, 1] as const;

  it("lets it write, make threads, ask who lives and end itself", () => {
    const program = filter({});
    const thread = 0x3d0f00;
    expect([judge(program, WRITE), judge(program, CLONE, [thread])]).toEqual([ALLOWED, ALLOWED]);
    expect([judge(program, KILL, [1, 0]), judge(program, TGKILL, [PID, PID, 6])]).toEqual([ALLOWED, ALLOWED]);
  });

  it("lets it start nothing, signal nobody and mount nothing", () => {
    const program = filter({ network: true, sockets: true });
    const verdicts = [
      judge(program, EXECVE),
      judge(program, CLONE, [17]),
      judge(program, KILL, [1, 15]),
      judge(program, TGKILL, [1, 1, 15]),
      judge(program, MOUNT),
      judge(program, PTRACE),
    ];
    expect(verdicts).toEqual(verdicts.map(() => EPERM));
  });

  it.each([
    ["nothing", {}, []],
    ["a network", { network: true }, [2, 10, 16]],
    ["the toolstack's socket", { sockets: true }, [1]],
    ["both", { network: true, sockets: true }, [1, 2, 10, 16]],
  ])("gives sockets for %s", (_what, needed, families) => {
    const program = filter(needed);
    // AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_ALG, AF_VSOCK
    const made = [1, 2, 10, 16, 17, 38, 40].filter((family) => judge(program, SOCKET, [family]) === ALLOWED);
    expect(made).toEqual(families);
  });

  it("lets programs be started and killed where NFS is read, with no namespace of their own", () => {
    const program = filter({ programs: true, network: true });
    const [SIGKILL, SIGTERM] = [9, 15] as const;
    const allowed = [judge(program, EXECVE), judge(program, CLONE, [17]), judge(program, KILL, [1, SIGKILL])];
    expect(allowed).toEqual(allowed.map(() => ALLOWED));
    const refused = [
      judge(program, CLONE, [0x10000011]),
      judge(program, KILL, [1, SIGTERM]),
      judge(program, MOUNT),
      judge(program, PTRACE),
      judge(program, SOCKET, [17]),
    ];
    expect(refused).toEqual(refused.map(() => EPERM));
  });
});
