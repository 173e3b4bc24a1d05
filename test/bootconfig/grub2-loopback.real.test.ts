/** Images inside a volume, as configs for live systems name them: made by the real programs, read through `loopback`. */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makePartitionedDisk } from "../../fixtures/disk-images.ts";
import { openDisk } from "../../src/disk/open-disk.ts";
import { readVolumes } from "../../src/disk/volumes.ts";
import { findBoot, placesOf } from "../../src/pipeline/find-boot.ts";
import { noise } from "../base/seeded.ts";
import { call } from "../filesystem/call.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-loopback-"));
afterAll(() => fs.rmSync(folder, { recursive: true }));

const KERNEL = noise(300_000, 11);
const RAMDISK = noise(500_001, 12);
const CONFIG = `set default="$saved"
menuentry "Live" {
  set isofile="/iso/live.iso"
  search --no-floppy --set=root --file $isofile
  loopback loop ($root)$isofile
  linux (loop)/casper/vmlinuz boot=casper iso-scan/filename=$isofile quiet
  initrd (loop)/casper/initrd.gz
}
menuentry "Squashed" {
  loopback squash /live/filesystem.squashfs
  set root=squash
  linux /boot/vmlinuz root=/dev/ram0
  initrd /boot/initrd.img
}
menuentry "Both" {
  loopback iso (hd0,msdos2)/iso/live.iso
  loopback inner (iso)/live/filesystem.squashfs
  linux (inner)/boot/vmlinuz both
  initrd (iso)/casper/initrd.gz (inner)/boot/initrd.img
}
menuentry "Gone" {
  loopback loop /iso/gone.iso
  linux (loop)/casper/vmlinuz
}
menuentry "Deleted" {
  loopback loop (hd0,msdos2)/iso/live.iso
  loopback -d loop
  linux (loop)/casper/vmlinuz
}
menuentry "No image" {
  loopback loop /grub/grub.cfg
  linux (loop)/casper/vmlinuz
}
menuentry "Not made" {
  search --no-floppy --label --hint=live --set=root LIVE
  linux /casper/vmlinuz
}
submenu "Made" {
  loopback live (hd0,msdos2)/iso/live.iso
  menuentry "Found" {
  search --no-floppy --label --hint=live --set=root LIVE
  linux /casper/vmlinuz found
  }
}
`;

beforeAll(() => {
  const at = (...names: readonly string[]): string => {
    const file = path.join(folder, ...names);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    return file;
  };
  fs.writeFileSync(at("root", "boot/vmlinuz"), KERNEL);
  fs.writeFileSync(at("root", "boot/initrd.img"), RAMDISK);
  const squashed = at("medium", "live/filesystem.squashfs");
  call("mksquashfs", [at("root"), squashed, "-quiet", "-no-progress", "-comp", "gzip"], "squashfs-tools");
  fs.writeFileSync(at("medium", "casper/vmlinuz"), KERNEL);
  fs.writeFileSync(at("medium", "casper/initrd.gz"), RAMDISK);
  const iso = at("second", "iso/live.iso");
  call("xorriso", ["-as", "mkisofs", "-quiet", "-R", "-J", "-V", "LIVE", "-o", iso, at("medium")], "xorriso");
  fs.writeFileSync(at("first", "grub/grub.cfg"), CONFIG);
  fs.mkdirSync(path.join(folder, "first/live"));
  fs.copyFileSync(squashed, at("first", "live/filesystem.squashfs"));
  makePartitionedDisk({
    path: path.join(folder, "disk.img"),
    sizeMiB: 40,
    partitions: [
      { sizeMiB: 16, active: true, filesystem: { type: "ext4", folder: path.join(folder, "first") } },
      { sizeMiB: 16, filesystem: { type: "ext4", folder: path.join(folder, "second") } },
    ],
  });
});

function boot(title: string) {
  using disk = openDisk(path.join(folder, "disk.img"));
  const table = readVolumes(disk.source, { sectorSize: disk.sectorSize });
  const found = findBoot({ disk: "disk.img", vm: null, places: placesOf(table), notes: [] }, title);
  return {
    kernel: Buffer.from(found.kernel.read(0, found.kernel.size)),
    ramdisks: found.ramdisks.map((ramdisk) => Buffer.from(ramdisk.read(0, ramdisk.size))),
    arguments: found.entry.arguments,
  };
}

describe("loopback", () => {
  it("reads kernel and ramdisk out of an ISO on a volume that was searched for", () => {
    expect(boot("Live")).toEqual({
      kernel: Buffer.from(KERNEL),
      ramdisks: [Buffer.from(RAMDISK)],
      arguments: "boot=casper iso-scan/filename=/iso/live.iso quiet",
    });
  });

  it("reads them out of a squashfs that becomes the root", () => {
    expect(boot("Squashed")).toEqual({
      kernel: Buffer.from(KERNEL),
      ramdisks: [Buffer.from(RAMDISK)],
      arguments: "root=/dev/ram0",
    });
  });

  it("reads them out of a squashfs in an ISO", () => {
    expect(boot("Both")).toEqual({
      kernel: Buffer.from(KERNEL),
      ramdisks: [Buffer.from(RAMDISK), Buffer.from(RAMDISK)],
      arguments: "both",
    });
  });

  it("is searched in the same words in which a search failed before it was made", () => {
    expect(() => boot("Not made")).toThrow(/casper\/vmlinuz/);
    expect(boot("Found")).toEqual({ kernel: Buffer.from(KERNEL), ramdisks: [], arguments: "found" });
  });

  it.each([
    ["Gone", /casper\/vmlinuz/],
    ["Deleted", /casper\/vmlinuz/],
    ["No image", /no filesystem that is known/],
  ])("of %s fails, and does not take the file from elsewhere", (title, words) => {
    expect(() => boot(title)).toThrow(words);
  });
});
