/**
 * Unattended installations through the built program: an answer file, named by the VM's record or on the command line,
 * is in the initrd that the guest gets, and its kernel is told so. And the control domain's fixups.
 */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { DEBIAN_INSTALLER, makeDebianMirror } from "../../fixtures/debian-installer.ts";
import { startNginx, type Nginx } from "../../fixtures/nginx.ts";
import { call } from "../filesystem/call.ts";
import { cpioArchive } from "../initrd/cpio-bytes.ts";
import { makeImage } from "../initrd/ext2-image.ts";
import { parseSimple, programPath, run, start, temporaryFolder } from "../program.ts";
import { installRecord, readRecord, VM, writeRecord } from "./vm-records.ts";

const folder = temporaryFolder();
const at = (name: string) => path.join(folder.path, name);
const set = {
  GUESTBOOT_STATE_DIR: at("state"),
  GUESTBOOT_CACHE_DIR: at("cache"),
  GUESTBOOT_BOOT_DIR: at("boot"),
  GUESTBOOT_GUEST_INSTALLER_DIR: at("guest-installer"),
};
const PRESEED = "d-i debian-installer/locale string C\n";
let web: Nginx;

function write(name: string, content: string | Uint8Array): string {
  fs.mkdirSync(path.dirname(at(name)), { recursive: true });
  fs.writeFileSync(at(name), content);
  return at(name);
}

beforeAll(async () => {
  makeDebianMirror(at("www/debian"));
  write("www/answers/preseed.cfg", PRESEED);
  web = await startNginx({ root: at("www") });
});
afterAll(async () => {
  await web[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});
beforeEach(() => {
  for (const name of ["boot", "guest-installer"]) fs.rmSync(at(name), { recursive: true, force: true });
});

function record(keys: Readonly<Record<string, string>>): void {
  const base = installRecord(`${web.url}debian`);
  writeRecord(at("state"), { ...base, PV_args: "", other_config: { ...base.other_config, ...keys } });
}
/** Of another family than Debian's. */
function otherRecord(keys: Readonly<Record<string, string>>): void {
  writeRecord(at("state"), { ...installRecord(""), PV_args: "", other_config: keys });
}
const eliloader = () => start(programPath("eliloader"), ["-q", "--vm", VM, "/dev/null"], set);
const boot = (...args: string[]) =>
  start(programPath("guestboot"), ["boot", "--vm", VM, "-q", ...args, "/dev/null"], set);

/** As GNU cpio has it, from the member that was appended to the original. */
function appended(ramdisk: string | null, original: string, file: string): string {
  const { size } = fs.statSync(original);
  const script = 'tail -c "+$2" "$1" | gzip -dc | cpio --quiet -i --to-stdout "$3"';
  const from = String(size + (-size & 3) + 1);
  return call("sh", ["-c", script, "sh", ramdisk ?? "", from, file], "cpio");
}
const content = (file: string | null) => fs.readFileSync(file ?? "", "utf8");

describe("a record that names a preseed file", () => {
  it.each([["on a server"], ["on the host"]])("%s is one start from an unattended installation", async (where) => {
    const named = where === "on the host" ? write("my.cfg", PRESEED) : `${web.url}answers/preseed.cfg`;
    record({ "install-preseed": named });
    const ended = await eliloader();
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    const answer = parseSimple(ended.stdout);
    expect(answer.args).toBe("priority=critical");
    expect(appended(answer.ramdisk, DEBIAN_INSTALLER.initrd, "preseed.cfg")).toBe(PRESEED);
    // It may hold passwords.
    expect(fs.statSync(answer.ramdisk ?? "").mode & 0o077).toBe(0);
    expect(readRecord(at("state"))).toMatchObject({ PV_bootloader: "pygrub" });
  });

  it("gets the same ramdisk from the cache at the next start", async () => {
    record({ "install-preseed": write("my.cfg", PRESEED) });
    const first = parseSimple((await eliloader()).stdout).ramdisk ?? "";
    record({ "install-preseed": at("my.cfg") });
    const second = parseSimple((await eliloader()).stdout).ramdisk ?? "";
    expect(second).not.toBe(first);
    // A name of the same bytes: nothing was written.
    expect(fs.statSync(second).ino).toBe(fs.statSync(first).ino);
  });

  it("fails, and changes nothing, where the file is not there or the installer takes no such file", async () => {
    record({ "install-preseed": at("missing.cfg") });
    const before = readRecord(at("state"));
    const missing = await eliloader();
    expect(missing).toMatchObject({ status: 1, stdout: "" });
    expect(missing.stderr).toMatch(/^RuntimeError: the answer file .*missing\.cfg cannot be read: no such file/);
    expect(readRecord(at("state"))).toEqual(before);
    record({ "install-kickstart": at("my.cfg") });
    const wrong = await eliloader();
    expect(wrong).toMatchObject({ status: 1, stdout: "" });
    expect(wrong.stderr).toContain("takes no kickstart file");
    record({ "install-preseed": at("my.cfg"), "install-autoyast": at("my.cfg") });
    expect((await eliloader()).stderr).toContain("both install-preseed and install-autoyast");
    expect(fs.readdirSync(at("boot"))).toEqual([]);
  });
});

describe("guestboot boot", () => {
  it("takes an answer file in place of the record's, and overlays", async () => {
    record({ "install-preseed": at("missing.cfg") });
    write("overlay/etc/motd", "from the overlay\n");
    const preseed = write("other.cfg", "# another\n");
    const ended = await boot("--preseed", preseed, `--overlay=${at("overlay")}`, "--args=quiet");
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    const answer = parseSimple(ended.stdout);
    expect(answer.args).toBe("priority=critical quiet");
    expect(appended(answer.ramdisk, DEBIAN_INSTALLER.initrd, "preseed.cfg")).toBe("# another\n");
    expect(appended(answer.ramdisk, DEBIAN_INSTALLER.initrd, "etc/motd")).toBe("from the overlay\n");
  });

  it("hands out the kernel's ELF image when it is asked to", async () => {
    record({});
    const ended = await boot("--decompress-kernel");
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    expect(call("readelf", ["-h", parseSimple(ended.stdout).kernel], "binutils")).toContain("ELF64");
  });

  it("says what is wrong with the words", () => {
    const without = run(programPath("guestboot"), ["boot", "--preseed", "x", "/dev/null"]);
    expect(without).toMatchObject({ status: 2, stdout: "" });
    expect(without.stderr).toContain("--preseed is for a VM's installation");
    const two = run(programPath("guestboot"), ["boot", "--vm", VM, "--preseed=a", "--kickstart=b", "/dev/null"], set);
    expect(two.status).toBe(2);
    expect(two.stderr).toContain("an installer reads one answer file");
    // pygrub's own option takes the word as its value.
    const value = run(programPath("guestboot"), ["boot", "-q", "--args", "--preseed", "/dev/null"]);
    expect(value.stderr).not.toContain("is for a VM's installation");
  });
});

describe("guestboot fetch", () => {
  it("puts the patched files into the folder, and says what the kernel is to be told", async () => {
    fs.mkdirSync(at("fetched"));
    const words = ["fetch", `${web.url}debian`, "--distro", "debian", "--release", "bookworm", "--quiet"];
    const patches = ["--preseed", write("my.cfg", PRESEED), "--output", at("fetched")];
    const ended = await start(programPath("guestboot"), [...words, ...patches], set);
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    expect(ended.stdout).toContain("\nkernel arguments: priority=critical\n");
    expect(appended(at("fetched/initrd.gz"), DEBIAN_INSTALLER.initrd, "preseed.cfg")).toBe(PRESEED);
    const digest = createHash("sha256")
      .update(fs.readFileSync(at("fetched/initrd.gz")))
      .digest("hex");
    expect(ended.stdout).toContain(`sha256:${digest}  ${at("fetched/initrd.gz")}\n`);
    const json = await start(programPath("guestboot"), [...words, ...patches, "--json"], set);
    expect(JSON.parse(json.stdout)).toMatchObject({
      arguments: "priority=critical",
      ramdisks: [{ digest: `sha256:${digest}`, url: expect.stringContaining("/initrd.gz") as string }],
    });
  });
});

describe("a fixup of the control domain", () => {
  function fixup(md5: string, type: string): void {
    write("guest-installer/vendor.map", `${md5} ${type} fix.cpio some distribution\n`);
    write("guest-installer/fix.cpio", cpioArchive({ name: "fixed", content: "by the map\n" }));
  }
  const md5Of = (bytes: Uint8Array) => createHash("md5").update(bytes).digest("hex");

  it("is laid over the initrd that its map names, below the answer file", async () => {
    fixup(md5Of(fs.readFileSync(DEBIAN_INSTALLER.initrd)), "cpio");
    record({ "install-preseed": write("my.cfg", PRESEED) });
    const ended = await eliloader();
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    const { ramdisk } = parseSimple(ended.stdout);
    expect(appended(ramdisk, DEBIAN_INSTALLER.initrd, "fixed")).toBe("by the map\n");
    expect(appended(ramdisk, DEBIAN_INSTALLER.initrd, "preseed.cfg")).toBe(PRESEED);
  });

  it("changes no other initrd", async () => {
    fixup("0".repeat(32), "cpio");
    record({});
    const ended = await eliloader();
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    expect(call("cmp", [parseSimple(ended.stdout).ramdisk ?? "", DEBIAN_INSTALLER.initrd], "diffutils")).toBe("");
  });

  it("makes an image of ext2 larger where it is full, and tells the kernel", async () => {
    fs.mkdirSync(at("guest"), { recursive: true });
    makeImage(at("guest.img"), { options: ["-r", "0", "-b", "1024"], sizeKiB: 256, folder: at("guest") });
    const image = gzipSync(fs.readFileSync(at("guest.img")));
    write("guest-installer/rhel4.4-vmlinuz", "kernel");
    write("guest-installer/rhel4.4-install-initrd.img", image);
    fixup(md5Of(image), "ext2");
    write("guest-installer/fix.cpio", cpioArchive({ name: "large", content: "x".repeat(600_000) }));
    otherRecord({ "install-distro": "rhel44", "install-repository": "http://127.0.0.1:9/rhel4" });
    const ended = await eliloader();
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    const answer = parseSimple(ended.stdout);
    const size = fs.statSync(answer.ramdisk ?? "").size / 1024;
    expect(size).toBeGreaterThan(256);
    expect(answer.args).toBe(`method=http://127.0.0.1:9/rhel4/ ramdisk_size=${Math.ceil(size)}`);
    expect(call("debugfs", ["-R", "stat /large", answer.ramdisk ?? ""], "e2fsprogs")).toContain("Size: 600000");
  });

  it("whose overlay is missing stops the start", async () => {
    write("guest-installer/vendor.map", `${md5Of(fs.readFileSync(DEBIAN_INSTALLER.initrd))} cpio gone.cpio label\n`);
    record({});
    const ended = await eliloader();
    expect(ended).toMatchObject({ status: 1, stdout: "" });
    expect(ended.stderr).toMatch(/^RuntimeError: .*gone\.cpio/);
    expect(fs.readdirSync(at("boot"))).toEqual([]);
  });
});

describe("other families", () => {
  const kernelTree = (name: string, files: readonly string[]) => {
    for (const file of files) {
      const isRamdisk = file.includes("initrd");
      write(`www/${name}/${file}`, isRamdisk ? gzipSync(cpioArchive({ name: "init", content: name })) : file);
    }
  };

  it("take a kickstart file, and the words that go with it", async () => {
    kernelTree("el9", ["images/pxeboot/vmlinuz", "images/pxeboot/initrd.img"]);
    write(
      "www/el9/.treeinfo",
      "[general]\nfamily = AlmaLinux\nversion = 9.4\narch = x86_64\n\n[images-x86_64]\n" +
        "kernel = images/pxeboot/vmlinuz\ninitrd = images/pxeboot/initrd.img\n",
    );
    const repository = `${web.url}el9`;
    otherRecord({
      "install-distro": "rhlike",
      "install-repository": repository,
      "install-arch": "x86_64",
      "install-kickstart": write("ks", "text\n"),
    });
    const ended = await eliloader();
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    const answer = parseSimple(ended.stdout);
    expect(answer.args).toBe(`inst.repo=${repository}/ inst.ks=file:/ks.cfg`);
    expect(appended(answer.ramdisk, at("www/el9/images/pxeboot/initrd.img"), "ks.cfg")).toBe("text\n");
  });

  it("take an AutoYaST file, in the round that installs", async () => {
    kernelTree("sles11", ["boot/x86_64/vmlinuz-xen", "boot/x86_64/initrd-xen"]);
    const repository = `${web.url}sles11`;
    otherRecord({
      "install-distro": "sleslike",
      "install-repository": repository,
      "install-arch": "x86_64",
      "install-autoyast": write("auto.xml", "<profile/>\n"),
    });
    const ended = await eliloader();
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    const answer = parseSimple(ended.stdout);
    expect(answer.args).toBe(`install=${repository}/ maxcpus=1 autoyast=file:///autoinst.xml`);
    expect(appended(answer.ramdisk, at("www/sles11/boot/x86_64/initrd-xen"), "autoinst.xml")).toBe("<profile/>\n");
    expect(content(answer.kernel)).toBe("boot/x86_64/vmlinuz-xen");
  });
});
