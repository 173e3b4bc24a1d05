/**
 * The rows of the benchmark about how cost grows with what a guest brings: the size of an initrd that is appended to, of
 * a disk that is started from, and of its boot config. Each beside the smallest.
 */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { makeFilesystemImage } from "../fixtures/disk-images.ts";
import { makeInstallerLookalike } from "../fixtures/installer-lookalike.ts";
import { listing, longEntry } from "./boot-config-rows.ts";
import { makeOverlay } from "./initrd-rows.ts";
import { growth, type Row, type Setting } from "./row.ts";

const MEGABYTE = 1e6;
/** MB, as in the rows about initrds. */
const INITRD_MEMORY_BAR_MB = 150;
/** A run writes all of the larger ones. */
const MOST_INITRD_RUNS = 5;

export function measureGrowth(setting: Setting): Row[] {
  return [...initrds(setting), ...disks(setting), ...configs(setting)];
}

/** What appending 64 KB takes. */
function initrds({ folder, dist, runs, isShort }: Setting): Row[] {
  const overlay = makeOverlay(folder("overlay"));
  const work = folder("initrds");
  const output = path.join(work, "out");
  const smallest = isShort ? 1 : 10;
  const member = makeMember(work, smallest * MEGABYTE);
  const sizes = (isShort ? [1, 10] : [10, 100, 1000]).map((size) => {
    const initrd = path.join(work, `initrd-${size}`);
    // One member behind the other, as the kernel takes them.
    for (let members = 0; members < size / smallest; members++) fs.appendFileSync(initrd, member);
    const patch = ["patch", initrd, "--overlay", overlay, "--output", output, "--quiet"];
    const tidy = () => fs.rmSync(output);
    return {
      size: `${size} MB`,
      command: { name: `append, ${size} MB`, argv: [path.join(dist, "guestboot"), ...patch], tidy } as const,
    };
  });
  return growth("append to an initrd", sizes, Math.min(runs, MOST_INITRD_RUNS), INITRD_MEMORY_BAR_MB);
}

/** A gzipped cpio archive of about so many bytes, which do not compress. */
function makeMember(work: string, bytes: number): Buffer {
  const tree = path.join(work, "tree");
  fs.mkdirSync(tree);
  fs.writeFileSync(path.join(tree, "random"), randomBytes(bytes));
  const script = "find . | cpio --quiet -o -H newc | gzip -1";
  const member = execFileSync("/bin/sh", ["-c", script], { cwd: tree, maxBuffer: 2 * bytes });
  fs.rmSync(tree, { recursive: true });
  return member;
}

/** What a start takes from a small kernel and initrd on a sparse disk, nearly empty. */
function disks({ folder, tmpfs, dist, runs, isShort }: Setting): Row[] {
  const guest = makeGuest(folder("guest"));
  const work = folder("disks");
  const target = path.join(tmpfs, "growth");
  fs.mkdirSync(target);
  const tidy = () => {
    for (const name of fs.readdirSync(target)) fs.rmSync(path.join(target, name));
  };
  const sizes = (isShort ? [1, 8] : [1, 32, 1024]).map((gibibytes) => {
    const image = path.join(work, `disk-${gibibytes}.img`);
    makeFilesystemImage({ path: image, type: "ext4", sizeMiB: gibibytes * 1024, folder: guest });
    const options = ["-q", "--output-format=simple", `--output-directory=${target}`];
    const argv = [path.join(dist, "pygrub"), ...options, image] as const;
    return {
      size: gibibytes === 1024 ? "1 TB" : `${gibibytes} GB`,
      command: { name: `start, ${gibibytes} GiB`, argv, tidy } as const,
    };
  });
  const rows = growth("start from a disk", sizes, runs);
  fs.rmdirSync(target);
  return rows;
}

function makeGuest(folder: string): string {
  makeInstallerLookalike(path.join(folder, "boot"));
  fs.mkdirSync(path.join(folder, "boot/grub"));
  const menu = "default 0\ntitle Linux\nkernel /boot/vmlinuz root=/dev/xvda1 ro\ninitrd /boot/initrd.gz\n";
  fs.writeFileSync(path.join(folder, "boot/grub/menu.lst"), menu);
  return folder;
}

/** What listing its entries takes. */
function configs({ folder, dist, runs, isShort }: Setting): Row[] {
  const sizes = (isShort ? [1, 100] : [1, 10, 100, 1000]).map((count) => {
    const entries = Array.from({ length: count }, (_, index) => longEntry(index)).join("");
    return {
      size: count === 1 ? "1 entry" : `${count.toLocaleString("en")} entries`,
      command: listing(folder(`config-${count}`), dist, entries),
    };
  });
  return growth("grub.cfg", sizes, runs);
}
