/**
 * Both rounds of RHEL 4.1 and 4.4, whose installer comes from the host's own folder, and which brings along a disk of
 * updates that the second round takes away.
 */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { makeFilesystemImage } from "../../fixtures/disk-images.ts";
import { environment, parseSimple, programPath, start, temporaryFolder } from "../program.ts";
import { checkedJournal } from "../vm-journal.ts";
import { installRecord, readRecord, VM, writeRecord } from "./vm-records.ts";

const folder = temporaryFolder();
const at = (name: string) => path.join(folder.path, name);
const set = {
  GUESTBOOT_STATE_DIR: at("state"),
  GUESTBOOT_CACHE_DIR: at("cache"),
  GUESTBOOT_BOOT_DIR: at("boot"),
  GUESTBOOT_GUEST_INSTALLER_DIR: at("guest-installer"),
};
/** Nobody listens there: the repository is the installer's business alone. */
const REPOSITORY = "http://127.0.0.1:9/rhel4";
const disk = at("disk.img");
const system = { userdevice: "0", type: "Disk", bootable: true, VDI: "OpaqueRef:system" };
const updates = { userdevice: "1", type: "Disk", bootable: false, mode: "RO", VDI: "OpaqueRef:updates" };
const data = { userdevice: "2", type: "Disk", bootable: false, mode: "RW", VDI: "OpaqueRef:data" };

function write(name: string, text: string): void {
  fs.mkdirSync(path.dirname(at(name)), { recursive: true });
  fs.writeFileSync(at(name), text);
}

beforeAll(() => {
  write("guest/boot/vmlinuz", "the guest's kernel");
  write("guest/boot/initrd", "the guest's initrd");
  write("guest/boot/grub/menu.lst", "title RHEL\nkernel /boot/vmlinuz root=/dev/xvda1\ninitrd /boot/initrd\n");
  makeFilesystemImage({ path: disk, type: "ext3", sizeMiB: 8, folder: at("guest") });
});
afterAll(() => folder[Symbol.dispose]());
beforeEach(() => {
  fs.rmSync(at("boot"), { recursive: true, force: true });
  fs.rmSync(at("guest-installer"), { recursive: true, force: true });
});

function record(distro: string, keys: Readonly<Record<string, string>> = {}, VBDs: unknown = [system, updates, data]) {
  const config = { "install-distro": distro, "install-repository": REPOSITORY, ...keys };
  return { ...installRecord(""), VBDs, other_config: config };
}

const eliloader = () => start(programPath("eliloader"), ["-q", "--vm", VM, disk], set);
const content = (file: string | null) => fs.readFileSync(file ?? "", "utf8");

describe.each([
  ["rhel44", "rhel4.4-vmlinuz", "rhel4.4-install-initrd.img"],
  ["rhel41", "rhel41-vmlinuz", "rhel41-install-initrd.img"],
])("an installation of %s", (distro, kernel, ramdisk) => {
  it("begins with the installer of the host's own folder", async () => {
    write(`guest-installer/${kernel}`, kernel);
    write(`guest-installer/${ramdisk}`, ramdisk);
    const before = record(distro);
    writeRecord(at("state"), before);
    const ended = await eliloader();
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    const answer = parseSimple(ended.stdout);
    expect([content(answer.kernel), content(answer.ramdisk)]).toEqual([kernel, ramdisk]);
    expect(answer.args).toBe(`method=${REPOSITORY}/`);
    expect(checkedJournal(readRecord(at("state")), before)).toEqual({
      ...before,
      other_config: { ...before.other_config, "install-round": "2" },
    });
  });

  it("ends on the disk, without the disk of updates", async () => {
    const before = record(distro, { "install-round": "2" });
    writeRecord(at("state"), before);
    const ended = await eliloader();
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    expect(content(parseSimple(ended.stdout).kernel)).toBe("the guest's kernel");
    expect(parseSimple(ended.stdout).args).toBe("root=/dev/xvda1");
    expect(checkedJournal(readRecord(at("state")), before)).toEqual({
      ...before,
      PV_bootloader: "pygrub",
      VBDs: [system, data],
      other_config: { "install-repository": REPOSITORY },
    });
  });

  it("says where its files should be when the host has none", async () => {
    fs.mkdirSync(at("guest-installer"));
    writeRecord(at("state"), record(distro));
    const ended = await eliloader();
    expect(ended).toMatchObject({ status: 1, stdout: "" });
    expect(ended.stderr).toMatch(/^RuntimeError: .*guest installers.*\n$/);
    expect(ended.stderr).toContain(kernel);
    const forOldXapi = await start(
      programPath("eliloader"),
      ["-q", "--default_args=", "--extra_args=", `--vm=${VM}`, disk],
      set,
    );
    expect(forOldXapi.stderr).toMatch(new RegExp(`^SUPPORT_PACKAGE_MISSING\n${distro}\n`));
    expect(readRecord(at("state"))).toEqual(record(distro));
  });

  it("was never offered from a medium", async () => {
    writeRecord(at("state"), { ...record(distro, { "install-repository": "cdrom" }) });
    write(`guest-installer/${kernel}`, kernel);
    write(`guest-installer/${ramdisk}`, ramdisk);
    const ended = await eliloader();
    expect(ended).toMatchObject({ status: 1, stdout: "" });
    expect(ended.stderr).toMatch(/cannot install from cdrom/);
  });
});

describe("the disk of updates", () => {
  it("is given back, in its place and whole, when the answer cannot be given", () => {
    const before = record("rhel44", { "install-round": "2" }, [updates, system, data]);
    writeRecord(at("state"), before);
    const script = 'exec "$@" >/dev/full';
    const argv = ["-c", script, "sh", programPath("eliloader"), "-q", "--vm", VM, disk];
    const ended = spawnSync("sh", argv, { encoding: "utf8", env: environment(set) });
    expect(ended.status).toBe(1);
    expect(ended.stderr).toMatch(/^RuntimeError: .*no space left.*\n$/);
    expect(readRecord(at("state"))).toEqual(before);
    expect(fs.readdirSync(at("boot"))).toEqual([]);
  });

  it("that could be somebody's data stays, and an admin is told", async () => {
    writeRecord(at("state"), record("rhel44", { "install-round": "2" }, [system, data]));
    const ended = await start(programPath("eliloader"), ["--vm", VM, disk], set);
    expect(ended.status).toBe(0);
    expect(ended.stderr).toMatch(/disk of updates.*install-updates-disk/s);
    expect(readRecord(at("state"))["VBDs"]).toEqual([system, data]);
  });
});
