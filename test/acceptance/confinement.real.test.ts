/**
 * What a start from disk can still do once it looks at the guest: nothing but read its disk and write its two files.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeFilesystemImage } from "../../fixtures/disk-images.ts";
import { RUNTIME_FLAGS } from "../../src/cli/runtime-flags.js";
import { programPath, ROOT, run, runNode, temporaryFolder } from "../program.ts";
import { makeSmallGuestFolder } from "./guest-disk.ts";

const NOBODY = 65534;
const STRACE = "/usr/bin/strace";
const folder = temporaryFolder();
const at = (name: string) => path.join(folder.path, name);

beforeAll(() => {
  fs.mkdirSync(at("out"));
  makeSmallGuestFolder(at("guest"));
  makeFilesystemImage({ path: at("guest.img"), type: "ext4", sizeMiB: 8, folder: at("guest") });
});
afterAll(() => folder[Symbol.dispose]());

interface Call {
  readonly thread: number;
  readonly name: string;
  readonly text: string;
}

/** The system calls of a start, in order; those of the boot files' owner (a program of its own) left out. */
function tracedStart(...options: string[]): Call[] {
  if (!fs.existsSync(STRACE)) throw new Error("strace is missing: apt-get install strace");
  const trace = at("trace");
  const argv = ["-f", "-o", trace, programPath("pygrub"), "-q", `--output-directory=${at("out")}`, ...options];
  const ended = run(STRACE, [...argv, at("guest.img")]);
  expect(ended.status, ended.stderr).toBe(0);
  const calls = fs
    .readFileSync(trace, "utf8")
    .split("\n")
    .map((line) => /^(\d+) +(?:<\.\.\. )?(\w+)(?:\(| resumed)(.*)/.exec(line))
    .filter((match) => match !== null)
    .map(([text, thread, name]): Call => ({ thread: Number(thread), name: name ?? "", text }));
  const owner = calls.find((call) => call.name === "execve" && call.text.includes("guestboot-owner"))?.thread;
  const removers = calls
    .filter((call) => call.name === "execve" && call.text.includes("/rm"))
    .map((call) => call.thread);
  expect(owner).toBeDefined();
  return calls.filter((call) => call.thread !== owner && !removers.includes(call.thread));
}

/** The disk's descriptor is the one that its opening returned; others are read too, of /proc. */
function firstReadOf(calls: readonly Call[], opened: number): number {
  const fd = /= (\d+)$/.exec(
    calls.slice(opened).find(({ name, text }) => name === "openat" && /= \d+$/.test(text))?.text ?? "",
  )?.[1];
  return calls.findIndex(({ text }, index) => index > opened && text.includes(`pread64(${fd ?? "none"},`));
}

/** Everything that takes a path, reaches a network, starts a program or touches another process. */
const FORBIDDEN =
  /^(open|openat|openat2|creat|unlink|unlinkat|rename\w*|link|linkat|symlink\w*|mkdir\w*|rmdir|mknod\w*|chmod|fchmod\w*|chown|fchown\w*|truncate|stat|lstat|access|readlink\w*|socket|connect|bind|listen|accept\w*|execve|execveat|fork|vfork|ptrace|kill|tgkill|mount|chroot|setns|unshare)$/;

/**
 * A lock of the runtime's that two threads want at the same moment, for the first time in a process: it asks how many
 * processors there are (glibc's get_nprocs(3)), is refused, and takes one for granted.
 */
const HOW_MANY_PROCESSORS = ["/sys/devices/system/cpu/online", "/proc/stat"];

/** But for what is refused of those. */
function forbiddenIn(calls: readonly Call[]): string[] {
  const isRefused = (call: Call) => {
    const isEnd = / resumed>/.test(call.text);
    const begun = isEnd
      ? calls.slice(0, calls.indexOf(call)).findLast(({ thread, name }) => thread === call.thread && name === call.name)
      : call;
    const isOne = HOW_MANY_PROCESSORS.some((file) => begun?.text.includes(`"${file}"`) === true);
    return isOne && (call.text.includes("<unfinished ...>") || /= -1 (?:EPERM|EACCES) /.test(call.text));
  };
  return calls.filter((call) => FORBIDDEN.test(call.name) && !isRefused(call)).map((call) => call.text);
}

describe("a start from disk, as the kernel sees it", () => {
  it("reads the guest only after it has become another user, and opens nothing from then on", () => {
    const calls = tracedStart(`--runas=${NOBODY}`);
    const becomes = calls.findLastIndex((call) => call.name === "setuid" && call.text.includes(String(NOBODY)));
    const disk = calls.findIndex((call) => call.name === "openat" && call.text.includes("guest.img"));
    const firstRead = firstReadOf(calls, disk);
    expect(disk).toBeGreaterThan(0);
    expect(becomes).toBeGreaterThan(disk);
    expect(firstRead).toBeGreaterThan(becomes);
    expect(forbiddenIn(calls.slice(becomes))).toEqual([]);
  });

  it("gives up its groups too, before its user", () => {
    const calls = tracedStart(`--runas=${NOBODY}`);
    const order = ["setgroups", "setgid", "setuid"].map((name) => calls.findIndex((call) => call.name === name));
    expect(order.every((index) => index > 0)).toBe(true);
    expect(order.toSorted((a, b) => a - b)).toEqual(order);
  });

  it("opens nothing after its first look at the guest without another user either", () => {
    const calls = tracedStart();
    const disk = calls.findIndex((call) => call.name === "openat" && call.text.includes("guest.img"));
    const firstRead = firstReadOf(calls, disk);
    expect(forbiddenIn(calls.slice(firstRead))).toEqual([]);
  });
});

describe("the environment", () => {
  it("takes no code from the environment: neither the runtime's options nor upstream's folder of drivers", () => {
    fs.writeFileSync(at("code.cjs"), `require("node:fs").writeFileSync(${JSON.stringify(at("ran"))}, "");`);
    const set = { NODE_OPTIONS: `--require ${at("code.cjs")}`, XEN_FSIMAGE_FSDIR: folder.path };
    const ended = run(programPath("pygrub"), ["-q", "-n", at("guest.img")], set);
    expect([ended.status, ended.stderr]).toEqual([0, ""]);
    expect(fs.existsSync(at("ran"))).toBe(false);
  });
});

describe("code that runs where the guest is parsed", () => {
  const attempts: Readonly<Record<string, string>> = {
    "read /etc/shadow": `fs.readFileSync("/etc/shadow")`,
    "read through /proc/self/fd": "fs.readFileSync('/proc/self/fd/0')",
    "write a file": `fs.writeFileSync("${at("planted")}", "x")`,
    "remove a file": `fs.rmSync("${at("guest.img")}")`,
    "start a program": `process.getBuiltinModule("node:child_process").execFileSync("/bin/true")`,
    "become another program": "process.execve('/bin/true', ['true'], {})",
    "open a connection": `await new Promise((resolve, reject) => process.getBuiltinModule("node:net").connect(9, "127.0.0.1").on("connect", resolve).on("error", (error) => error.code === "ECONNREFUSED" ? resolve() : reject(error)))`,
    "start a worker": `new (process.getBuiltinModule("node:worker_threads").Worker)("1", { eval: true })`,
    "call the C library": `process.getBuiltinModule("node:ffi").dlopen(null, {})`,
    "become root again": "process.setuid(0)",
  };

  const script = (attempt: string, confined: boolean) => `
    import * as fs from "node:fs";
    import { confine } from "${path.join(ROOT, "src/pipeline/confine.ts")}";
    ${confined ? `confine({ uid: ${NOBODY} });` : ""}
    try { ${attempt}; console.log("done"); } catch (error) { console.log(error.code); }
    process.exit(0);`;

  const attack = (attempt: string, confined: boolean) => {
    return runNode([...RUNTIME_FLAGS, "--input-type=module", "--eval", script(attempt, confined)]);
  };

  it.each(Object.entries(attempts))("cannot %s", (_what, attempt) => {
    const ended = attack(attempt, true);
    expect(ended.stdout).toMatch(/^(ERR_ACCESS_DENIED|EPERM|EACCES)\n$/);
    expect(fs.existsSync(at("planted"))).toBe(false);
    expect(fs.existsSync(at("guest.img"))).toBe(true);
  });

  it.each(["read /etc/shadow", "start a program", "open a connection", "call the C library"])(
    "could %s before, so that the test would notice",
    (what) => {
      expect(attack(attempts[what] ?? "", false).stdout).toBe("done\n");
    },
  );

  it("is not reached at all where the rights cannot be given up", () => {
    const bundle = path.join(ROOT, "dist/main.cjs");
    const ended = runNode([bundle, "entries", at("guest.img")]);
    expect(ended.status).toBe(1);
    expect(ended.stderr).toMatch(/permission model/);
  });
});
