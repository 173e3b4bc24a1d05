/**
 * One guest's whole life on real input: Debian 12's own installer from a real web server in the layout of a mirror,
 * then the guest's own disk.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DEBIAN_INSTALLER, makeDebianMirror, MIRROR_PATHS } from "../../fixtures/debian-installer.ts";
import { makeFilesystemImage, makePartitionedDisk } from "../../fixtures/disk-images.ts";
import { startNginx, type Nginx } from "../../fixtures/nginx.ts";
import { parseSimple, programPath, run, start, temporaryFolder } from "../program.ts";
import { makeGuestFolder } from "./guest-disk.ts";
import { checkedJournal } from "../vm-journal.ts";
import { installRecord, readRecord, VM, writeRecord } from "./vm-records.ts";

const folder = temporaryFolder();
const at = (name: string) => path.join(folder.path, name);
const [state, cache, boot] = [at("state"), at("cache"), at("boot")];
const set = { GUESTBOOT_STATE_DIR: state, GUESTBOOT_CACHE_DIR: cache, GUESTBOOT_BOOT_DIR: boot };
let mirror: Nginx;

const sameBytes = (a: string, b: string) => Buffer.compare(fs.readFileSync(a), fs.readFileSync(b)) === 0;
/** Images that were asked for with GET, by the end of their path. */
const downloads = () => mirror.requests().filter((line) => /^GET .* 200$/.test(line));

beforeAll(async () => {
  makeDebianMirror(at("mirror"));
  mirror = await startNginx({ root: at("mirror") });
  makeGuestFolder(at("guest"));
  makeFilesystemImage({ path: at("whole.img"), type: "ext4", sizeMiB: 128, folder: at("guest") });
  makePartitionedDisk({
    path: at("mbr.img"),
    sizeMiB: 160,
    partitions: [{ active: true, sizeMiB: 140, filesystem: { type: "ext4", folder: at("guest") } }],
  });
});

afterAll(async () => {
  await mirror[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

describe("a Debian guest's whole life", () => {
  it("first start: eliloader fetches the installer, hands the VM to its disk, and answers", async () => {
    writeRecord(state, installRecord(mirror.url));
    const ended = await start(programPath("eliloader"), ["-q", "--vm", VM, "/dev/null"], set);
    expect(ended).toMatchObject({ status: 0, stderr: "" });

    const answer = parseSimple(ended.stdout);
    expect(path.dirname(answer.kernel)).toBe(boot);
    expect(answer.args).toBeNull();
    expect(sameBytes(answer.kernel, DEBIAN_INSTALLER.kernel)).toBe(true);
    expect(sameBytes(answer.ramdisk ?? "", DEBIAN_INSTALLER.initrd)).toBe(true);
    expect(fs.readdirSync(boot).sort()).toEqual(
      [answer.kernel, answer.ramdisk ?? ""].map((p) => path.basename(p)).sort(),
    );

    expect(checkedJournal(readRecord(state), installRecord(mirror.url))).toEqual({
      ...installRecord(mirror.url),
      PV_bootloader: "pygrub",
      other_config: {
        "install-repository": mirror.url,
        "debian-release": "bookworm",
        "install-arch": "amd64",
      },
    });
    expect(
      downloads()
        .map((line) => line.split(" ")[1]?.slice(1))
        .sort(),
    ).toEqual(Object.values(MIRROR_PATHS).sort());
  });

  it("a second VM downloads nothing again", async () => {
    const other = "99999999-1111-2222-3333-444455556666";
    writeRecord(state, { ...installRecord(mirror.url), uuid: other, name_label: "second" }, other);
    const before = downloads().length;
    const ended = await start(programPath("eliloader"), ["-q", "--vm", other, "/dev/null"], set);
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    const answer = parseSimple(ended.stdout);
    expect(sameBytes(answer.ramdisk ?? "", DEBIAN_INSTALLER.initrd)).toBe(true);
    expect(downloads().length).toBe(before);
    expect(mirror.requests().filter((line) => line.endsWith(" 304")).length).toBe(2);
  });

  it.each(["whole.img", "mbr.img"])("later starts: pygrub extracts kernel and initrd from %s", (image) => {
    const output = fs.mkdtempSync(at("pygrub-"));
    const args = ["-q", "--output-format=simple", `--output-directory=${output}`, at(image)];
    const ended = run(programPath("pygrub"), args);
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    const answer = parseSimple(ended.stdout);
    expect(answer.args).toBe("root=/dev/xvda1 ro quiet");
    expect(sameBytes(answer.kernel, DEBIAN_INSTALLER.kernel)).toBe(true);
    expect(sameBytes(answer.ramdisk ?? "", DEBIAN_INSTALLER.initrd)).toBe(true);
  });

  it("guestboot boot does both, as the record says, with the record's arguments and the caller's at the end", async () => {
    const vm = "55555555-1111-2222-3333-444455556666";
    writeRecord(state, { ...installRecord(mirror.url), uuid: vm, name_label: "xl guest" }, vm);
    const argv = ["boot", "--vm", vm, "-q", "--args=extra=1", at("mbr.img")];

    const first = await start(programPath("guestboot"), argv, set);
    expect(first).toMatchObject({ status: 0, stderr: "" });
    expect(parseSimple(first.stdout).args).toBe("console=hvc0 extra=1");
    expect(sameBytes(parseSimple(first.stdout).kernel, DEBIAN_INSTALLER.kernel)).toBe(true);
    expect(readRecord(state, vm).PV_bootloader).toBe("pygrub");

    const second = await start(programPath("guestboot"), argv, set);
    expect(second).toMatchObject({ status: 0, stderr: "" });
    expect(parseSimple(second.stdout).args).toBe("root=/dev/xvda1 ro quiet console=hvc0 extra=1");
  });

  it("libxl's call, without a command word, answers in simple0 through the file that it made", () => {
    const output = at("answer");
    fs.writeFileSync(output, "");
    const directory = fs.mkdtempSync(at("libxl-"));
    const ended = run(programPath("guestboot"), [
      "--args=root=/dev/xvda1",
      `--output=${output}`,
      "--output-format=simple0",
      `--output-directory=${directory}`,
      at("mbr.img"),
    ]);
    expect(ended).toMatchObject({ status: 0, stdout: "" });
    const [kernel, ramdisk, args, end] = fs.readFileSync(output, "utf8").split("\0");
    expect(sameBytes(kernel?.replace(/^kernel /, "") ?? "", DEBIAN_INSTALLER.kernel)).toBe(true);
    expect(sameBytes(ramdisk?.replace(/^ramdisk /, "") ?? "", DEBIAN_INSTALLER.initrd)).toBe(true);
    expect(args).toBe("args root=/dev/xvda1 ro quiet root=/dev/xvda1");
    expect(end).toBe("");
  });

  it("the installation can be started again with one command", async () => {
    const again = run(programPath("guestboot"), ["vm", "reinstall", VM], set);
    expect(again).toMatchObject({ status: 0, stdout: "debian guest: the next start begins its installation\n" });
    expect(readRecord(state)).toEqual(installRecord(mirror.url));
    const shown = run(programPath("guestboot"), ["vm", "show", "debian guest"], set);
    expect(shown.stdout).toContain("installs debianlike bookworm amd64");
    const ended = await start(programPath("eliloader"), ["-q", "--vm", VM, "/dev/null"], set);
    expect(ended.status).toBe(0);
    expect(readRecord(state).PV_bootloader).toBe("pygrub");
  });

  it("the cache tells what it holds", () => {
    const listed = run(programPath("guestboot"), ["cache", "list", "--json"], set);
    const files = JSON.parse(listed.stdout) as { url: string; size: number; digest: string }[];
    expect(files.map(({ url }) => url).sort()).toEqual(
      Object.values(MIRROR_PATHS)
        .map((p) => mirror.url + p)
        .sort(),
    );
    expect(files.map(({ size }) => size).sort()).toEqual(
      [DEBIAN_INSTALLER.kernel, DEBIAN_INSTALLER.initrd].map((file) => fs.statSync(file).size).sort(),
    );
  });
});

describe("looking before starting", () => {
  it("resolve prints the shape that other programs read", async () => {
    const argv = ["resolve", mirror.url, "--distro", "debian", "--release", "bookworm", "--json"];
    const ended = await start(programPath("guestboot"), argv);
    expect(ended.status).toBe(0);
    expect(JSON.parse(ended.stdout)).toEqual({
      family: "debianlike",
      release: "bookworm",
      arch: "amd64",
      flavour: "xen",
      layout: "debian-netboot-xen",
      kernel: {
        url: mirror.url + MIRROR_PATHS.kernel,
        path: MIRROR_PATHS.kernel,
        digest: null,
        size: fs.statSync(DEBIAN_INSTALLER.kernel).size,
      },
      ramdisks: [
        {
          url: mirror.url + MIRROR_PATHS.initrd,
          path: MIRROR_PATHS.initrd,
          digest: null,
          size: fs.statSync(DEBIAN_INSTALLER.initrd).size,
        },
      ],
      arguments: "",
      trust: "none",
    });
  });

  it("fetch puts the files into a folder, whole", async () => {
    fs.mkdirSync(at("fetched"));
    const argv = ["fetch", mirror.url, "--release", "bookworm", "--output", at("fetched")];
    const ended = await start(programPath("guestboot"), argv, set);
    expect(ended.status).toBe(0);
    expect(fs.readdirSync(at("fetched")).sort()).toEqual(["initrd.gz", "vmlinuz"]);
    expect(sameBytes(path.join(at("fetched"), "vmlinuz"), DEBIAN_INSTALLER.kernel)).toBe(true);
    expect(sameBytes(path.join(at("fetched"), "initrd.gz"), DEBIAN_INSTALLER.initrd)).toBe(true);
  });

  it.each([
    ["mbr.img", "partition 1", "ext4"],
    ["whole.img", "whole disk", "ext4"],
    ["guest", "folder", "folder"],
  ])("entries of %s prints the shape that other programs read", (name, volume, filesystem) => {
    const ended = run(programPath("guestboot"), ["entries", at(name), "--json"]);
    expect(ended.status).toBe(0);
    const entry = { id: null, kernel: "/boot/vmlinuz", ramdisks: ["/boot/initrd.img"] };
    expect(JSON.parse(ended.stdout)).toEqual({
      config: { path: "/boot/grub/menu.lst", syntax: "grub-legacy", volume, filesystem },
      default: 0,
      timeout: 5,
      entries: [
        { ...entry, title: "Debian GNU/Linux, kernel 6.1.0", arguments: "root=/dev/xvda1 ro quiet" },
        {
          ...entry,
          title: "Debian GNU/Linux, kernel 6.1.0 (single-user mode)",
          arguments: "root=/dev/xvda1 ro single",
        },
      ],
    });
  });
});
