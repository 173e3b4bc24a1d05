/**
 * Guests' disks of every kind, made by the real tools, each with the same kernel, ramdisk and `menu.lst` in `/boot`:
 * what the README's table of what each loader can read is found out with.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { makeFilesystemImage, makePartitionedDisk } from "../../fixtures/disk-images.ts";
import { noise } from "../base/seeded.ts";
import { withLvmDisk } from "../disk/lvm-disk.ts";
import { putNewSuperblock } from "../disk/raid-bytes.ts";
import { call } from "../filesystem/call.ts";
import { makeBtrfsImage, withBtrfs } from "../filesystem/btrfs-image.ts";
import { makeFatImage, mtools } from "../filesystem/fat-image.ts";
import { makeXfsImageOf } from "../filesystem/xfs-image.ts";

const MIB = 1024 * 1024;

export const KERNEL = noise(300_001, 1);
export const RAMDISK = noise(900_001, 2);
export const ARGUMENTS = "root=/dev/xvda1 ro";

const MENU = `default 0\ntimeout 5\ntitle Debian\nkernel /boot/vmlinuz ${ARGUMENTS}\ninitrd /boot/initrd.img\n`;

export interface MatrixDisk {
  /** As the README names it. */
  readonly what: string;
  /** @param guest the folder that the disk's filesystem is made of */
  make(image: string, guest: string): void;
}

export function makeGuest(folder: string): void {
  fs.mkdirSync(path.join(folder, "boot/grub"), { recursive: true });
  fs.writeFileSync(path.join(folder, "boot/vmlinuz"), KERNEL);
  fs.writeFileSync(path.join(folder, "boot/initrd.img"), RAMDISK);
  fs.writeFileSync(path.join(folder, "boot/grub/menu.lst"), MENU);
}

const ext = (what: string, type: "ext2" | "ext3" | "ext4", ...options: readonly string[]): MatrixDisk => ({
  what,
  make: (image, folder) => makeFilesystemImage({ path: image, type, sizeMiB: 32, folder, options }),
});

const xfs = (what: string, ...options: readonly string[]): MatrixDisk => ({
  what,
  make: (image, folder) => makeXfsImageOf(image, 320, options, folder),
});

const btrfs = (what: string, mount: string): MatrixDisk => ({
  what,
  make(image, folder) {
    makeBtrfsImage(image, 128, []);
    withBtrfs(image, `rw${mount}`, (mounted) => call("cp", ["-r", `${folder}/.`, mounted], "coreutils"));
  },
});

const squashfs = (what: string, compression: string): MatrixDisk => ({
  what,
  make: (image, folder) =>
    void call("mksquashfs", [folder, image, "-noappend", "-quiet", "-comp", compression], "squashfs-tools"),
});

export const FILESYSTEMS: readonly MatrixDisk[] = [
  ext("ext2", "ext2"),
  ext("ext3", "ext3"),
  ext("ext4 as e2fsprogs 1.47 makes it", "ext4"),
  ext("ext4 with blocks of 64 KiB", "ext4", "-b", "65536"),
  ext("ext4, `metadata_csum_seed`", "ext4", "-O", "metadata_csum_seed"),
  ext("ext4, `inline_data`", "ext4", "-O", "inline_data", "-I", "512"),
  ext("ext4, `casefold`", "ext4", "-O", "casefold"),
  ext("ext4, `bigalloc`", "ext4", "-O", "bigalloc"),
  ext("ext4, `meta_bg`", "ext4", "-O", "meta_bg,^resize_inode", "-b", "1024", "-g", "1024"),
  { what: "ext4 after a crash, a new kernel in its journal", make: (image, guest) => makeCrashed(image, guest, []) },
  {
    what: "ext4 after a crash, a new kernel in its fast commits",
    make: (image, guest) => makeCrashed(image, guest, ["-O", "fast_commit"]),
  },
  xfs("XFS 4, as RHEL 7 and older make it", "-m", "crc=0", "-n", "ftype=0"),
  xfs("XFS 5", "-m", "crc=1"),
  xfs(
    "XFS 5 with all features of xfsprogs 6.1",
    "-m",
    "rmapbt=1,reflink=1,bigtime=1,inobtcount=1",
    "-i",
    "sparse=1,nrext64=1",
  ),
  btrfs("btrfs", ""),
  btrfs("btrfs, compressed with zstd", ",compress-force=zstd"),
  btrfs("btrfs, compressed with LZO", ",compress-force=lzo"),
  { what: "btrfs, root in the default subvolume", make: makeSubvolume },
  { what: "FAT16", make: (image, folder) => makeFat(image, folder, 32, "16") },
  { what: "FAT32", make: (image, folder) => makeFat(image, folder, 64, "32") },
  { what: "ISO 9660 with Rock Ridge", make: (image, folder) => makeIso(image, folder, []) },
  {
    what: "ISO 9660, hybrid with an MBR",
    make: (image, folder) => makeIso(image, folder, ["-partition_offset", "16"]),
  },
  squashfs("squashfs, gzip", "gzip"),
  squashfs("squashfs, LZ4", "lz4"),
  squashfs("squashfs, zstd", "zstd"),
  squashfs("squashfs, xz", "xz"),
];

export const TABLES: readonly MatrixDisk[] = [
  { what: "MBR, the second partition active", make: (image, folder) => makeMbr(image, folder, false) },
  { what: "MBR, a logical partition", make: (image, folder) => makeMbr(image, folder, true) },
  { what: "GPT", make: (image, folder) => makeGpt(image, folder, 512, 1) },
  { what: "GPT, the third partition", make: (image, folder) => makeGpt(image, folder, 512, 3) },
  { what: "GPT, its first copy damaged", make: makeDamagedGpt },
  { what: "GPT with sectors of 4096 bytes", make: (image, folder) => makeGpt(image, folder, 4096, 1) },
  { what: "LVM, a linear volume", make: makeLvm },
  { what: "Linux RAID 1, metadata 1.0", make: (image, folder) => makeRaid(image, folder, "1.0") },
  { what: "Linux RAID 1, metadata 1.1", make: (image, folder) => makeRaid(image, folder, "1.1") },
  { what: "Linux RAID 1, metadata 1.2", make: (image, folder) => makeRaid(image, folder, "1.2") },
  {
    what: "VHD, fixed",
    make: (image, folder) => makeImage(image, folder, "vpc", ["-o", "subformat=fixed"]),
  },
  { what: "VHD, dynamic", make: (image, folder) => makeImage(image, folder, "vpc", []) },
  { what: "QCOW2", make: (image, folder) => makeImage(image, folder, "qcow2", []) },
  { what: "QCOW2, compressed", make: (image, folder) => makeImage(image, folder, "qcow2", ["-c"]) },
];

/** The old kernel and menu are in their places, the new ones so far in the journal only. */
function makeCrashed(image: string, folder: string, options: readonly string[]): void {
  const before = `${image}.before`;
  const mounted = `${image}.mounted`;
  fs.cpSync(folder, before, { recursive: true });
  fs.writeFileSync(path.join(before, "boot/vmlinuz"), "the old kernel");
  const live = `${image}.live`;
  makeFilesystemImage({ path: live, type: "ext4", sizeMiB: 64, folder: before, options });
  fs.mkdirSync(mounted);
  call("mount", ["-t", "ext4", "-o", "loop,rw", live, mounted], "mount");
  try {
    const kernel = path.join(mounted, "boot/vmlinuz");
    fs.writeFileSync(`${kernel}.new`, KERNEL);
    call("sync", [`${kernel}.new`], "coreutils");
    fs.renameSync(`${kernel}.new`, kernel);
    call("sync", [path.dirname(kernel)], "coreutils");
    // The content is in its place, and the folder's new entry so far in the journal.
    fs.copyFileSync(live, image);
  } finally {
    call("umount", [mounted], "mount");
  }
  for (const name of [before, mounted, live]) fs.rmSync(name, { recursive: true });
}

function makeSubvolume(image: string, folder: string): void {
  makeBtrfsImage(image, 128, []);
  withBtrfs(image, "rw", (mounted) => {
    const root = path.join(mounted, "@");
    call("btrfs", ["subvolume", "create", root], "btrfs-progs");
    call("cp", ["-r", `${folder}/.`, root], "coreutils");
    call("btrfs", ["subvolume", "set-default", root], "btrfs-progs");
  });
}

function makeFat(image: string, folder: string, sizeMiB: number, bits: "16" | "32"): void {
  makeFatImage(image, sizeMiB * 1024, ["-F", bits]);
  mtools("mcopy", image, "-s", path.join(folder, "boot"), "::/");
}

function makeIso(image: string, folder: string, options: readonly string[]): void {
  fs.rmSync(image, { force: true });
  call("xorriso", ["-as", "mkisofs", "-quiet", "-R", ...options, "-o", image, folder], "xorriso");
}

function makeMbr(image: string, folder: string, logical: boolean): void {
  const filesystem = { type: "ext4", folder } as const;
  const small = { sizeMiB: 8, ...(logical ? { logical: true } : {}) };
  const partitions = [{ sizeMiB: 8 }, small, { sizeMiB: 32, logical, active: !logical, filesystem }];
  makePartitionedDisk({
    path: image,
    sizeMiB: 60,
    partitions: logical ? partitions : [{ sizeMiB: 8 }, ...partitions.slice(2)],
  });
}

/** @param number of the partition that the guest is on; those before it are empty */
function makeGpt(image: string, folder: string, sectorSize: number, number: number): void {
  emptyDisk(image, 64);
  const device = call("losetup", ["--find", "--show", "--sector-size", String(sectorSize), image], "mount").trim();
  const before = Array.from({ length: number - 1 }, () => "size=4MiB");
  try {
    call("sfdisk", ["-q", "--no-reread", device], "fdisk", ["label: gpt", ...before, "size=32MiB", ""].join("\n"));
  } finally {
    call("losetup", ["--detach", device], "mount");
  }
  putExt4(image, folder, MIB * (1 + 4 * (number - 1)));
}

function makeDamagedGpt(image: string, folder: string): void {
  makeGpt(image, folder, 512, 1);
  const fd = fs.openSync(image, "r+");
  fs.writeSync(fd, Buffer.alloc(512, 0xff), 0, 512, 512);
  fs.closeSync(fd);
}

function makeLvm(image: string, folder: string): void {
  withLvmDisk(image, 64, (disk) => {
    disk.lvm("pvcreate", "-ff", "-y", "--dataalignment", "1m", disk.device);
    disk.lvm("vgcreate", "-s", "4M", "guest", disk.device);
    disk.lvm("lvcreate", "-an", "-Zn", "-Wn", "-l", "8", "-n", "root", "guest");
  });
  putExt4(image, folder, MIB);
}

function makeRaid(image: string, folder: string, version: "1.0" | "1.1" | "1.2"): void {
  const start = version === "1.0" ? 0 : 2 * MIB;
  emptyDisk(image, 48);
  putExt4(image, folder, start);
  const disk = fs.readFileSync(image);
  putNewSuperblock(disk, version, 1, start, 32 * MIB, 0);
  fs.writeFileSync(image, disk);
}

function makeImage(image: string, folder: string, format: string, options: readonly string[]): void {
  const raw = `${image}.raw`;
  makeMbr(raw, folder, false);
  call("qemu-img", ["convert", "-f", "raw", "-O", format, ...options, raw, image], "qemu-utils");
  fs.rmSync(raw);
}

function emptyDisk(image: string, sizeMiB: number): void {
  fs.rmSync(image, { force: true });
  fs.writeFileSync(image, "");
  fs.truncateSync(image, sizeMiB * MIB);
}

/** A filesystem of 32 MiB at an offset in bytes. */
function putExt4(image: string, folder: string, offset: number): void {
  const part = `${image}.part`;
  makeFilesystemImage({ path: part, type: "ext4", sizeMiB: 32, folder });
  const fd = fs.openSync(image, "r+");
  fs.writeSync(fd, fs.readFileSync(part), 0, 32 * MIB, offset);
  fs.closeSync(fd);
  fs.rmSync(part);
}
