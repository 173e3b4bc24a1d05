/**
 * The rows of the benchmark about disks: Debian's kernel and initrd (49 MB) out of ext4, XFS, btrfs with zstd and LVM,
 * beside GRUB's own drivers and beside `cp` from a mounted image; and what a lookup in a folder of 100,000 entries
 * reads. The images need loop devices and the host's kernel's drivers.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { makeFilesystemImage } from "../fixtures/disk-images.ts";
import type { ByteSource } from "../src/base/byte-source.ts";
import { openDisk } from "../src/disk/open-disk.ts";
import { openFilesystem } from "../src/filesystem/detect.ts";
import { withLvmDisk } from "../test/disk/lvm-disk.ts";
import { call } from "../test/filesystem/call.ts";
import { measureInTurn, medianOf, type Command, type Measured } from "./measure.ts";
import { timedRow, type Row, type Setting } from "./row.ts";

const MIB = 1024 * 1024;
const GRUB_BAR = 0.7;
/** Our bare start, and that many times the copying. */
const COPY_BAR = 2.5;
const LOOKUP_BAR = 1_000_000;

interface BenchDisk {
  readonly name: string;
  readonly image: string;
  /** Where the filesystem begins, in bytes, for mount. */
  readonly offset: number;
  readonly type: string;
  /** As GRUB names it. */
  readonly device: string;
}

export function measureDisks({ folder, tmpfs, dist, installer, runs }: Setting): Row[] {
  const work = folder("disks");
  const guest = makeGuest(folder("guest"), installer);
  return makeDisks(work, guest).flatMap((disk) => {
    const rows = measureDisk(disk, tmpfs, dist, runs);
    fs.rmSync(disk.image);
    return rows;
  });
}

/** ext4, XFS and btrfs have an index of a folder's names. */
export function measureLookups({ folder, isShort }: Setting): Row[] {
  const work = folder("lookups");
  const names = isShort ? 1000 : 100_000;
  const image = path.join(work, "lookup.img");
  return ["ext4", "xfs", "btrfs"].map((type): Row => {
    makeEmpty(image, type, 512);
    withMounted({ image, offset: 0, type }, "rw", work, (mounted) => makeManyEntries(mounted, names));
    using disk = openDisk(image);
    let bytes = 0;
    const counting: ByteSource = {
      size: disk.source.size,
      read(offset, length, into) {
        bytes += length;
        return disk.source.read(offset, length, into);
      },
    };
    const found = openFilesystem(counting).find(`/many/entry-${Math.floor(names * 0.77)}`);
    if (found?.kind !== "file") throw new Error(`${type}: not found`);
    // With what opening the filesystem takes.
    return {
      kind: "counted",
      what: `lookup among ${names.toLocaleString("en")} names, ${type}`,
      count: bytes,
      unit: "bytes read",
      bar: LOOKUP_BAR,
    };
  });
}

function measureDisk(disk: BenchDisk, target: string, dist: string, runs: number): Row[] {
  const { name, image, device } = disk;
  const tidy = () => {
    for (const file of fs.readdirSync(target)) fs.rmSync(path.join(target, file), { recursive: true });
  };
  const guestboot = path.join(dist, "guestboot");
  const extract: Command = {
    name: "guestboot",
    argv: [path.join(dist, "pygrub"), "-q", "--output-format=simple", `--output-directory=${target}`, image],
    tidy,
  };
  const bare: Command = { name: "guestboot --version", argv: [guestboot, "--version"] };
  const grub = FILES.map((file) => `grub-fstest ${image} cp '(${device})${file}' ${target}/${path.basename(file)}`);
  const byGrub: Command = {
    name: "two grub-fstest cp, and our bare start",
    argv: ["/bin/sh", "-c", [...grub, `exec ${guestboot} --version`].join(" && ")],
    tidy,
  };
  return withMounted(disk, "ro", path.dirname(image), (mounted) => {
    const copy: Command = {
      name: "cp",
      argv: ["/bin/cp", ...FILES.map((file) => path.join(mounted, file)), target],
      tidy,
    };
    const [ours, others, started, copied] = measureInTurn([extract, byGrub, bare, copy], runs);
    if (ours === undefined || others === undefined || started === undefined || copied === undefined) {
      throw new Error("four commands give four measurements");
    }
    const allowed = together(started, copied);
    return [
      timedRow(`extract, ${name} / 2 grub-fstest cp + start`, ours, others, { bar: GRUB_BAR }),
      timedRow(`extract, ${name} / start + ${COPY_BAR} cp`, ours, allowed, { bar: 1 }),
    ];
  });
}

function together(started: Measured, copied: Measured): Measured {
  const times = started.times.map((time, index) => time + COPY_BAR * (copied.times[index] ?? Number.NaN));
  const peak = Math.max(started.peak, copied.peak);
  return { name: `bare start + ${COPY_BAR} cp`, times, median: medianOf(times), peak };
}

const FILES = ["/boot/vmlinuz", "/boot/initrd.img"] as const;
const MENU = "default 0\ntitle Debian\nkernel /boot/vmlinuz root=/dev/xvda1 ro\ninitrd /boot/initrd.img\n";

function makeGuest(folder: string, { kernel, initrd }: Setting["installer"]): string {
  fs.mkdirSync(path.join(folder, "boot/grub"), { recursive: true });
  fs.copyFileSync(kernel, path.join(folder, FILES[0]));
  fs.copyFileSync(initrd, path.join(folder, FILES[1]));
  fs.writeFileSync(path.join(folder, "boot/grub/menu.lst"), MENU);
  return folder;
}

function makeDisks(work: string, guest: string): BenchDisk[] {
  const at = (name: string) => path.join(work, `bench-${name}.img`);
  const whole = { offset: 0, device: "loop0" };
  const disks = [
    { ...whole, name: "ext4", image: at("ext4"), type: "ext4" },
    { ...whole, name: "XFS", image: at("xfs"), type: "xfs" },
    { ...whole, name: "btrfs, zstd", image: at("btrfs"), type: "btrfs" },
    { name: "LVM, ext4", image: at("lvm"), type: "ext4", offset: MIB, device: "lvm/guest-root" },
  ];
  for (const disk of disks) {
    if (disk.offset === 0) makeEmpty(disk.image, disk.type, 512);
    else makeLvm(disk.image);
    const options = disk.type === "btrfs" ? "rw,compress-force=zstd" : "rw";
    withMounted(disk, options, work, (mounted) => void call("cp", ["-r", `${guest}/.`, mounted], "coreutils"));
  }
  return disks;
}

/** A group with one linear volume, which begins a mebibyte behind the disk's start. */
function makeLvm(image: string): void {
  withLvmDisk(image, 520, (disk) => {
    disk.lvm("pvcreate", "-ff", "-y", "--dataalignment", "1m", disk.device);
    disk.lvm("vgcreate", "-s", "4M", "guest", disk.device);
    disk.lvm("lvcreate", "-an", "-Zn", "-Wn", "-l", "128", "-n", "root", "guest");
  });
  const part = `${image}.part`;
  makeFilesystemImage({ path: part, type: "ext4", sizeMiB: 512 });
  call("dd", [`if=${part}`, `of=${image}`, "bs=1M", "seek=1", "conv=notrunc,sparse", "status=none"], "coreutils");
  fs.rmSync(part);
}

function makeEmpty(image: string, type: string, sizeMiB: number): void {
  fs.rmSync(image, { force: true });
  if (type === "ext4") {
    makeFilesystemImage({ path: image, type, sizeMiB });
    return;
  }
  fs.writeFileSync(image, "");
  fs.truncateSync(image, sizeMiB * MIB);
  call(`mkfs.${type}`, ["-q", "-f", image], type === "xfs" ? "xfsprogs" : "btrfs-progs");
}

function withMounted<T>(
  { image, offset, type }: Pick<BenchDisk, "image" | "offset" | "type">,
  options: string,
  work: string,
  use: (mounted: string) => T,
): T {
  const mounted = fs.mkdtempSync(path.join(work, "mounted-"));
  call("mount", ["-t", type, "-o", `loop,offset=${offset},${options}`, image, mounted], "mount");
  try {
    return use(mounted);
  } finally {
    call("umount", [mounted], "mount");
    fs.rmdirSync(mounted);
  }
}

/** Names of few inodes: so many of those would take their time. */
function makeManyEntries(mounted: string, names: number): void {
  const many = path.join(mounted, "many");
  fs.mkdirSync(many);
  const originals: string[] = [];
  for (let index = 0; index < names; index++) {
    const name = path.join(many, `entry-${index}`);
    const original = originals[index % 20];
    if (original === undefined) {
      fs.writeFileSync(name, String(index));
      originals.push(name);
    } else fs.linkSync(original, name);
  }
}
