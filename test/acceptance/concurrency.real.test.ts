/**
 * Several starts at once, and starts that are killed: no change to a record is ever lost, and the next start works.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeDebianMirror } from "../../fixtures/debian-installer.ts";
import { startNginx, type Nginx } from "../../fixtures/nginx.ts";
import { environment, parseSimple, programPath, start, temporaryFolder } from "../program.ts";
import { checkedJournal } from "../vm-journal.ts";
import { installRecord, readRecord, VM, writeRecord } from "./vm-records.ts";

const folder = temporaryFolder();
const at = (name: string) => path.join(folder.path, name);
const set = { GUESTBOOT_STATE_DIR: at("state"), GUESTBOOT_CACHE_DIR: at("cache"), GUESTBOOT_BOOT_DIR: at("boot") };
let mirror: Nginx;
/** Sends 20 MB a second, so that a start can be met in the middle of its download. */
let slowMirror: Nginx;

beforeAll(async () => {
  makeDebianMirror(at("mirror"));
  mirror = await startNginx({ root: at("mirror") });
  slowMirror = await startNginx({ root: at("mirror"), extra: "limit_rate 20m;" });
});
afterAll(async () => {
  await mirror[Symbol.asyncDispose]();
  await slowMirror[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

const eliloader = (vm: string) => start(programPath("eliloader"), ["-q", "--vm", vm, "/dev/null"], set);
const temporaryFiles = () => {
  const folderOfThem = path.join(at("cache"), "tmp");
  return fs.existsSync(folderOfThem) ? fs.readdirSync(folderOfThem) : [];
};

describe("starts at the same time", () => {
  it("of one VM: both answer, and its record is changed once and whole", async () => {
    writeRecord(at("state"), installRecord(mirror.url));
    const ended = await Promise.all([eliloader(VM), eliloader(VM)]);
    for (const each of ended) expect(each).toMatchObject({ status: 0, stderr: "" });
    const names = ended.flatMap(({ stdout }) => [parseSimple(stdout).kernel, parseSimple(stdout).ramdisk]);
    expect(new Set(names).size).toBe(4);
    for (const name of names) expect(fs.existsSync(name ?? "")).toBe(true);
    expect(checkedJournal(readRecord(at("state")), installRecord(mirror.url))).toEqual({
      ...installRecord(mirror.url),
      PV_bootloader: "pygrub",
      other_config: { "install-repository": mirror.url, "debian-release": "bookworm", "install-arch": "amd64" },
    });
  });

  it("of ten VMs: ten records are right, and nothing unfinished stays in the cache", async () => {
    const vms = Array.from({ length: 10 }, (_, index) => VM.replace(/^0a/, `c${index}`));
    for (const vm of vms) writeRecord(at("state"), { ...installRecord(mirror.url), uuid: vm, name_label: vm }, vm);
    const ended = await Promise.all(vms.map(eliloader));
    for (const each of ended) expect(each).toMatchObject({ status: 0, stderr: "" });
    for (const vm of vms) expect(readRecord(at("state"), vm).PV_bootloader).toBe("pygrub");
    expect(temporaryFiles()).toEqual([]);
  });

  it("of one VM whose admin changes something else meanwhile: both changes stand", async () => {
    writeRecord(at("state"), installRecord(slowMirror.url));
    fs.rmSync(at("cache"), { recursive: true, force: true });
    const started = eliloader(VM);
    await expect.poll(() => temporaryFiles().length, { timeout: 10_000, interval: 10 }).toBeGreaterThan(0);
    const { other_config, ...record } = installRecord(slowMirror.url);
    writeRecord(at("state"), { ...record, other_config: { ...other_config, note: "mine" }, memory_static_max: 1 });
    expect(await started).toMatchObject({ status: 0, stderr: "" });
    const after = readRecord(at("state"));
    expect(after).toMatchObject({ PV_bootloader: "pygrub", memory_static_max: 1 });
    expect(after.other_config).toMatchObject({ note: "mine" });
    checkedJournal(after, { ...record, other_config: { ...other_config, note: "mine" } });
    expect(after.other_config).not.toHaveProperty("install-distro");
  });

  it("of one VM whose admin asks for another distribution meanwhile: that is not lost, and the start says so", async () => {
    writeRecord(at("state"), installRecord(slowMirror.url));
    fs.rmSync(at("cache"), { recursive: true, force: true });
    fs.rmSync(at("boot"), { recursive: true, force: true });
    const started = eliloader(VM);
    await expect.poll(() => temporaryFiles().length, { timeout: 10_000, interval: 10 }).toBeGreaterThan(0);
    const record = installRecord(slowMirror.url);
    const changed = { ...record, other_config: { ...record.other_config, "install-distro": "rhlike" } };
    writeRecord(at("state"), changed);
    const ended = await started;
    expect(ended).toMatchObject({ status: 1, stdout: "" });
    expect(ended.stderr).toMatch(/^RuntimeError: .*install-distro.*start it again\n$/);
    expect(readRecord(at("state"))).toEqual(changed);
    expect(fs.readdirSync(at("boot"))).toEqual([]);
  });
});

describe("a start that is ended in the middle of its download", () => {
  it.each(["SIGKILL", "SIGTERM", "SIGINT"] as const)(
    "by %s: leaves the record, and the next start works",
    async (signal) => {
      const record = installRecord(slowMirror.url);
      writeRecord(at("state"), record);
      fs.rmSync(at("cache"), { recursive: true, force: true });
      fs.rmSync(at("boot"), { recursive: true, force: true });
      const child = spawn(programPath("eliloader"), ["-q", "--vm", VM, "/dev/null"], {
        env: environment(set),
        stdio: "ignore",
      });
      const ended = once(child, "exit");
      await expect.poll(() => temporaryFiles().length, { timeout: 10_000, interval: 10 }).toBe(2);
      child.kill(signal);
      const [status, by] = (await ended) as [number | null, string | null];
      expect(signal === "SIGKILL" ? by : status).toBe(signal === "SIGKILL" ? "SIGKILL" : 1);
      expect(readRecord(at("state"))).toEqual(record);
      expect(fs.readdirSync(at("boot"))).toEqual([]);
      if (signal !== "SIGKILL") expect(temporaryFiles()).toEqual([]);

      writeRecord(at("state"), installRecord(mirror.url));
      expect(await eliloader(VM)).toMatchObject({ status: 0, stderr: "" });
      expect(readRecord(at("state")).PV_bootloader).toBe("pygrub");
      expect(temporaryFiles()).toEqual([]);
    },
  );
});
