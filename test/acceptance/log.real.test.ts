/**
 * What a start leaves in the system log.
 */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { makeFilesystemImage } from "../../fixtures/disk-images.ts";
import { startNginx, type Nginx } from "../../fixtures/nginx.ts";
import { programPath, start, temporaryFolder } from "../program.ts";
import { logSocket, startLogReceiver, SYSLOG, type LogReceiver } from "./log-receiver.ts";
import { installRecord, VM, writeRecord } from "./vm-records.ts";

const folder = temporaryFolder();
const at = (name: string) => path.join(folder.path, name);
const set = {
  GUESTBOOT_STATE_DIR: at("state"),
  GUESTBOOT_CACHE_DIR: at("cache"),
  GUESTBOOT_BOOT_DIR: at("boot"),
  GUESTBOOT_LOG_SOCKET: logSocket(folder.path),
};
const TREE = "dists/bookworm/main/installer-amd64/current/images/netboot/xen";
let web: Nginx;
let log: LogReceiver;

beforeAll(async () => {
  const tree = at(`web/${TREE}`);
  fs.mkdirSync(tree, { recursive: true });
  fs.writeFileSync(path.join(tree, "vmlinuz"), "a kernel");
  fs.writeFileSync(at("preseed.cfg"), "d-i x\n");
  const pack = "set -o pipefail; echo preseed.cfg | cpio -o -H newc --quiet | gzip";
  fs.writeFileSync(path.join(tree, "initrd.gz"), execFileSync("bash", ["-c", pack], { cwd: folder.path }));
  web = await startNginx({ root: at("web") });
  fs.mkdirSync(at("guest"));
  fs.writeFileSync(at("guest/k"), "guest's kernel");
  fs.mkdirSync(at("guest/boot/grub"), { recursive: true });
  fs.writeFileSync(at("guest/boot/grub/grub.cfg"), "menuentry one { linux /k secret=s3cr3t }\n");
  makeFilesystemImage({ path: at("disk.img"), type: "ext4", sizeMiB: 16, folder: at("guest") });
  log = await startLogReceiver(folder.path);
});
afterAll(async () => {
  log[Symbol.dispose]();
  await web[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});
beforeEach(() => log.clear());

function writeInstallation(): void {
  const record = installRecord(web.url.replace("//", "//me:s3cr3t@"));
  const config = { ...record.other_config, "install-preseed": at("preseed.cfg"), "install-vncpasswd": "s3cr3t" };
  writeRecord(at("state"), { ...record, PV_args: "vncpassword=s3cr3t", other_config: config });
}

/** RFC 5424, section 6.2.1: the facility of daemons times 8, and the severity. */
const INFO = 3 * 8 + 6;
const WARNING = 3 * 8 + 4;
const INSTALLATION = ["record read", "resolved", "fetched", "trust", "patched", "record changed", "answered"];

describe("an installation's start", () => {
  it("tells the system log its steps, the VM, and how long each took; and no password", async () => {
    writeInstallation();
    const ended = await start(programPath("eliloader"), ["-q", `--vm=${VM}`, at("disk.img")], set);
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    const lines = await log.messages(/answered/);
    const parsed = lines.map((line) => SYSLOG.exec(line) ?? [line]);
    for (const [, priority, program, vm, step] of parsed) {
      expect([priority, program, vm]).toEqual([String(step === "warning" ? WARNING : INFO), "eliloader", VM]);
    }
    const steps = parsed.map(([, , , , step]) => step ?? "").filter((step) => step !== "warning");
    expect(new Set(steps)).toEqual(new Set(INSTALLATION));
    expect(steps.at(0)).toBe("record read");
    expect(steps.slice(-3)).toEqual(["patched", "record changed", "answered"]);
    const fetched = lines.filter((line) => line.includes(": fetched (")).join("\n");
    expect(fetched).toMatch(/8 bytes in \d+\.\d{3} s: http:\/\/127\.0\.0\.1:\d+\/\S+\/vmlinuz$/m);
    expect(lines.join("\n")).not.toMatch(/s3cr3t|me:/);
  });

  it("tells them as JSON lines on standard error, which end in the same answer", async () => {
    writeInstallation();
    const argv = ["boot", "--log", "json", `--vm=${VM}`, at("disk.img")];
    const ended = await start(programPath("guestboot"), argv, set);
    expect(ended.status).toBe(0);
    const lines = ended.stderr.split("\n").filter((line) => line.startsWith("{"));
    const parsed = lines.map((line) => JSON.parse(line) as { step: string; vm: string; ms: number });
    for (const { vm, ms } of parsed) expect([vm, typeof ms]).toEqual([VM, "number"]);
    expect(parsed[0]?.step).toBe("record read");
    expect(parsed.at(-1)?.step).toBe("answered");
    expect(ended.stderr).not.toContain("s3cr3t");
    expect(log.text()).toBe("");
  });

  it("that fails says why, as JSON in the system log where standard error is the toolstack's", async () => {
    writeRecord(at("state"), installRecord(`${web.url.replace("//", "//me:s3cr3t@")}nothing/`));
    const json = { ...set, GUESTBOOT_LOG: "json" };
    const ended = await start(programPath("eliloader"), ["-q", `--vm=${VM}`, at("disk.img")], json);
    expect(ended.status).toBe(1);
    expect(ended.stderr).toMatch(/^RuntimeError: [^\n]*\n$/);
    const last = (await log.messages(/"failed"/)).at(-1) ?? "";
    expect(JSON.parse(last.slice(last.indexOf("{")))).toMatchObject({
      severity: "error",
      vm: VM,
      step: "failed",
      code: "INVALID_SOURCE",
    });
    expect(last).not.toContain("s3cr3t");
  });
});

describe("a start from disk", () => {
  const argv = ["-q", "--output-format=simple", `--output-directory=${folder.path}`, at("disk.img")];

  it("goes on telling after it has given up its rights; no kernel arguments", async () => {
    const ended = await start(programPath("pygrub"), ["--runas=65534", ...argv], set);
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    const lines = await log.messages(/answered/);
    expect(lines.map((line) => SYSLOG.exec(line)?.[4])).toEqual(["entry chosen", "copied out", "answered"]);
    expect(lines[0]).toMatch(/ pygrub\[\d+\]: .*: \/k$/);
    expect(lines.join("\n")).not.toContain("s3cr3t");
  });

  it.each([
    ["nobody listens", { GUESTBOOT_LOG_SOCKET: at("nobody") }],
    ["the log is not wanted", { GUESTBOOT_LOG: "none" }],
  ])("is the same where %s", async (_why, change) => {
    const ended = await start(programPath("pygrub"), argv, { ...set, ...change });
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    expect(ended.stdout).toMatch(/^kernel /);
    expect(log.text()).toBe("");
  });

  it("refuses a log that there is not", async () => {
    const ended = await start(programPath("pygrub"), argv, { ...set, GUESTBOOT_LOG: "xml" });
    expect(ended.status).toBe(1);
    expect(ended.stderr).toMatch(/GUESTBOOT_LOG=xml: must be syslog, json or none/);
  });
});
