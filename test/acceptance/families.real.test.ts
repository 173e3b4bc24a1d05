/**
 * Installations of every kind, from record to answer: other families than Debian's, other transports than HTTP, and
 * the second round of those that take two.
 */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { makeFilesystemImage } from "../../fixtures/disk-images.ts";
import { startNginx, type Nginx } from "../../fixtures/nginx.ts";
import { parseSimple, programPath, start, temporaryFolder } from "../program.ts";
import { checkedJournal } from "../vm-journal.ts";
import { installRecord, readRecord, VM, writeRecord } from "./vm-records.ts";

const folder = temporaryFolder();
const at = (name: string) => path.join(folder.path, name);
const set = { GUESTBOOT_STATE_DIR: at("state"), GUESTBOOT_CACHE_DIR: at("cache"), GUESTBOOT_BOOT_DIR: at("boot") };
let web: Nginx;

/** A tree below `name`; each file's content is its own path, so that it is seen which one was taken. */
function makeTree(name: string, files: readonly string[], texts: Readonly<Record<string, string>> = {}): void {
  for (const [file, text] of [...files.map((each) => [each, each] as const), ...Object.entries(texts)]) {
    const target = path.join(at(name), file);
    fs.mkdirSync(path.dirname(target), { recursive: true });
    fs.writeFileSync(target, text);
  }
}

beforeAll(async () => {
  makeTree("web/el6", ["images/pxeboot/vmlinuz", "images/pxeboot/initrd.img"], {
    ".treeinfo": `[general]
family = CentOS
version = 6.10
arch = x86_64

[images-x86_64]
kernel = images/pxeboot/vmlinuz
initrd = images/pxeboot/initrd.img

[images-xen]
kernel = images/pxeboot/vmlinuz
initrd = images/pxeboot/initrd.img
`,
  });
  makeTree("web/el9", ["images/pxeboot/vmlinuz", "images/pxeboot/initrd.img"], {
    ".treeinfo": `[general]
family = AlmaLinux
version = 9.4
arch = x86_64

[images-x86_64]
kernel = images/pxeboot/vmlinuz
initrd = images/pxeboot/initrd.img
`,
  });
  makeTree("web/sles11", ["boot/x86_64/vmlinuz-xen", "boot/x86_64/initrd-xen"]);
  makeTree("web/any", ["k/vmlinuz", "k/initrd"]);
  makeTree("debian-cd", ["install.amd/xen/vmlinuz", "install.amd/xen/initrd.gz", "install.amd/vmlinuz"], {
    ".disk/info": 'Debian GNU/Linux 12.5.0 "Bookworm" - Official amd64 NETINST with firmware 20240210-11:27\n',
  });
  web = await startNginx({ root: at("web") });
});
afterAll(async () => {
  await web[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});
beforeEach(() => fs.rmSync(at("boot"), { recursive: true, force: true }));

function record(keys: Readonly<Record<string, string>>) {
  return { ...installRecord(""), other_config: { ...keys } };
}

async function eliloader(disk = "/dev/null") {
  return start(programPath("eliloader"), ["-q", "--vm", VM, disk], set);
}

const content = (file: string | null) => fs.readFileSync(file ?? "", "utf8");

describe("an installation of Red Hat's kind", () => {
  it.each([
    ["el6", "method="],
    ["el9", "inst.repo="],
  ])("of %s takes one round and tells the installer its repository", async (tree, spelling) => {
    const repository = `${web.url}${tree}`;
    writeRecord(
      at("state"),
      record({ "install-distro": "rhlike", "install-repository": repository, "install-arch": "x86_64" }),
    );
    const ended = await eliloader();
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    const answer = parseSimple(ended.stdout);
    expect(content(answer.kernel)).toBe("images/pxeboot/vmlinuz");
    expect(content(answer.ramdisk)).toBe("images/pxeboot/initrd.img");
    expect(answer.args).toBe(`${spelling}${repository}/`);
    expect(readRecord(at("state"))).toMatchObject({ PV_bootloader: "pygrub" });
    expect(readRecord(at("state")).other_config).not.toHaveProperty("install-distro");
  });

  it("does not put the repository's password on the kernel's command line", async () => {
    const repository = `${web.url}el6`.replace("http://", "http://admin:s3cret@");
    writeRecord(
      at("state"),
      record({ "install-distro": "rhlike", "install-repository": repository, "install-arch": "x86_64" }),
    );
    const ended = await eliloader();
    expect(ended.status).toBe(0);
    expect(ended.stdout).not.toContain("s3cret");
  });
});

describe("an installation of SUSE's kind", () => {
  const keys = () => ({
    "install-distro": "sleslike",
    "install-repository": `${web.url}sles11`,
    "install-arch": "x86_64",
  });

  it("begins with a round that only counts on", async () => {
    writeRecord(at("state"), record(keys()));
    const ended = await eliloader();
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    expect(content(parseSimple(ended.stdout).kernel)).toBe("boot/x86_64/vmlinuz-xen");
    expect(parseSimple(ended.stdout).args?.trim()).toBe(`install=${web.url}sles11/ maxcpus=1`);
    expect(readRecord(at("state"))).toMatchObject({ PV_bootloader: "eliloader", PV_bootloader_args: "" });
    const after = checkedJournal(readRecord(at("state")), record(keys()));
    expect(after.other_config).toEqual({ ...keys(), "install-round": "2" });
  });

  it("ends on the disk, by its boot config where it has one", async () => {
    makeTree("with-config", ["boot/vmlinuz", "boot/initrd"], {
      "boot/grub/menu.lst": "title SLES\nkernel /boot/vmlinuz root=/dev/xvda1\ninitrd /boot/initrd\n",
    });
    makeFilesystemImage({ path: at("with-config.img"), type: "ext3", sizeMiB: 8, folder: at("with-config") });
    writeRecord(at("state"), record({ ...keys(), "install-round": "2" }));
    const ended = await eliloader(at("with-config.img"));
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    expect(content(parseSimple(ended.stdout).kernel)).toBe("boot/vmlinuz");
    expect(parseSimple(ended.stdout).args).toBe("root=/dev/xvda1");
    expect(readRecord(at("state"))).toMatchObject({ PV_bootloader: "pygrub", PV_bootloader_args: "" });
    expect(readRecord(at("state")).other_config).not.toHaveProperty("install-round");
  });

  it("ends on the disk, by the distribution's own names where it has no boot config, and keeps them", async () => {
    makeTree("no-config", ["boot/vmlinuz-xen", "boot/initrd-xen"]);
    makeFilesystemImage({ path: at("no-config.img"), type: "ext3", sizeMiB: 8, folder: at("no-config") });
    writeRecord(at("state"), record({ ...keys(), "install-round": "2" }));
    const ended = await eliloader(at("no-config.img"));
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    expect(content(parseSimple(ended.stdout).kernel)).toBe("boot/vmlinuz-xen");
    expect(readRecord(at("state"))).toMatchObject({
      PV_bootloader: "pygrub",
      PV_bootloader_args: "--kernel /boot/vmlinuz-xen --ramdisk /boot/initrd-xen",
    });
    // And the start after that one, as xenopsd passes those words.
    const words = String(readRecord(at("state"))["PV_bootloader_args"]).split(" ");
    fs.mkdirSync(at("later"));
    const argv = ["-q", "--output-format=simple", `--output-directory=${at("later")}`, ...words, at("no-config.img")];
    const later = await start(programPath("pygrub"), argv);
    expect(content(parseSimple(later.stdout).kernel)).toBe("boot/vmlinuz-xen");
  });

  it("fails with exit status 3, and changes nothing, where the disk has neither", async () => {
    makeFilesystemImage({ path: at("nothing.img"), type: "ext3", sizeMiB: 8 });
    const before = record({ ...keys(), "install-round": "2" });
    writeRecord(at("state"), before);
    const ended = await eliloader(at("nothing.img"));
    expect(ended).toMatchObject({ status: 3, stdout: "" });
    expect(ended.stderr).toMatch(/^RuntimeError: .*no boot config.*reinstall.*\n$/);
    expect(readRecord(at("state"))).toEqual(before);
    expect(fs.readdirSync(at("boot"))).toEqual([]);
  });
});

describe("an installation by named files", () => {
  it("takes the record's kernel and ramdisk", async () => {
    writeRecord(
      at("state"),
      record({
        "install-distro": "pygrub",
        "install-repository": `${web.url}any`,
        "install-kernel": "k/vmlinuz",
        "install-ramdisk": "k/initrd",
      }),
    );
    const ended = await eliloader();
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    expect(content(parseSimple(ended.stdout).kernel)).toBe("k/vmlinuz");
    expect(content(parseSimple(ended.stdout).ramdisk)).toBe("k/initrd");
  });

  it("from cdrom takes what the medium's own boot config picks, without its arguments", async () => {
    makeTree("medium", ["isolinux/vmlinuz", "isolinux/initrd.img"]);
    fs.writeFileSync(
      path.join(at("medium"), "isolinux/isolinux.cfg"),
      "default linux\nlabel linux\n  kernel vmlinuz\n  append initrd=initrd.img quiet\n",
    );
    const iso = at("medium.iso");
    const made = spawnSync("xorriso", ["-as", "mkisofs", "-quiet", "-R", "-J", "-o", iso, at("medium")], {
      encoding: "utf8",
    });
    if (made.status !== 0) throw new Error(`xorriso (apt-get install xorriso): ${made.stderr}`);
    writeRecord(at("state"), record({ "install-distro": "pygrub", "install-repository": "cdrom" }));
    const ended = await eliloader(iso);
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    expect(content(parseSimple(ended.stdout).kernel)).toBe("isolinux/vmlinuz");
    expect(content(parseSimple(ended.stdout).ramdisk)).toBe("isolinux/initrd.img");
    expect(ended.stdout).not.toContain("quiet");
    expect(readRecord(at("state"))["PV_bootloader"]).toBe("pygrub");
  });

  it("from cdrom joins the ramdisks that the medium's config picks, each at a multiple of four bytes", async () => {
    makeTree("arch", ["boot/vmlinuz", "boot/ucode.img", "boot/initrd.img"]);
    fs.mkdirSync(path.join(at("arch"), "boot/grub"));
    fs.writeFileSync(
      path.join(at("arch"), "boot/grub/grub.cfg"),
      "menuentry a {\n linux /boot/vmlinuz\n initrd /boot/ucode.img /boot/initrd.img\n}\n",
    );
    const iso = at("arch.iso");
    const made = spawnSync("xorriso", ["-as", "mkisofs", "-quiet", "-R", "-J", "-o", iso, at("arch")], {
      encoding: "utf8",
    });
    if (made.status !== 0) throw new Error(`xorriso (apt-get install xorriso): ${made.stderr}`);
    writeRecord(at("state"), record({ "install-distro": "pygrub", "install-repository": "cdrom" }));
    const ended = await eliloader(iso);
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    expect(content(parseSimple(ended.stdout).ramdisk)).toBe("boot/ucode.img\0\0boot/initrd.img");
  });
});

describe("an installation without a network", () => {
  const keys = { "install-distro": "debianlike", "install-arch": "amd64", "debian-release": "bookworm" };

  it("from the guest's CD device reads the medium, and makes the first disk bootable", async () => {
    const iso = at("debian.iso");
    const made = spawnSync("xorriso", ["-as", "mkisofs", "-quiet", "-R", "-J", "-o", iso, at("debian-cd")], {
      encoding: "utf8",
    });
    if (made.status !== 0) throw new Error(`xorriso (apt-get install xorriso): ${made.stderr}`);
    const before = record({ ...keys, "install-repository": "cdrom" });
    const VBDs = [
      { userdevice: "0", type: "Disk", bootable: false },
      { userdevice: "3", type: "CD", bootable: true },
    ];
    writeRecord(at("state"), { ...before, VBDs });
    const ended = await eliloader(iso);
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    expect(content(parseSimple(ended.stdout).kernel)).toBe("install.amd/xen/vmlinuz");
    expect(readRecord(at("state"))["VBDs"]).toEqual([
      { userdevice: "0", type: "Disk", bootable: true },
      { userdevice: "3", type: "CD", bootable: false },
    ]);
  });

  it("from a folder, and from a zip of it", async () => {
    const netboot = "dists/bookworm/main/installer-amd64/current/images/netboot/xen";
    makeTree("unpacked", [`${netboot}/vmlinuz`, `${netboot}/initrd.gz`]);
    const zipped = spawnSync("python3", ["-m", "zipfile", "-c", at("netboot.zip"), at("unpacked/dists")], {
      encoding: "utf8",
    });
    if (zipped.status !== 0) throw new Error(zipped.stderr);
    for (const repository of [at("unpacked"), `file://${at("unpacked")}`, at("netboot.zip")]) {
      writeRecord(at("state"), record({ ...keys, "install-repository": repository }));
      const ended = await eliloader();
      expect(ended).toMatchObject({ status: 0, stderr: "" });
      expect(content(parseSimple(ended.stdout).kernel)).toBe(`${netboot}/vmlinuz`);
    }
  });
});

describe("a tree that is not named", () => {
  it.each([
    ["el6", { family: "rhlike", arch: "x86_64" }],
    ["el9", { family: "rhlike", arch: "x86_64" }],
  ])("%s is recognised from its index", async (tree, expected) => {
    const ended = await start(programPath("guestboot"), ["resolve", `${web.url}${tree}`, "--json"]);
    expect(ended.status, ended.stderr).toBe(0);
    expect(JSON.parse(ended.stdout)).toMatchObject(expected);
  });

  it("that nobody knows lists what was tried, as JSON where JSON was asked for", async () => {
    const ended = await start(programPath("guestboot"), ["resolve", `${web.url}any`, "--json"]);
    expect(ended.status).toBe(1);
    const { error } = JSON.parse(ended.stdout) as { error: { code: string; message: string } };
    expect(error.code).toBe("INVALID_SOURCE");
    for (const tried of [".treeinfo", "treeinfo", "content", ".disk/info"]) expect(error.message).toContain(tried);
  });
});
