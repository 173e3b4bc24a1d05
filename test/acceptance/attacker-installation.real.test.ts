/**
 * An attacker in an installation: whoever made the repository's index runs code of theirs where it is parsed, through a
 * bug that is planted in a program of its own (`src/pipeline/planted-bug.ts`). Started by root, as toolstacks do. The
 * same attacks are made without the walls, where they must work: else they would prove nothing.
 */
import { spawn, type ChildProcess } from "node:child_process";
import * as fs from "node:fs";
import * as net from "node:net";
import * as path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startGanesha, type Ganesha } from "../../fixtures/nfs-ganesha.ts";
import { startNginx, type Nginx } from "../../fixtures/nginx.ts";
import { buildBundle } from "../../scripts/executable.ts";
import { RUNTIME_FLAGS } from "../../src/cli/runtime-flags.js";
import { ROOT, start, temporaryFolder, type Ended } from "../program.ts";
import { installRecord, VM, writeRecord } from "./vm-records.ts";

const folder = temporaryFolder("/tmp");
const at = (name: string) => path.join(folder.path, name);
const NODE = path.join(ROOT, "node_modules/.bin/node");
let web: Nginx;
let nfs: Ganesha;
let tcp: net.Server;
let unix: net.Server;
let victim: ChildProcess;

beforeAll(async () => {
  // The catalog is found beside the program.
  fs.mkdirSync(at("program"));
  fs.cpSync(path.join(ROOT, "distros"), at("program/distros"), { recursive: true });
  fs.copyFileSync(path.join(ROOT, "package.json"), at("program/package.json"));
  const planted = { GUESTBOOT_PLANTED_BUG: "true" };
  await buildBundle("src/cli/start.ts", at("program/confined.cjs"), planted);
  await buildBundle("src/cli/start.ts", at("program/bare.cjs"), { ...planted, GUESTBOOT_WITHOUT: '"installation"' });
  fs.mkdirSync(at("www"));
  web = await startNginx({ root: at("www") });
  nfs = await startGanesha({ root: at("www") });
  tcp = net.createServer((socket) => socket.destroy());
  unix = net.createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => void tcp.listen(0, "127.0.0.1", resolve));
  await new Promise<void>((resolve) => void unix.listen(at("socket"), resolve));
});
afterAll(async () => {
  await web[Symbol.asyncDispose]();
  await nfs[Symbol.asyncDispose]();
  tcp.close();
  unix.close();
  folder[Symbol.dispose]();
});

beforeEach(() => {
  fs.rmSync(at("outside"), { recursive: true, force: true });
  fs.mkdirSync(at("outside"));
  fs.writeFileSync(at("outside/precious"), "precious");
  victim = spawn("sleep", ["600"], { stdio: "ignore" });
});
afterEach(() => void victim.kill("SIGKILL"));

/** What the runtime offers: "done" where it worked. In an order in which a success does not spoil the next. */
const BY_THE_RUNTIME: Readonly<Record<string, string>> = {
  "read /etc/shadow": `fs.readFileSync("/etc/shadow")`,
  "read it in a thread of the pool": `await fs.promises.readFile("/etc/shadow")`,
  "read it in a thread of its own": `await new Promise((done, fail) => {
    const thread = new (builtin("node:worker_threads").Worker)("require('fs').readFileSync('/etc/shadow')", { eval: true });
    thread.on("exit", done).on("error", fail);
  })`,
  "read it through a link in the cache": `fs.symlinkSync("/etc/shadow", CACHE + "/shadow"); fs.readFileSync(CACHE + "/shadow")`,
  "read it through /proc": `fs.readFileSync("/proc/self/root/etc/shadow")`,
  "list root's home": `fs.readdirSync("/root")`,
  "give another file a name in the cache": `fs.linkSync(OUTSIDE + "/precious", CACHE + "/precious")`,
  "make a file": `fs.writeFileSync(OUTSIDE + "/planted", "x")`,
  "make a folder": `fs.mkdirSync(OUTSIDE + "/folder")`,
  "make a device": `builtin("node:child_process").execFileSync("mknod", [OUTSIDE + "/null", "c", "1", "3"])`,
  "write another file": `fs.writeFileSync(OUTSIDE + "/precious", "spoilt")`,
  "remove another file": `fs.unlinkSync(OUTSIDE + "/precious")`,
  "connect to another port": `await connecting(builtin("node:net").connect(PORT, "127.0.0.1"))`,
  "connect to a socket": `await connecting(builtin("node:net").connect(SOCKET))`,
  "wait on a port": `await new Promise((done, fail) => builtin("node:net").createServer().on("error", fail).listen(0, "127.0.0.1", done))`,
  "start a program": `builtin("node:child_process").execFileSync("/bin/true")`,
  "start a shell": `builtin("node:child_process").execSync("true")`,
  "signal another process": `process.kill(VICTIM, "SIGCONT")`,
  "look into another process": `fs.readFileSync("/proc/" + VICTIM + "/environ")`,
  "end another process": `process.kill(VICTIM, "SIGTERM")`,
};

/** What it is there for, and must go on working. */
const ALLOWED: Readonly<Record<string, string>> = {
  "write into the cache": `fs.writeFileSync(CACHE + "/of-ours", "x")`,
  "connect to the repository": `await connecting(builtin("node:net").connect(REPOSITORY, "127.0.0.1"))`,
  "look up a name": `await builtin("node:dns").promises.lookup("localhost")`,
  "make a thread": `await new Promise((done, fail) => new (builtin("node:worker_threads").Worker)("1", { eval: true }).on("exit", done).on("error", fail))`,
};

/** Calls of the kernel by number (asm/unistd_64.h) that root may make; -1 where they are refused. */
const BY_NUMBER: Readonly<Record<string, string>> = {
  "openat(/etc/shadow)": `text("/etc/shadow"), loot.syscall(257, -100, loot.address, 0)`,
  "openat for writing": `text(OUTSIDE + "/precious"), loot.syscall(257, -100, loot.address, 1)`,
  truncate: `text(OUTSIDE + "/precious"), loot.syscall(76, loot.address, 0)`,
  mknod: `text(OUTSIDE + "/device"), loot.syscall(133, loot.address, 0o20600, 0x103)`,
  "socket(AF_UNIX)": `loot.syscall(41, 1, 1, 0)`,
  "socket(AF_PACKET)": `loot.syscall(41, 17, 3, 0)`,
  "fcntl(F_SETOWN)": `loot.syscall(72, 1, 8, VICTIM)`,
  pidfd_open: `loot.syscall(434, VICTIM, 0)`,
  "prlimit of another": `loot.syscall(302, VICTIM, 7, 0, loot.address)`,
  "setpriority of another": `loot.syscall(141, 0, VICTIM, 1)`,
  process_vm_readv: `aim(), loot.syscall(310, VICTIM, loot.address, 1, loot.address, 0, 0)`,
  "kill(SIGCONT)": `loot.syscall(62, VICTIM, 18)`,
  "tgkill(SIGCONT)": `loot.syscall(234, VICTIM, VICTIM, 18)`,
  "ptrace(PTRACE_SEIZE)": `loot.syscall(101, 0x4206, VICTIM, 0, 0)`,
  "unshare(CLONE_NEWUTS)": `loot.syscall(272, 0x04000000)`,
  "unshare(CLONE_NEWNS)": `loot.syscall(272, 0x00020200)`,
  "setuid(0)": `loot.syscall(105, 0)`,
};

/** Refused whoever asks, or for want of a good argument: no control can be had without harm. */
const BY_NUMBER_WITHOUT_CONTROL: Readonly<Record<string, string>> = {
  execve: `text("/bin/true"), loot.syscall(59, loot.address, 0, 0)`,
  execveat: `text("/bin/true"), loot.syscall(322, -100, loot.address, 0, 0, 0)`,
  fork: `loot.syscall(57)`,
  clone: `loot.syscall(56, 17, 0, 0, 0, 0)`,
  clone3: `loot.memory.fill(0), loot.memory.writeUInt32LE(17, 32), loot.syscall(435, loot.address, 64)`,
  "kill(SIGCONT) of all": `loot.syscall(62, -1, 18)`,
  mount: `loot.syscall(165, loot.address, loot.address, loot.address, 0, 0)`,
  chroot: `text("/"), loot.syscall(161, loot.address)`,
  setns: `loot.syscall(308, 0, 0)`,
  open_by_handle_at: `loot.syscall(304, 0, loot.address, 0)`,
  bpf: `loot.syscall(321, 0, loot.address, 64)`,
  userfaultfd: `loot.syscall(323, 1)`,
  perf_event_open: `loot.syscall(298, loot.address, 0, -1, -1, 0)`,
  keyctl: `loot.syscall(250, 0, -3, 0)`,
  io_uring_setup: `loot.syscall(425, 8, loot.address)`,
  init_module: `loot.syscall(175, loot.address, 0, loot.address)`,
  kexec_load: `loot.syscall(246, 0, 0, 0, 0)`,
  swapon: `text("/dev/null"), loot.syscall(167, loot.address, 0)`,
  iopl: `loot.syscall(172, 3)`,
  "socket of the x32 ABI": `loot.syscall(0x40000000 + 41, 2, 1, 0)`,
};

type Program = "confined" | "bare";

/** Starts the program on a repository with that index. */
type Command = (program: Program, index: string) => Promise<Ended>;

/** What each attempt gave, from a command on a repository whose index holds the code. */
async function attack(
  program: Program,
  attempts: Readonly<Record<string, string>>,
  byNumber: boolean,
  command: Command = install,
) {
  const ended = await command(program, script(attempts, byNumber));
  expect(ended.stdout, ended.stderr).toMatch(/^\{.*\}$/);
  const results = JSON.parse(ended.stdout) as Record<string, string | number>;
  expect(Object.keys(results)).toEqual(Object.keys(attempts));
  return results;
}

const install: Command = (program, index) => installFrom(web.url, program, index);
const installOverNfs: Command = (program, index) => installFrom(nfs.url, program, index);

function installFrom(repository: string, program: Program, index: string): Promise<Ended> {
  fs.mkdirSync(at("boot"), { recursive: true });
  const keys = { "install-distro": "rhlike", "install-repository": repository, "install-arch": "x86_64" };
  fs.rmSync(at("state"), { recursive: true, force: true });
  writeRecord(at("state"), installRecord(repository, { other_config: { ...keys, "install-round": "1" } }));
  return run(program, index, "eliloader", ["-q", "--vm", VM, "/dev/null"]);
}

const asked = () => [web.url, "--distro=rhlike", "--arch=x86_64", "-q"];
const stage: Command = (program, index) =>
  run(program, index, "guestboot", ["prestage", "image", ...asked(), `--dir=${at("images")}`]);
const checkLayouts: Command = (program, index) => run(program, index, "guestboot", ["layouts", "check", ...asked()]);

function run(program: Program, index: string, name: string, args: readonly string[]): Promise<Ended> {
  fs.writeFileSync(at("www/.treeinfo"), index);
  for (const each of ["cache", "images"]) fs.rmSync(at(each), { recursive: true, force: true });
  fs.mkdirSync(at("cache"));
  const argv = [...RUNTIME_FLAGS, at(`program/${program}.cjs`), ...args];
  const set = { GUESTBOOT_STATE_DIR: at("state"), GUESTBOOT_CACHE_DIR: at("cache"), GUESTBOOT_BOOT_DIR: at("boot") };
  // The runtime hands its own permissions on to each Node that it starts, through NODE_OPTIONS; here it must not.
  const named = ["-c", `unset NODE_OPTIONS; exec -a ${name} "$@"`, "bash", NODE, ...argv];
  return start("/bin/bash", named, set);
}

function script(attempts: Readonly<Record<string, string>>, byNumber: boolean): string {
  const each = Object.entries(attempts).map(([name, code]) => {
    const key = JSON.stringify(name);
    const body = byNumber ? `results[${key}] = (${code});` : `${code}; results[${key}] = "done";`;
    return `try { ${body} } catch (error) { results[${key}] = String(error.code ?? error); }`;
  });
  const values = {
    PORT: (tcp.address() as net.AddressInfo).port,
    REPOSITORY: Number(new URL(web.url).port),
    SOCKET: at("socket"),
    CACHE: at("cache"),
    IMAGES: at("images"),
    OUTSIDE: at("outside"),
    VICTIM: victim.pid,
    NFS: `nfs://127.0.0.1/export/?version=4&nfsport=${nfs.port}`,
  };
  const constants = Object.entries(values).map(([name, value]) => `const ${name} = ${JSON.stringify(value)};`);
  return `${constants.join("\n")}
    const results = {}, fs = builtin("node:fs");
    const text = (words) => { loot.memory.fill(0); loot.memory.write(words); };
    const aim = () => { loot.memory.fill(0); loot.memory.writeBigUInt64LE(loot.address + 64n, 0); };
    const connecting = (socket) => new Promise((done, fail) => socket.on("connect", done).on("error", fail));
    ${each.join("\n")}
    fs.writeSync(1, JSON.stringify(results));
    loot.syscall(231, 0);`;
}

const namesOf = (results: Readonly<Record<string, unknown>>) => Object.keys(results);

describe("code in the hands of whoever made the repository's index", () => {
  it("is refused all that the runtime offers, and everything stays as it was", async () => {
    const results = await attack("confined", BY_THE_RUNTIME, false);
    expect(Object.entries(results).filter(([, result]) => result === "done")).toEqual([]);
    expect(fs.readdirSync(at("outside"))).toEqual(["precious"]);
    expect(fs.readFileSync(at("outside/precious"), "utf8")).toBe("precious");
    expect([victim.exitCode, victim.signalCode]).toEqual([null, null]);
    expect(fs.readdirSync(at("boot"))).toEqual([]);
  });

  it("is refused by the kernel where it calls the kernel itself", async () => {
    const results = await attack("confined", { ...BY_NUMBER, ...BY_NUMBER_WITHOUT_CONTROL }, true);
    expect(Object.entries(results).filter(([, result]) => result !== -1)).toEqual([]);
    expect(fs.readFileSync(at("outside/precious"), "utf8")).toBe("precious");
  });

  it("can do what an installation does", async () => {
    const results = await attack("confined", ALLOWED, false);
    expect(Object.entries(results).filter(([, result]) => result !== "done")).toEqual([]);
  });

  it("could do all of it without the walls, so that the test would notice", async () => {
    const byRuntime = await attack("bare", BY_THE_RUNTIME, false);
    expect(Object.entries(byRuntime).filter(([, result]) => result !== "done")).toEqual([]);
  });

  it("could make the calls without the walls, so that the test would notice", async () => {
    const byNumber = await attack("bare", BY_NUMBER, true);
    expect(namesOf(byNumber).filter((name) => byNumber[name] === -1)).toEqual([]);
  });
});

const { "write into the cache": intoCache, ...WITHOUT_FILES } = ALLOWED;

describe.each<[string, Command, Readonly<Record<string, string>>]>([
  ["guestboot prestage", stage, { ...ALLOWED, "write into the images": `fs.writeFileSync(IMAGES + "/of-ours", "x")` }],
  ["guestboot layouts check", checkLayouts, WITHOUT_FILES],
])("code in the hands of whoever made an index that is read by %s", (_name, command, allowed) => {
  it("is refused all that the runtime offers, and everything stays as it was", async () => {
    const results = await attack("confined", BY_THE_RUNTIME, false, command);
    expect(Object.entries(results).filter(([, result]) => result === "done")).toEqual([]);
    expect(fs.readdirSync(at("outside"))).toEqual(["precious"]);
    expect(fs.readFileSync(at("outside/precious"), "utf8")).toBe("precious");
    expect([victim.exitCode, victim.signalCode]).toEqual([null, null]);
  });

  it("is refused by the kernel where it calls the kernel itself", async () => {
    const results = await attack("confined", { ...BY_NUMBER, ...BY_NUMBER_WITHOUT_CONTROL }, true, command);
    expect(Object.entries(results).filter(([, result]) => result !== -1)).toEqual([]);
  });

  it("can do what the command does", async () => {
    const results = await attack("confined", allowed, false, command);
    expect(Object.entries(results).filter(([, result]) => result !== "done")).toEqual([]);
  });

  it("could do all of it without the walls, so that the test would notice", async () => {
    const results = await attack("bare", BY_THE_RUNTIME, false, command);
    expect(Object.entries(results).filter(([, result]) => result !== "done")).toEqual([]);
  });
});

/** NFS servers choose their ports, and are read by programs. */
const OF_NFS = ["connect to another port"];
const OF_NFS_BY_NUMBER = ["fork", "clone"];
const without = <Value>(attempts: Readonly<Record<string, Value>>, names: readonly string[]) =>
  Object.fromEntries(Object.entries(attempts).filter(([name]) => !names.includes(name)));

/** What executes the programs that it may start executes any other, within the same walls. */
const LINKER = `"/lib64/ld-linux-x86-64.so.2"`;
const BY_THE_LINKER: Readonly<Record<string, string>> = {
  "read /etc/shadow": `builtin("node:child_process").execFileSync(${LINKER}, ["/bin/cat", "/etc/shadow"])`,
  "make a file": `builtin("node:child_process").execFileSync(${LINKER}, ["/usr/bin/touch", OUTSIDE + "/planted"])`,
  "end another process": `builtin("node:child_process").execFileSync(${LINKER}, ["/bin/kill", "-CONT", String(VICTIM)])`,
  "mount a folder": `for (const mount of [["/bin/mount", "--bind", OUTSIDE, CACHE], ["/bin/umount", CACHE]])
    builtin("node:child_process").execFileSync(${LINKER}, mount)`,
};

describe("code in the hands of whoever made an index that is read over NFS", () => {
  it("is refused all that the runtime offers but ports, and everything stays as it was", async () => {
    const results = await attack("confined", without(BY_THE_RUNTIME, OF_NFS), false, installOverNfs);
    expect(Object.entries(results).filter(([, result]) => result === "done")).toEqual([]);
    expect(fs.readdirSync(at("outside"))).toEqual(["precious"]);
    expect(fs.readFileSync(at("outside/precious"), "utf8")).toBe("precious");
    expect([victim.exitCode, victim.signalCode]).toEqual([null, null]);
  });

  it("is refused by the kernel where it calls the kernel itself", async () => {
    const attempts = without({ ...BY_NUMBER, ...BY_NUMBER_WITHOUT_CONTROL }, OF_NFS_BY_NUMBER);
    const results = await attack("confined", attempts, true, installOverNfs);
    expect(Object.entries(results).filter(([, result]) => result !== -1)).toEqual([]);
  });

  it("gains nothing by starting other programs", async () => {
    const results = await attack("confined", BY_THE_LINKER, false, installOverNfs);
    expect(Object.entries(results).filter(([, result]) => result === "done")).toEqual([]);
    expect(fs.readdirSync(at("outside"))).toEqual(["precious"]);
  });

  it("can do what an installation does", async () => {
    const allowed = { ...ALLOWED, "read NFS": `builtin("node:child_process").execFileSync("/usr/bin/nfs-ls", [NFS])` };
    const results = await attack("confined", allowed, false, installOverNfs);
    expect(Object.entries(results).filter(([, result]) => result !== "done")).toEqual([]);
  });

  it("could do all of it without the walls, so that the test would notice", async () => {
    const byRuntime = await attack("bare", without(BY_THE_RUNTIME, OF_NFS), false, installOverNfs);
    expect(Object.entries(byRuntime).filter(([, result]) => result !== "done")).toEqual([]);
  });

  it("could start and call all without the walls, so that the test would notice", async () => {
    const byLinker = await attack("bare", BY_THE_LINKER, false, installOverNfs);
    expect(Object.entries(byLinker).filter(([, result]) => result !== "done")).toEqual([]);
    const byNumber = await attack("bare", without(BY_NUMBER, OF_NFS_BY_NUMBER), true, installOverNfs);
    expect(namesOf(byNumber).filter((name) => byNumber[name] === -1)).toEqual([]);
  });
});

it("guestboot layouts check keeps no file, and may make none", async () => {
  const results = await attack("confined", { "write into the cache": intoCache ?? "" }, false, checkLayouts);
  expect(results).toEqual({ "write into the cache": "EACCES" });
});

describe("an installation at work, as /proc has it", () => {
  it("has no more rights than it needs, a filter in every thread, and limits that nobody raises", async () => {
    const code = `const fs = builtin("node:fs");
      const tasks = fs.readdirSync("/proc/self/task").map((task) => fs.readFileSync("/proc/self/task/" + task + "/status", "latin1"));
      fs.writeSync(1, JSON.stringify({ tasks, own: fs.readFileSync("/proc/thread-self/status", "latin1"), limits: fs.readFileSync("/proc/self/limits", "latin1") }));
      loot.syscall(231, 0);`;
    const ended = await install("confined", code);
    const { tasks, own, limits } = JSON.parse(ended.stdout) as { tasks: string[]; own: string; limits: string };
    const valueOf = (status: string, name: string) => new RegExp(`^${name}:\\s*(.*)$`, "m").exec(status)?.[1];
    expect(tasks.length).toBeGreaterThan(1);
    expect(new Set(tasks.map((status) => valueOf(status, "Seccomp")))).toEqual(new Set(["2"]));
    expect(new Set(tasks.map((status) => valueOf(status, "NoNewPrivs")))).toEqual(new Set(["1"]));
    // CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER (capabilities(7), linux/capability.h).
    expect([valueOf(own, "CapEff"), valueOf(own, "CapPrm")]).toEqual(["000000000000000f", "000000000000000f"]);
    const limit = (name: string) => new RegExp(`^${name} +(\\S+) +(\\S+)`, "m").exec(limits)?.slice(1);
    expect(limit("Max core file size")).toEqual(["0", "0"]);
    expect(limit("Max file size")).toEqual([String(8 * 1024 ** 3), String(8 * 1024 ** 3)]);
    expect(Number(limit("Max data size")?.[1])).toBeLessThan(3 * 1024 ** 3);
  });
});
