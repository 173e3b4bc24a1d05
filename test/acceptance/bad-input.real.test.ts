/**
 * Everything that goes wrong around a start: each gets a clear error in the caller's own form, the record stays as it
 * was, and no file stays behind.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import { setImmediate } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MIRROR_PATHS } from "../../fixtures/debian-installer.ts";
import { makeFilesystemImage, makePartitionedDisk } from "../../fixtures/disk-images.ts";
import { startFaultServer, type FaultServer, type Routes } from "../../fixtures/http-server.ts";
import { environment, programPath, run, start, temporaryFolder, type Ended } from "../program.ts";
import { makeSmallGuestFolder, MENU_LST } from "./guest-disk.ts";
import { installRecord, readRecord, VM, writeRecord, type RawRecord } from "./vm-records.ts";

const folder = temporaryFolder();
const at = (name: string) => path.join(folder.path, name);
const set = { GUESTBOOT_STATE_DIR: at("state"), GUESTBOOT_CACHE_DIR: at("cache"), GUESTBOOT_BOOT_DIR: at("boot") };

afterAll(() => folder[Symbol.dispose]());

const lastLine = (ended: Ended) => ended.stderr.trimEnd().split("\n").at(-1) ?? "";

/** With -q, standard error is one line that begins as xenopsd wants it; standard output is empty. */
function expectFailure(ended: Ended, words: RegExp): void {
  expect(ended.stderr).toMatch(/^RuntimeError: .*\n$/);
  expect(lastLine(ended)).toMatch(words);
  expect(ended).toMatchObject({ status: 1, stdout: "" });
}

describe("an installation that cannot start", () => {
  let server: FaultServer;
  const routes: Routes = {
    [`/ok/${MIRROR_PATHS.kernel}`]: { does: "answer", body: "kernel" },
    [`/ok/${MIRROR_PATHS.initrd}`]: { does: "answer", body: "initrd" },
    [`/short/${MIRROR_PATHS.kernel}`]: { does: "answer", body: "kernel" },
    [`/short/${MIRROR_PATHS.initrd}`]: { does: "truncate", body: "0123456789".repeat(500), announced: 10_000 },
  };
  const repository = (name: string) => `${server.url}${name}/`;

  beforeAll(async () => {
    server = await startFaultServer(routes);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  async function startVm(record: RawRecord, extra: Record<string, string> = {}, vm = VM): Promise<Ended> {
    writeRecord(set.GUESTBOOT_STATE_DIR, record);
    fs.rmSync(at("boot"), { recursive: true, force: true });
    const ended = await start(programPath("eliloader"), ["-q", "--vm", vm, "/dev/null"], { ...set, ...extra });
    expect(readRecord(set.GUESTBOOT_STATE_DIR)).toEqual(record);
    if (fs.existsSync(at("boot"))) expect(fs.readdirSync(at("boot"))).toEqual([]);
    return ended;
  }

  it("of a VM that nobody knows", async () => {
    const unknown = "ffffffff-1111-2222-3333-444455556666";
    expectFailure(await startVm(installRecord(repository("ok")), {}, unknown), new RegExp(`${unknown}.*vms`));
  });

  it.each([
    ["install-repository missing", { "install-repository": "" }, /no repository/],
    ["install-repository foreign", { "install-repository": "gopher://x/" }, /gopher/],
    ["install-distro foreign", { "install-distro": "plan9" }, /"plan9" is not known/],
    ["debian-release missing", { "debian-release": "" }, /release/],
    ["debian-release hostile", { "debian-release": "../../../etc" }, /cannot be the name/],
    ["install-arch foreign", { "install-arch": "vax" }, /"vax"/],
    ["install-vnc, which its installer does not have", { "install-vnc": "true" }, /graphical/],
    ["install-round foreign", { "install-round": "nine" }, /"nine"/],
  ])("because of %s", async (_what, keys, words) => {
    const record = installRecord(repository("ok"));
    expectFailure(await startVm({ ...record, other_config: { ...record.other_config, ...keys } }), words);
  });

  it("from a repository that is down: the address is named", async () => {
    const ended = await startVm(installRecord("http://127.0.0.1:9/debian"));
    expectFailure(ended, /127\.0\.0\.1:9\/debian\/.*refused/);
  });

  it("from a repository without an installer: the address and every path tried are named", async () => {
    const ended = await startVm(installRecord(repository("empty")));
    expectFailure(ended, /\/empty\//);
    for (const tried of ["xen/vmlinuz", "xen/initrd.gz", "amd64/linux", "amd64/initrd.gz"]) {
      expect(ended.stderr).toContain(tried);
    }
  });

  it("from a repository that breaks off in the middle: nothing of it is kept", async () => {
    const ended = await startVm(installRecord(repository("short")));
    expectFailure(ended, /initrd\.gz.*10000 bytes.*5000/);
    const cached = fs.readdirSync(at("cache"), { recursive: true, encoding: "utf8" });
    const files = cached.filter((name) => fs.statSync(path.join(at("cache"), name)).isFile());
    expect(files.filter((name) => /tmp/.test(name))).toEqual([]);
  });

  it("with a password in the address: it is in no message", async () => {
    const ended = await startVm(installRecord("http://admin:s3cret@127.0.0.1:9/debian"));
    expectFailure(ended, /refused/);
    expect(ended.stderr).not.toContain("s3cret");
  });

  it("into a boot directory that cannot be used", async () => {
    fs.writeFileSync(at("a-file"), "");
    const ended = await startVm(installRecord(repository("ok")), { GUESTBOOT_BOOT_DIR: at("a-file") });
    expectFailure(ended, /boot directory .*a-file/);
  });

  it("into a boot directory that is full starts all the same: links into the cache take no space", async () => {
    const full = at("full");
    fs.mkdirSync(full);
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=4k", "tmpfs", full], { encoding: "utf8" });
    if (mounted.status !== 0) throw new Error(`this test mounts a small tmpfs and needs root: ${mounted.stderr}`);
    try {
      fs.writeFileSync(path.join(full, "filler"), "x".repeat(4096));
      writeRecord(set.GUESTBOOT_STATE_DIR, installRecord(repository("ok")));
      const argv = ["-q", "--vm", VM, "/dev/null"];
      const ended = await start(programPath("eliloader"), argv, { ...set, GUESTBOOT_BOOT_DIR: full });
      expect(ended).toMatchObject({ status: 0 });
      const names = fs.readdirSync(full).filter((name) => name !== "filler");
      expect(names.every((name) => fs.lstatSync(path.join(full, name)).isSymbolicLink())).toBe(true);
      expect(names).toHaveLength(2);
    } finally {
      spawnSync("umount", [full]);
    }
  });

  it("whose answer cannot be written: the record is taken back", async () => {
    const record = installRecord(repository("ok"));
    writeRecord(set.GUESTBOOT_STATE_DIR, record);
    const script = 'exec "$@" >/dev/full';
    const argv = ["-c", script, "sh", programPath("eliloader"), "-q", "--vm", VM, "/dev/null"];
    const ended = await start("/bin/sh", argv, set);
    expectFailure(ended, /standard output/);
    expect(readRecord(set.GUESTBOOT_STATE_DIR)).toEqual(record);
    expect(fs.readdirSync(at("boot"))).toEqual([]);
  });

  it("is wrong usage with exit status 2 when words are left over", async () => {
    const argv = ["-q", "--vm", VM, "--kernel", "/boot/vmlinuz", "/dev/null"];
    const ended = await start(programPath("eliloader"), argv, set);
    expect(ended).toMatchObject({ status: 2, stdout: "" });
    expect(ended.stderr).toMatch(/^RuntimeError: .*PV_bootloader_args.*\n$/);
  });

  it("makes a missing default boot directory for itself alone", async () => {
    await startVm(installRecord(repository("empty")));
    expect(fs.statSync(at("boot")).mode & 0o777).toBe(0o700);
  });

  it("tells the old xapi a code and its arguments, a line each", async () => {
    const record = installRecord(repository("ok"));
    writeRecord(set.GUESTBOOT_STATE_DIR, {
      ...record,
      other_config: { ...record.other_config, "install-distro": "plan9" },
    });
    const argv = ["-q", "--default_args=", "--extra_args=", `--vm=${VM}`, "/dev/null"];
    const ended = await start(programPath("eliloader"), argv, set);
    expect(ended).toMatchObject({ status: 1, stdout: "", stderr: "UNSUPPORTED_INSTALL_METHOD\nplan9\n" });
  });
});

describe("a disk that does not boot", () => {
  const output = at("out");
  const small = at("small");

  beforeAll(() => {
    fs.mkdirSync(output);
    makeSmallGuestFolder(small);
  });

  function boot(disk: string, ...options: string[]): Ended {
    const argv = ["-q", "--output-format=simple", `--output-directory=${output}`, ...options, disk];
    const ended = run(programPath("pygrub"), argv);
    expect(fs.readdirSync(output)).toEqual([]);
    return ended;
  }

  function sizesIn(directory: string): number[] {
    return fs.readdirSync(directory).map((name) => {
      return fs.statSync(path.join(directory, name), { throwIfNoEntry: false })?.size ?? 0;
    });
  }

  function image(name: string, menu: string | null): string {
    const guest = at(`${name}-guest`);
    fs.cpSync(small, guest, { recursive: true });
    const file = path.join(guest, "boot/grub/menu.lst");
    if (menu === null) fs.rmSync(file);
    else fs.writeFileSync(file, menu);
    makeFilesystemImage({ path: at(`${name}.img`), type: "ext4", sizeMiB: 8, folder: guest });
    return at(`${name}.img`);
  }

  it("because it is not there", () => {
    expectFailure(boot(at("nowhere.img")), /nowhere\.img.*no such file/);
  });

  it("because it is a folder, or a device that is no disk", () => {
    expectFailure(boot(folder.path), /folder|directory/);
    expectFailure(boot("/dev/null"), /\/dev\/null/);
  });

  it("because nothing is on it: says how to begin the installation again", () => {
    fs.writeFileSync(at("zeros.img"), Buffer.alloc(1 << 20));
    expectFailure(
      boot(at("zeros.img")),
      /whole disk: .*if its installation did not finish: guestboot vm reinstall UUID/,
    );
  });

  it("because no partition holds a filesystem that can be read: says of each why", () => {
    makePartitionedDisk({
      path: at("parts.img"),
      sizeMiB: 16,
      partitions: [{ sizeMiB: 4 }, { sizeMiB: 4, active: true }],
    });
    const ended = boot(at("parts.img"));
    expectFailure(ended, /partition 2: .*; partition 1: /);
  });

  it("because there is no boot config: names the VM where it is known", () => {
    const ended = boot(image("no-config", null), `--vm=${VM}`);
    expectFailure(ended, new RegExp(`no boot config.*guestboot vm reinstall ${VM}`));
    expect(ended.stderr).toContain("/boot/grub/menu.lst");
  });

  it("because its config has no entry", () => {
    expectFailure(boot(image("no-entry", "timeout 5\n")), /menu\.lst/);
  });

  it("because its kernel does not exist", () => {
    const menu = MENU_LST.replaceAll("/boot/vmlinuz", "/boot/gone");
    expectFailure(boot(image("no-kernel", menu)), /\/boot\/gone/);
  });

  it("because its ramdisk does not exist", () => {
    const menu = MENU_LST.replaceAll("/boot/initrd.img", "/boot/gone.img");
    expectFailure(boot(image("no-ramdisk", menu)), /\/boot\/gone\.img/);
  });

  it("because its arguments cannot be carried to the toolstack", () => {
    const menu = MENU_LST.replaceAll("quiet", "qui\x0bet");
    expectFailure(boot(image("control", menu)), /command line/);
  });

  it("because its kernel is larger than the limit: the numbers are named", () => {
    const guest = at("large-guest");
    fs.cpSync(small, guest, { recursive: true });
    fs.writeFileSync(path.join(guest, "boot/vmlinuz"), Buffer.alloc(3 << 20));
    makeFilesystemImage({ path: at("large.img"), type: "ext4", sizeMiB: 16, folder: guest });
    const argv = ["-q", `--output-directory=${output}`, at("large.img")];
    const ended = run(programPath("pygrub"), argv, { PYGRUB_MAX_FILE_SIZE_MB: "2" });
    expectFailure(ended, /3\.0 MiB.*2\.0 MiB.*PYGRUB_MAX_FILE_SIZE_MB/);
    expect(fs.readdirSync(output)).toEqual([]);
  });

  it("because the output directory is full", () => {
    const full = at("full-output");
    fs.mkdirSync(full);
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", full], { encoding: "utf8" });
    if (mounted.status !== 0) throw new Error(`this test mounts a small tmpfs and needs root: ${mounted.stderr}`);
    try {
      const guest = at("roomy-guest");
      fs.cpSync(small, guest, { recursive: true });
      fs.writeFileSync(path.join(guest, "boot/vmlinuz"), Buffer.alloc(1 << 20, "k"));
      makeFilesystemImage({ path: at("roomy.img"), type: "ext4", sizeMiB: 16, folder: guest });
      const ended = run(programPath("pygrub"), ["-q", `--output-directory=${full}`, at("roomy.img")]);
      expectFailure(ended, /no space/);
      expect(fs.readdirSync(full)).toEqual([]);
    } finally {
      spawnSync("umount", [full]);
    }
  });

  it("because a given output directory does not exist, which is not made", () => {
    const ended = run(programPath("pygrub"), ["-q", `--output-directory=${at("not-there")}`, image("plain", MENU_LST)]);
    expectFailure(ended, /not-there/);
    expect(fs.existsSync(at("not-there"))).toBe(false);
  });

  it("because the answer's file does not exist, which is not made", () => {
    const ended = boot(image("plain2", MENU_LST), `--output=${at("no-answer")}`);
    expectFailure(ended, /no-answer/);
    expect(fs.existsSync(at("no-answer"))).toBe(false);
  });

  it("because nobody reads the answer", () => {
    const argv = ["-c", 'exec "$@" >/dev/full', "sh", programPath("pygrub"), "-q", `--output-directory=${output}`];
    const ended = run("/bin/sh", [...argv, image("plain3", MENU_LST)]);
    expectFailure(ended, /standard output/);
    expect(fs.readdirSync(output)).toEqual([]);
  });

  it("leaves no file when it is killed in the middle of copying", async () => {
    const guest = at("slow-guest");
    fs.cpSync(small, guest, { recursive: true });
    fs.writeFileSync(path.join(guest, "boot/initrd.img"), Buffer.alloc(120 << 20, "r"));
    makeFilesystemImage({ path: at("slow.img"), type: "ext4", sizeMiB: 160, folder: guest });
    const child = spawn(programPath("pygrub"), ["-q", `--output-directory=${output}`, at("slow.img")], {
      env: environment(),
      stdio: "ignore",
    });
    const ended = once(child, "exit");
    // Not before it is really copying: the kernel is there and the ramdisk has begun.
    while (child.exitCode === null && sizesIn(output).reduce((a, b) => a + b, 0) < 1 << 20) await setImmediate();
    child.kill("SIGKILL");
    expect(await ended).toEqual([null, "SIGKILL"]);
    await expect.poll(() => fs.readdirSync(output), { timeout: 5000 }).toEqual([]);
  });
});

describe("guestboot's own commands", () => {
  it("print their failure as JSON when they were asked for JSON", () => {
    const ended = run(programPath("guestboot"), ["entries", at("nowhere.img"), "--json"]);
    expect(ended).toMatchObject({ status: 1, stderr: "" });
    expect(JSON.parse(ended.stdout)).toEqual({
      error: expect.objectContaining({
        code: "DISK_UNREADABLE",
        message: expect.stringContaining("nowhere.img") as string,
      }) as object,
    });
  });

  it.each([[["frobnicate"]], [["entries"]], [["entries", "a", "b"]], [["entries", "--nope", "a"]], [["cache"]], [[]]])(
    "%j is wrong usage: exit status 2, help on standard error",
    (argv) => {
      const ended = run(programPath("guestboot"), argv);
      expect(ended).toMatchObject({ status: 2, stdout: "" });
      expect(ended.stderr).toMatch(/guestboot/);
    },
  );

  it.each(["boot", "resolve", "fetch", "entries", "layouts", "cache", "vm"])("%s --help helps", (command) => {
    const ended = run(programPath("guestboot"), [command, "--help"]);
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    expect(ended.stdout).toContain(`guestboot ${command}`);
  });
});
