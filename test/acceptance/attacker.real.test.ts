/**
 * An attacker inside the confined part: the test builds a program with a planted bug (`src/pipeline/planted-bug.ts`)
 * that runs code from the guest's disk where the guest is parsed, and hands it the kernel's calls by number.
 */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as net from "node:net";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildBundle } from "../../scripts/executable.ts";
import { RUNTIME_FLAGS } from "../../src/cli/runtime-flags.js";
import { environment, ROOT, temporaryFolder, type Ended } from "../program.ts";

const folder = temporaryFolder("/tmp");
const at = (name: string) => path.join(folder.path, name);
const NOBODY = 65534;
let tcp: net.Server;
let unix: net.Server;

beforeAll(async () => {
  // The plain user's start reads the program and writes its files here.
  fs.chmodSync(folder.path, 0o777);
  await buildBundle("src/cli/start.ts", at("planted.cjs"), { GUESTBOOT_PLANTED_BUG: "true" });
  fs.copyFileSync(path.join(ROOT, "node_modules/.bin/node"), at("node"));
  fs.chmodSync(at("node"), 0o755);
  fs.writeFileSync(at("victim"), "precious", { mode: 0o666 });
  fs.chmodSync(at("victim"), 0o666);
  tcp = net.createServer((socket) => socket.destroy());
  unix = net.createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => void tcp.listen(0, "127.0.0.1", resolve));
  await new Promise<void>((resolve) => void unix.listen(at("socket"), resolve));
  fs.chmodSync(at("socket"), 0o777);
});
afterAll(() => {
  tcp.close();
  unix.close();
  folder[Symbol.dispose]();
});

interface Who {
  readonly name: string;
  readonly options: readonly string[];
  /** Who starts the program. */
  readonly uid: number;
}

const STARTERS: readonly Who[] = [
  { name: "root", options: [], uid: 0 },
  { name: "root with --runas", options: [`--runas=${NOBODY}`], uid: 0 },
  { name: "a plain user", options: [], uid: NOBODY },
];

/** Runs `code` in the confined part. It prints JSON: what each attempt gave. */
function attack(who: Who, code: string): Ended {
  const output = fs.mkdtempSync(at("out-"));
  fs.chmodSync(output, 0o777);
  fs.writeFileSync(at("evil.img"), code);
  const argv = [...RUNTIME_FLAGS, at("planted.cjs"), "-q", `--output-directory=${output}`, ...who.options];
  const done = spawnSync(at("node"), [...argv, at("evil.img")], {
    argv0: "pygrub",
    cwd: "/",
    env: environment(),
    encoding: "utf8",
    timeout: 60_000,
    uid: who.uid,
    gid: who.uid,
  });
  fs.rmSync(output, { recursive: true });
  return { status: done.status, signal: done.signal, stdout: done.stdout, stderr: done.stderr };
}

/** What the runtime offers; each must throw, or end the process without having done it. */
const BY_THE_RUNTIME: Readonly<Record<string, string>> = {
  "read /etc/shadow": `builtin("node:fs").readFileSync("/etc/shadow")`,
  "read it through the bindings": `process.binding("fs").open("/etc/shadow", 0, 0)`,
  "write another file": `builtin("node:fs").writeFileSync(VICTIM, "x")`,
  "make a file": `builtin("node:fs").writeFileSync("/planted", "x")`,
  "remove a file": `builtin("node:fs").unlinkSync(VICTIM)`,
  "connect to a port": `await new Promise((done, fail) => builtin("node:net").connect(PORT, "127.0.0.1").on("connect", done).on("error", fail))`,
  "connect to a socket": `await new Promise((done, fail) => builtin("node:net").connect(SOCKET).on("connect", done).on("error", fail))`,
  "send a datagram": `await new Promise((done, fail) => builtin("node:dgram").createSocket("udp4").on("error", fail).send("x", PORT, "127.0.0.1", (error) => error ? fail(error) : done()))`,
  "start a program": `builtin("node:child_process").execFileSync("/bin/true")`,
  "become another program": `process.execve("/bin/true", ["true"], {})`,
  "signal another process": `process.kill(process.ppid, 0)`,
  "start a worker": `new (builtin("node:worker_threads").Worker)("1", { eval: true })`,
  "load an addon": `process.dlopen({ exports: {} }, "/lib/x86_64-linux-gnu/libc.so.6")`,
  "call the C library": `builtin("node:ffi").dlopen(null, {})`,
  "open the inspector": `builtin("node:inspector").open(0, "127.0.0.1")`,
  "become root": `process.setuid(0)`,
};

/** Calls of the kernel by number (asm/unistd_64.h): each must give -1. `text(s)` puts a string at `loot.address`. */
const BY_NUMBER: Readonly<Record<string, string>> = {
  "open(/etc/shadow)": `text("/etc/shadow"), loot.syscall(2, loot.address, 0)`,
  "openat(/etc/shadow)": `text("/etc/shadow"), loot.syscall(257, -100, loot.address, 0)`,
  "openat(/proc/self/mem)": `text("/proc/self/mem"), loot.syscall(257, -100, loot.address, 2)`,
  openat2: `text("/etc/shadow"), loot.syscall(437, -100, loot.address, loot.address, 24)`,
  open_by_handle_at: `loot.syscall(304, 0, loot.address, 0)`,
  creat: `text(VICTIM), loot.syscall(85, loot.address, 0)`,
  unlink: `text(VICTIM), loot.syscall(87, loot.address)`,
  truncate: `text(VICTIM), loot.syscall(76, loot.address, 0)`,
  mkdir: `text("/x"), loot.syscall(83, loot.address, 0)`,
  "socket(AF_INET)": `loot.syscall(41, 2, 1, 0)`,
  "socket(AF_UNIX)": `loot.syscall(41, 1, 1, 0)`,
  "socket(AF_NETLINK)": `loot.syscall(41, 16, 3, 0)`,
  "socket of the x32 ABI": `loot.syscall(0x40000000 + 41, 2, 1, 0)`,
  io_uring_setup: `loot.syscall(425, 8, loot.address)`,
  fork: `loot.syscall(57)`,
  clone: `loot.syscall(56, 17, 0, 0, 0, 0)`,
  clone3: `loot.memory.fill(0), loot.memory.writeUInt32LE(17, 32), loot.syscall(435, loot.address, 64)`,
  execve: `text("/bin/true"), loot.syscall(59, loot.address, 0, 0)`,
  kill: `loot.syscall(62, process.ppid, 0)`,
  "kill everybody": `loot.syscall(62, -1, 0)`,
  tgkill: `loot.syscall(234, process.ppid, process.ppid, 0)`,
  pidfd_open: `loot.syscall(434, process.ppid, 0)`,
  ptrace: `loot.syscall(101, 16, process.ppid, 0, 0)`,
  process_vm_readv: `loot.syscall(310, process.ppid, loot.address, 1, loot.address, 1, 0)`,
  "prlimit of another": `loot.syscall(302, process.ppid, 7, 0, loot.address)`,
  "fcntl(F_SETOWN)": `loot.syscall(72, 0, 8, process.ppid)`,
  "ioctl(TIOCSTI)": `loot.syscall(16, 0, 0x5412, loot.address)`,
  mount: `loot.syscall(165, loot.address, loot.address, loot.address, 0, 0)`,
  chroot: `text("/"), loot.syscall(161, loot.address)`,
  "unshare(CLONE_NEWUSER)": `loot.syscall(272, 0x10000000)`,
  setns: `loot.syscall(308, 0, 0)`,
  setuid: `loot.syscall(105, 0)`,
  bpf: `loot.syscall(321, 0, loot.address, 64)`,
  shmget: `loot.syscall(29, 0, 4096, 0o1600)`,
  dup: `loot.syscall(32, 1)`,
  memfd_create: `text("x"), loot.syscall(319, loot.address, 0)`,
};

function script(attempts: Readonly<Record<string, string>>, byNumber: boolean): string {
  const port = (tcp.address() as net.AddressInfo).port;
  const each = Object.entries(attempts).map(([name, code]) => {
    const body = byNumber
      ? `results[${JSON.stringify(name)}] = (${code});`
      : `${code}; results[${JSON.stringify(name)}] = "done";`;
    return `try { ${body} } catch (error) { results[${JSON.stringify(name)}] = String(error.code ?? error); }`;
  });
  return `
    const PORT = ${port}, SOCKET = ${JSON.stringify(at("socket"))}, VICTIM = ${JSON.stringify(at("victim"))};
    const results = {};
    const text = (words) => { loot.memory.fill(0); loot.memory.write(words); };
    ${each.join("\n")}
    builtin("node:fs").writeSync(1, JSON.stringify(results));
    loot.syscall(231, 0);`;
}

function resultsOf(ended: Ended): Record<string, string | number> {
  expect(ended.stdout, `${ended.stderr} ${String(ended.signal)}`).toMatch(/^\{.*\}$/);
  return JSON.parse(ended.stdout) as Record<string, string | number>;
}

describe.each(STARTERS)("code in the guest's hands, the loader started by $name", (who) => {
  it("is refused all that the runtime offers", () => {
    const results = resultsOf(attack(who, script(BY_THE_RUNTIME, false)));
    expect(Object.keys(results)).toEqual(Object.keys(BY_THE_RUNTIME));
    expect(Object.entries(results).filter(([, result]) => result === "done")).toEqual([]);
    expect(fs.readFileSync(at("victim"), "utf8")).toBe("precious");
  });

  it("is refused by the kernel where it calls the kernel itself", () => {
    const results = resultsOf(attack(who, script(BY_NUMBER, true)));
    expect(Object.keys(results)).toEqual(Object.keys(BY_NUMBER));
    expect(Object.entries(results).filter(([, result]) => result !== -1)).toEqual([]);
    expect(fs.readFileSync(at("victim"), "utf8")).toBe("precious");
  });

  it("runs, in every thread, as a stranger without capabilities, behind the filter", () => {
    // It sleeps: clock_nanosleep for a minute, while its /proc is looked at from outside.
    const output = fs.mkdtempSync(at("out-"));
    fs.chmodSync(output, 0o777);
    fs.writeFileSync(at("evil.img"), "loot.memory.writeBigInt64LE(60n, 0); loot.syscall(230, 1, 0, loot.address, 0);");
    const argv = [
      at("node"),
      ...RUNTIME_FLAGS,
      at("planted.cjs"),
      "-q",
      `--output-directory=${output}`,
      ...who.options,
    ];
    const look = `
      (exec -a pygrub "$@" ${at("evil.img")} </dev/null >/dev/null 2>&1) & pid=$!
      for n in $(seq 200); do grep -q '^Seccomp:.2' /proc/$pid/status && break; sleep 0.1; done
      cat /proc/$pid/task/*/status; echo; cat /proc/$pid/limits; echo; readlink /proc/$pid/root; echo "Open: $(ls /proc/$pid/fd | sort -n | tail -n 1)"
      kill -9 $pid`;
    const done = spawnSync("/bin/bash", ["-c", look, "bash", ...argv], {
      env: environment(),
      encoding: "utf8",
      cwd: "/",
      uid: who.uid,
      gid: who.uid,
    });
    fs.rmSync(output, { recursive: true });
    const values = (name: string) => {
      return [...done.stdout.matchAll(new RegExp(`^${name}:\\s*(.*)$`, "gm"))].map(([, value]) => value ?? "");
    };
    const seccomp = values("Seccomp");
    expect(seccomp.length, done.stderr).toBeGreaterThan(1);
    expect(new Set(seccomp)).toEqual(new Set(["2"]));
    expect(new Set(values("NoNewPrivs"))).toEqual(new Set(["1"]));
    expect(new Set(values("CapEff"))).toEqual(new Set(["0000000000000000"]));
    expect(new Set(values("CapPrm"))).toEqual(new Set(["0000000000000000"]));
    const users = new Set(values("Uid").flatMap((value) => value.split("\t").map(Number)));
    expect(users.size).toBe(1);
    const [user = 0] = users;
    if (who.name === "root") expect(user).toBeGreaterThan(1_900_000_000);
    else expect(user).toBe(NOBODY);
    const limit = (name: string) => new RegExp(`^${name} +(\\S+) +(\\S+)`, "m").exec(done.stdout)?.slice(1);
    expect(limit("Max file size")).toEqual([String(128 * 1024 ** 2), String(128 * 1024 ** 2)]);
    expect(limit("Max processes")).toEqual(["0", "0"]);
    expect(limit("Max core file size")).toEqual(["0", "0"]);
    expect(limit("Max locked memory")).toEqual(["0", "0"]);
    expect(Number(limit("Max data size")?.[1])).toBeLessThan(1024 ** 3);
    if (who.uid !== 0) return;
    // Of a process that is not dumpable, only root may see these.
    expect(done.stdout).toMatch(/guestboot-root-\w+ \(deleted\)$/m);
    expect(Number(limit("Max open files")?.[1])).toBe(Number(values("Open")[0]) + 1);
  });
});

describe("a guest that makes its reader allocate", () => {
  function allocate(code: string) {
    const output = fs.mkdtempSync(at("out-"));
    fs.writeFileSync(at("greedy.img"), code.padEnd(1024));
    const argv = [...RUNTIME_FLAGS, at("planted.cjs"), "-q", `--output-directory=${output}`, at("greedy.img")];
    const env = environment({ PYGRUB_MAX_RAM_USAGE_MB: "160" });
    const done = spawnSync(at("node"), argv, { argv0: "pygrub", env, encoding: "utf8", timeout: 60_000 });
    return { done, left: () => fs.readdirSync(output) };
  }

  it("ends in our own error with both numbers, as soon as it is past the limit", () => {
    const { done, left } = allocate(
      "const all = []; for (;;) { all.push(Buffer.alloc(1 << 18, 1)); loot.disk.read(0, 512); }",
    );
    expect(done.stderr).toMatch(/^RuntimeError: .*more memory than the limit of 160 MiB, and \d+ MiB are in use.*\n$/);
    expect(done.status).toBe(1);
    const used = Number(/and (\d+) MiB are in use/.exec(done.stderr)?.[1]);
    expect(used).toBeGreaterThanOrEqual(160);
    expect(used).toBeLessThan(160 + 32);
    expect(left()).toEqual([]);
  });

  it("is stopped by the kernel where it reads nothing between, and leaves no file", async () => {
    const { done, left } = allocate("const all = []; for (;;) all.push(Buffer.alloc(1 << 22, 1));");
    expect(done.status).not.toBe(0);
    expect(done.stdout).toBe("");
    await expect.poll(left, { timeout: 5000 }).toEqual([]);
  });
});

describe("the planted bug", () => {
  it("really runs the guest's code, so that the tests would notice", () => {
    const [root] = STARTERS;
    if (root === undefined) throw new Error("nobody starts it");
    const ended = attack(root, `builtin("node:fs").writeSync(1, "here: " + loot.syscall(39)); loot.syscall(231, 7);`);
    expect(ended.stdout).toMatch(/^here: \d+$/);
    expect(ended.status).toBe(7);
  });

  it("is in no program that is built for use", async () => {
    await buildBundle("src/cli/start.ts", at("plain.cjs"));
    expect(fs.readFileSync(at("planted.cjs"), "utf8")).toContain("plantBug");
    expect(fs.readFileSync(at("plain.cjs"), "utf8")).not.toContain("plantBug");
  });
});
