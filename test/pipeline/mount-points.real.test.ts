/**
 * Guests whose /boot is a volume of its own, on disks made by the real tools: a stale menu on the root, or a menu on
 * /boot that names its files as the running guest sees them.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { makeFilesystemImage } from "../../fixtures/disk-images.ts";
import { GuestbootError } from "../../src/base/errors.ts";
import { openDisk } from "../../src/disk/open-disk.ts";
import { readVolumes } from "../../src/disk/volumes.ts";
import { findBoot, placesOf } from "../../src/pipeline/find-boot.ts";
import { withLvmDisk } from "../disk/lvm-disk.ts";
import { call } from "../filesystem/call.ts";
import { makeXfsImageOf } from "../filesystem/xfs-image.ts";
import { temporaryFolder } from "../program.ts";

const folder = temporaryFolder();
afterAll(() => folder[Symbol.dispose]());
const at = (name: string) => path.join(folder.path, name);
const disk = at("disk.img");
const MIB = 1024 * 1024;
const SIZES = { boot: 16, root: 320 };
const START = { boot: 1, root: 17 };

const BOOT_UUID = "11111111-2222-3333-4444-555555555555";
const PARTITION_UUID = "ABCDEF01-2222-3333-4444-555555555555";
const OTHER_UUID = "99999999-2222-3333-4444-555555555555";
const MENU = "title t\nkernel /boot/vmlinuz root=/dev/xvda2\ninitrd /boot/initrd.img\n";

type Files = Readonly<Record<string, string>>;

beforeEach(() => {
  for (const name of fs.readdirSync(folder.path)) fs.rmSync(at(name), { recursive: true });
});

function folderOf(name: string, files: Files): string {
  fs.mkdirSync(at(name), { recursive: true });
  for (const [file, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(at(name), file)), { recursive: true });
    fs.writeFileSync(path.join(at(name), file), text);
  }
  return at(name);
}

function makeBoot(image: string, files: Files, uuid = BOOT_UUID): void {
  const options = ["-U", uuid, "-L", "BOOT"];
  makeFilesystemImage({ path: image, type: "ext4", sizeMiB: SIZES.boot, folder: folderOf("boot", files), options });
}

/** Copies a filesystem to its place; sparse, so that large ones cost little. */
function put(image: string, startMiB: number): void {
  call(
    "dd",
    [`if=${image}`, `of=${disk}`, "bs=1M", `seek=${startMiB}`, "conv=notrunc,sparse", "status=none"],
    "coreutils",
  );
}

/** A GPT: /boot on ext4, then the root on XFS. */
function makeDisk(boot: Files, root: Files): void {
  fs.writeFileSync(disk, "");
  fs.truncateSync(disk, (START.root + SIZES.root + 1) * MIB);
  const lines = [
    `start=1MiB, size=${SIZES.boot}MiB, name=guest-boot, uuid=${PARTITION_UUID}`,
    `start=17MiB, size=${SIZES.root}MiB`,
  ];
  call("sfdisk", ["-q", disk], "fdisk", ["label: gpt", ...lines, ""].join("\n"));
  makeBoot(at("boot.img"), boot);
  makeXfsImageOf(at("root.img"), SIZES.root, [], folderOf("root", root));
  put(at("boot.img"), START.boot);
  put(at("root.img"), START.root);
}

function booted(): { readonly files: readonly string[]; readonly warnings: readonly string[]; readonly on: string } {
  using opened = openDisk(disk);
  const table = readVolumes(opened.source, { sectorSize: opened.sectorSize });
  const { place, kernel, ramdisks, warnings } = findBoot(
    { disk, vm: null, places: placesOf(table), notes: table.notes },
    null,
  );
  const files = [kernel, ...ramdisks].map((source) => Buffer.from(source.read(0, source.size)).toString());
  return { files, warnings, on: place.name };
}

const BOOT_FILES = { vmlinuz: "kernel on /boot", "initrd.img": "initrd on /boot" };
const EXPECTED = ["kernel on /boot", "initrd on /boot"];

describe("a menu on the root, beside an ext4 /boot and on XFS", () => {
  it.each([
    ["its UUID", `UUID=${BOOT_UUID}`],
    ["its label", "LABEL=BOOT"],
    ["its partition's UUID", `PARTUUID=${PARTITION_UUID}`],
    ["its partition's name", "PARTLABEL=guest-boot"],
    ["its number", "/dev/xvda1"],
  ])("boots the files of a /boot that fstab knows by %s", (_, name) => {
    makeDisk(BOOT_FILES, { "etc/fstab": `${name} /boot ext4 defaults 0 2\n`, "boot/grub/menu.lst": MENU });
    const { files, warnings, on } = booted();
    expect([files, on]).toEqual([EXPECTED, "partition 2"]);
    expect(warnings.join()).toContain('"/boot/vmlinuz" is "/vmlinuz" on partition 1');
  });

  it("does not boot by an fstab that knows another /boot, and says what is missing", () => {
    makeDisk(BOOT_FILES, { "etc/fstab": `UUID=${OTHER_UUID} /boot ext4\n`, "boot/grub/menu.lst": MENU });
    expect(booted).toThrow(GuestbootError);
    expect(booted).toThrow(/partition 2: .*\/boot\/vmlinuz/);
  });
});

describe("a menu on /boot", () => {
  it("that names /boot/vmlinuz boots its own", () => {
    makeDisk({ ...BOOT_FILES, "grub/menu.lst": MENU }, { "etc/fstab": `UUID=${BOOT_UUID} /boot ext4\n` });
    expect(booted()).toMatchObject({ files: EXPECTED, on: "partition 1" });
  });
});

describe("a root in LVM", () => {
  it.each(["/dev/the-guest/boot", "/dev/mapper/the--guest-boot", `UUID=${BOOT_UUID}`])(
    "finds its /boot in LVM by %s",
    (name) => {
      withLvmDisk(disk, 360, (volumes) => {
        volumes.lvm("pvcreate", "-ff", "-y", "--dataalignment", "1m", volumes.device);
        volumes.lvm("vgcreate", "-s", "1M", "the-guest", volumes.device);
        for (const [volume, extents] of Object.entries(SIZES)) {
          volumes.lvm("lvcreate", "-an", "-Zn", "-Wn", "-l", String(extents), "-n", volume, "the-guest");
        }
      });
      makeBoot(at("boot.img"), BOOT_FILES);
      const root = { "etc/fstab": `${name} /boot ext4 defaults 0 2\n`, "boot/grub/menu.lst": MENU };
      makeXfsImageOf(at("root.img"), SIZES.root, [], folderOf("root", root));
      // LVM gives out extents from the first on, a mebibyte behind the physical volume's start.
      put(at("boot.img"), START.boot);
      put(at("root.img"), START.root);
      expect(booted()).toMatchObject({ files: EXPECTED, on: "lvm the-guest/root" });
    },
  );
});
