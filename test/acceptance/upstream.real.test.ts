/**
 * Ours beside upstream pygrub, on the same images with Debian's real kernel and initrd: the same files, the same
 * arguments; and every extracted file is what GRUB's own driver reads at that path.
 */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DEBIAN_INSTALLER } from "../../fixtures/debian-installer.ts";
import { makeFilesystemImage, makePartitionedDisk, type ExtType } from "../../fixtures/disk-images.ts";
import { parseSimple, programPath, run, temporaryFolder } from "../program.ts";
import { makeGuestFolder } from "./guest-disk.ts";

const UPSTREAM = "/usr/lib/xen-4.17/bin/pygrub";
const folder = temporaryFolder();
const at = (name: string) => path.join(folder.path, name);
const guest = at("guest");

beforeAll(() => {
  if (!fs.existsSync(UPSTREAM)) throw new Error(`${UPSTREAM} is missing: apt-get install xen-utils-4.17`);
  if (!fs.existsSync("/usr/bin/grub-fstest")) throw new Error("grub-fstest is missing: apt-get install grub-common");
  makeGuestFolder(guest);
});
afterAll(() => folder[Symbol.dispose]());

interface Extracted {
  readonly kernel: Buffer;
  readonly ramdisk: Buffer;
  readonly args: string | null;
}

function extract(program: string, image: string, ...options: string[]): Extracted {
  const output = fs.mkdtempSync(at("out-"));
  const argv = ["-q", "--output-format=simple", `--output-directory=${output}`, ...options, image];
  const ended = run(program, argv);
  expect(ended.status, ended.stderr).toBe(0);
  const answer = parseSimple(ended.stdout);
  const read = { kernel: fs.readFileSync(answer.kernel), ramdisk: fs.readFileSync(answer.ramdisk ?? "") };
  fs.rmSync(output, { recursive: true });
  return { ...read, args: answer.args };
}

function expectSame(image: string, ...options: string[]): void {
  const [ours, upstream] = [programPath("pygrub"), UPSTREAM].map((program) => extract(program, image, ...options));
  expect(ours?.args).toBe(upstream?.args);
  expect(ours?.kernel.equals(upstream?.kernel ?? Buffer.alloc(0))).toBe(true);
  expect(ours?.ramdisk.equals(upstream?.ramdisk ?? Buffer.alloc(0))).toBe(true);
  expect(ours?.kernel.equals(fs.readFileSync(DEBIAN_INSTALLER.kernel))).toBe(true);
  expect(ours?.ramdisk.equals(fs.readFileSync(DEBIAN_INSTALLER.initrd))).toBe(true);
}

/** GRUB's driver compares a file of the image with one of the host. */
function grubAgrees(image: string, device: string, inGuest: string, onHost: string): void {
  const done = spawnSync("grub-fstest", [image, "cmp", `(${device})${inGuest}`, onHost], { encoding: "utf8" });
  expect(done.status, `${done.stdout}${done.stderr}`).toBe(0);
}

describe("beside upstream pygrub", () => {
  it.each<[ExtType, readonly string[]]>([
    ["ext4", []],
    ["ext3", []],
    ["ext2", []],
    ["ext4", ["-b", "1024"]],
    ["ext2", ["-b", "1024"]],
    ["ext4", ["-O", "^64bit,^metadata_csum"]],
  ])("a whole disk of %s made with %j", (type, options) => {
    const image = at("whole.img");
    makeFilesystemImage({ path: image, type, sizeMiB: 160, folder: guest, options });
    expectSame(image);
    grubAgrees(image, "loop0", "/boot/vmlinuz", DEBIAN_INSTALLER.kernel);
    grubAgrees(image, "loop0", "/boot/initrd.img", DEBIAN_INSTALLER.initrd);
  });

  it("the first of two partitions", () => {
    const image = at("first.img");
    const filesystem = { type: "ext4", folder: guest } as const;
    makePartitionedDisk({
      path: image,
      sizeMiB: 200,
      partitions: [
        { sizeMiB: 120, active: true, filesystem },
        { sizeMiB: 32, type: "82" },
      ],
    });
    expectSame(image);
    grubAgrees(image, "loop0,msdos1", "/boot/vmlinuz", DEBIAN_INSTALLER.kernel);
  });

  it("a separate /boot on the first partition", () => {
    const separate = at("separate");
    fs.cpSync(path.join(guest, "boot"), separate, { recursive: true });
    const menu = fs.readFileSync(path.join(separate, "grub/menu.lst"), "utf8").replaceAll("/boot/", "/");
    fs.writeFileSync(path.join(separate, "grub/menu.lst"), menu);
    const image = at("separate.img");
    makePartitionedDisk({
      path: image,
      sizeMiB: 200,
      partitions: [
        { sizeMiB: 120, active: true, filesystem: { type: "ext3", folder: separate } },
        { sizeMiB: 32, filesystem: { type: "ext4" } },
      ],
    });
    expectSame(image);
    grubAgrees(image, "loop0,msdos1", "/initrd.img", DEBIAN_INSTALLER.initrd);
  });

  it("a filesystem at an offset that the caller gives", () => {
    const image = at("offset.img");
    const { startSectors } = makePartitionedDisk({
      path: image,
      sizeMiB: 160,
      partitions: [{ sizeMiB: 140, filesystem: { type: "ext4", folder: guest } }],
    });
    expectSame(image, `--offset=${(startSectors[0] ?? 0) * 512}`);
  });

  it("the second entry, by number and by title", () => {
    const image = at("entries.img");
    makeFilesystemImage({ path: image, type: "ext4", sizeMiB: 160, folder: guest });
    expectSame(image, "--entry=1");
    expectSame(image, "--entry=Debian GNU/Linux, kernel 6.1.0 (single-user mode)");
    expect(extract(programPath("pygrub"), image, "--entry=1").args).toBe("root=/dev/xvda1 ro single");
  });

  it("files that the caller names, and arguments of its own", () => {
    const image = at("entries.img");
    expectSame(image, "--kernel=/boot/vmlinuz", "--ramdisk=/boot/initrd.img", "--args=console=hvc0");
    expectSame(image, "--args=a=1", "--args=console=hvc0 b='x y'");
  });

  it("a ramdisk with holes, which read as zeros", () => {
    const sparse = at("sparse");
    fs.cpSync(guest, sparse, { recursive: true });
    const ramdisk = path.join(sparse, "boot/initrd.img");
    const fd = fs.openSync(ramdisk, "w");
    for (const mebibyte of [0, 3, 4, 9])
      fs.writeSync(fd, Buffer.alloc(1 << 20, mebibyte + 1), 0, 1 << 20, mebibyte << 20);
    fs.ftruncateSync(fd, (12 << 20) + 17);
    fs.closeSync(fd);
    const image = at("sparse.img");
    makeFilesystemImage({ path: image, type: "ext4", sizeMiB: 160, folder: sparse });
    const [ours, upstream] = [programPath("pygrub"), UPSTREAM].map((program) => extract(program, image));
    expect(ours?.ramdisk.equals(fs.readFileSync(ramdisk))).toBe(true);
    expect(upstream?.ramdisk.equals(fs.readFileSync(ramdisk))).toBe(true);
  });

  it("as an unprivileged user", () => {
    const image = at("entries.img");
    // Upstream opens the disk after it has become that user.
    fs.chmodSync(folder.path, 0o755);
    expectSame(image, "--runas=65534");
  });
});

describe("where upstream cannot follow", () => {
  it("a logical partition, which upstream does not look for", () => {
    const image = at("logical.img");
    makePartitionedDisk({
      path: image,
      sizeMiB: 200,
      partitions: [
        { sizeMiB: 16 },
        { sizeMiB: 16, logical: true, filesystem: { type: "ext2" } },
        { sizeMiB: 120, logical: true, filesystem: { type: "ext4", folder: guest } },
      ],
    });
    // GRUB legacy counts logical partitions from 4 on: the second of them is (hd0,5).
    const extracted = extract(programPath("pygrub"), image);
    expect(extracted.kernel.equals(fs.readFileSync(DEBIAN_INSTALLER.kernel))).toBe(true);
    grubAgrees(image, "loop0,msdos6", "/boot/vmlinuz", DEBIAN_INSTALLER.kernel);
  });
});
