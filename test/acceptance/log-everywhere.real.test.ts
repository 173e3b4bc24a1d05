/**
 * The log where no start is under way: of the commands that fetch, and of starts that fail before they begin; and
 * eliloader's `--logging`.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startNginx, type Nginx } from "../../fixtures/nginx.ts";
import { programPath, start, temporaryFolder, type ProgramName } from "../program.ts";
import { logSocket, startLogReceiver, SYSLOG, type LogReceiver } from "./log-receiver.ts";
import { installRecord, VM, writeRecord } from "./vm-records.ts";

const folder = temporaryFolder();
const at = (name: string) => path.join(folder.path, name);
const set = {
  GUESTBOOT_STATE_DIR: at("state"),
  GUESTBOOT_CACHE_DIR: at("cache"),
  GUESTBOOT_BOOT_DIR: at("boot"),
  GUESTBOOT_STORE: "file",
  GUESTBOOT_LOG_SOCKET: logSocket(folder.path),
};
const TREE = "dists/bookworm/main/installer-amd64/current/images/netboot/xen";
const ERROR = String(3 * 8 + 3);
let web: Nginx;
let log: LogReceiver;

beforeAll(async () => {
  fs.mkdirSync(at(`web/${TREE}`), { recursive: true });
  fs.writeFileSync(at(`web/${TREE}/vmlinuz`), "a kernel");
  fs.writeFileSync(at(`web/${TREE}/initrd.gz`), "a ramdisk");
  for (const name of ["out", "images"]) fs.mkdirSync(at(name));
  web = await startNginx({ root: at("web") });
  log = await startLogReceiver(folder.path);
});
afterAll(async () => {
  log[Symbol.dispose]();
  await web[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});
beforeEach(() => log.clear());

const guestboot = (...argv: string[]) => start(programPath("guestboot"), argv, set);
/** With a password that must be in no log. */
const repository = () => web.url.replace("//", "//me:s3cr3t@");
const TARGET = ["--distro=debian", "--release=bookworm"];

const COMMANDS: readonly (readonly [string, () => string[], readonly string[]])[] = [
  ["resolve", () => ["resolve", repository(), ...TARGET], ["resolved", "trust"]],
  ["fetch", () => ["fetch", repository(), ...TARGET, "-o", at("out")], ["resolved", "fetched", "trust", "put"]],
  ["prestage", () => ["prestage", "deb", repository(), ...TARGET, "--dir", at("images")], ["resolved", "staged"]],
  ["prestage", () => ["prestage", "verify", "--dir", at("images")], ["verified"]],
  ["prestage", () => ["prestage", "refresh", "--dir", at("images")], ["staged"]],
];

describe("a command that fetches", () => {
  it.each(COMMANDS)("%s tells the system log its steps, and no password", async (command, argv, steps) => {
    fs.rmSync(at("cache"), { recursive: true, force: true });
    const ended = await guestboot(...argv());
    expect(ended.status, ended.stderr).toBe(0);
    const lines = await log.messages(new RegExp(`: ${steps.at(-1) ?? ""} \\(`));
    const parsed = lines.map((line) => SYSLOG.exec(line) ?? [line]);
    for (const [, , program, subject] of parsed) expect([program, subject]).toEqual(["guestboot", command]);
    expect(parsed.map(([, , , , step]) => step)).toEqual(expect.arrayContaining([...steps]));
    expect(lines.join("\n")).not.toContain("s3cr3t");
  });

  it.each(COMMANDS)("%s tells them as JSON lines on standard error when asked to", async (command, argv, steps) => {
    const ended = await guestboot(...argv(), "--log", "json");
    expect(ended.status, ended.stderr).toBe(0);
    const lines = ended.stderr.split("\n").filter((line) => line.startsWith("{"));
    const parsed = lines.map((line) => JSON.parse(line) as { command: string; step: string; ms: number });
    for (const each of parsed) expect([each.command, typeof each.ms]).toEqual([command, "number"]);
    expect(parsed.map(({ step }) => step)).toContain(steps.at(-1));
    expect(ended.stderr).not.toContain("s3cr3t");
    expect(log.text()).toBe("");
  });

  it("that fails says why, once", async () => {
    const ended = await guestboot("fetch", `${repository()}nothing/`, ...TARGET, "-o", at("out"));
    expect(ended.status).toBe(1);
    const failed = (await log.messages(/failed/)).filter((line) => line.includes(": failed ("));
    expect(failed).toHaveLength(1);
    expect(failed[0]).toMatch(/ guestboot\[\d+\]: fetch: failed \([\d.]+ ms\): INVALID_SOURCE: /);
    expect(failed[0]).not.toContain("s3cr3t");
  });

  it("of several images, tells which one could not be renewed", async () => {
    const gone = at("mirror");
    fs.cpSync(at("web"), gone, { recursive: true });
    for (const [name, address] of [
      ["one", gone],
      ["two", web.url],
    ] as const) {
      expect(await guestboot("prestage", name, address, ...TARGET, "--dir", at("more"))).toMatchObject({ status: 0 });
    }
    fs.rmSync(gone, { recursive: true });
    log.clear();
    expect(await guestboot("prestage", "refresh", "--dir", at("more"))).toMatchObject({ status: 1 });
    const lines = await log.messages(/staged/);
    expect(lines.join("\n")).toMatch(/prestage: failed \([\d.]+ ms\): one: [A-Z_]+: /);
  });

  it("refuses a log that there is not, and is silent where none is wanted", async () => {
    const wrong = await guestboot("resolve", web.url, ...TARGET, "--log=xml");
    expect(wrong.status).toBe(2);
    expect(wrong.stderr).toMatch(/--log is syslog, json or none, and not "xml"/);
    expect(await guestboot("resolve", web.url, ...TARGET, "--log=none")).toMatchObject({ status: 0 });
    expect(log.text()).toBe("");
  });
});

describe("a start that fails before it begins", () => {
  const notFolder = { GUESTBOOT_CACHE_DIR: "relative" };
  const cases: readonly (readonly [ProgramName, string[], Record<string, string>, string, string])[] = [
    ["eliloader", ["-q", "--vm", VM, "--kernel", "/vmlinuz", "/dev/null"], {}, VM, "USAGE"],
    ["eliloader", ["-q", `--vm=${VM}`, "x", "vncpassword=s3cr3t", "/dev/null"], {}, VM, "USAGE"],
    ["eliloader", ["-q", `--vm=${VM}`, "/dev/null"], notFolder, VM, "SETTINGS_INVALID"],
    ["eliloader", ["-q", "--vm=nobody", "/dev/null"], {}, "nobody", "VM_UNKNOWN"],
    ["pygrub", ["-q", "--no-such-password=s3cr3t", "/dev/null"], {}, "(unnamed)", "USAGE"],
    ["pygrub", ["-q", "/dev/null"], notFolder, "(unnamed)", "SETTINGS_INVALID"],
    ["guestboot", ["--quiet", "--vm=nobody", "/dev/null"], {}, "nobody", "VM_UNKNOWN"],
    ["guestboot", ["boot", "-q", "--runas=me", "/dev/null"], {}, "(unnamed)", "USAGE"],
  ];

  it.each(cases)("%s %j %j is in the system log, once, and no password", async (program, argv, change, vm, code) => {
    const ended = await start(programPath(program), argv, { ...set, ...change });
    expect(ended.status).not.toBe(0);
    const lines = await log.messages(/failed/);
    expect(lines).toHaveLength(1);
    const [, priority, tag, subject, step, , words] = SYSLOG.exec(lines[0] ?? "") ?? [];
    expect([priority, tag, subject, step]).toEqual([ERROR, program, vm, "failed"]);
    expect(words).toMatch(new RegExp(`^: ${code}: .`));
    expect(lines[0]).not.toContain("s3cr3t");
  });

  it("is a JSON line on standard error where the settings or the call want that", async () => {
    const json = { ...set, GUESTBOOT_LOG: "json" };
    for (const [argv, settings] of [
      [["boot", "--vm=nobody", "/dev/null"], json],
      [["boot", "--log=json", "--vm=nobody", "/dev/null"], set],
    ] as const) {
      const ended = await start(programPath("guestboot"), argv, settings);
      const [line = ""] = ended.stderr.split("\n");
      expect(JSON.parse(line)).toMatchObject({ vm: "nobody", step: "failed", code: "VM_UNKNOWN" });
    }
    expect(log.text()).toBe("");
  });

  it("is not logged where no log is wanted", async () => {
    const none = { ...set, GUESTBOOT_LOG: "none" };
    expect(await start(programPath("pygrub"), ["-q", "--nonsense", "/dev/null"], none)).toMatchObject({ status: 1 });
    expect(log.text()).toBe("");
  });
});

describe("eliloader --logging", () => {
  beforeEach(() => {
    const record = installRecord(repository());
    writeRecord(at("state"), { ...record, PV_args: "vncpassword=s3cr3t" });
  });
  const argv = ["--logging", `--vm=${VM}`, "/dev/null"];

  it("says every step on standard error, and the system log has them as well", async () => {
    const ended = await start(programPath("eliloader"), argv, set);
    expect(ended.status, ended.stderr).toBe(0);
    for (const step of ["record read", "resolved", "record changed", "answered"]) {
      expect(ended.stderr).toMatch(new RegExp(`^VM ${VM}: ${step} \\([\\d.]+ ms\\)`, "m"));
    }
    expect((await log.messages(/answered/)).length).toBeGreaterThan(3);
    expect(ended.stderr + log.text()).not.toContain("s3cr3t");
  });

  it("leaves standard error to the toolstack with -q: the system log has the steps, whatever is set", async () => {
    const none = { ...set, GUESTBOOT_LOG: "none" };
    const ended = await start(programPath("eliloader"), ["-q", ...argv], none);
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    expect((await log.messages(/answered/)).length).toBeGreaterThan(3);
    expect(log.text()).not.toContain("s3cr3t");
  });
});
