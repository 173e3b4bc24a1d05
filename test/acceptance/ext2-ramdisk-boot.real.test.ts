import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { noise } from "../base/seeded.ts";
import { call } from "../filesystem/call.ts";
import { device, file, judgeByE2fsck, makeImage, symlink, write } from "../initrd/ext2-image.ts";
import { temporaryFolder } from "../program.ts";

/**
 * No kernel of Debian has the ramdisk driver built in, so none can be told `root=/dev/ram0` alone. User Mode Linux, a
 * kernel that runs as a process, has the true ext2 driver built in and the ramdisk as a module: a first root folder
 * loads it, copies the image into /dev/ram0, and hands over to it.
 */
const KERNEL = "/usr/bin/linux.uml";
const MODULES = "/usr/lib/uml/modules";
const BUSYBOX = "/bin/busybox";
const TIMEOUT_MS = 240_000;

const temporary = temporaryFolder();
afterAll(() => temporary[Symbol.dispose]());
const at = (name: string) => path.join(temporary.path, name);

const proof = noise(3_000_000, 77);
const OVERLAY = [
  file("overlay/proof", proof, { mode: 0o640, uid: 12, gid: 34 }),
  file("etc/answer", Buffer.from("the overlay's answer\n")),
  symlink("answer", "etc/answer"),
  device("overlay/null", "character device", 1, 3),
];

/** The image's own init: says what a file of the overlay is when seen from inside, and where the root lies. */
const INIT = `#!/bin/busybox sh
bb=/bin/busybox
$bb echo "proof $($bb sha1sum /overlay/proof)"
$bb echo "owner $($bb stat -c '%a %u:%g %s' /overlay/proof)"
$bb echo "answer $($bb cat /answer)"
$bb echo through-device > /overlay/null && $bb echo "device $($bb stat -c '%F %t:%T' /overlay/null)"
$bb mount -t proc proc /proc
$bb echo "root $($bb grep ' / ' /proc/mounts)"
$bb poweroff -f
`;

const FIRST_INIT = `#!/bin/busybox sh
bb=/bin/busybox
$bb insmod /brd.ko rd_nr=1 rd_size=$($bb cat /size)
$bb dd if=/image of=/dev/ram0 bs=64k
$bb mount -t ext2 -o ro /dev/ram0 /root
exec $bb switch_root /root /sbin/init
`;

const image = at("image");
let sizeKiB = 0;

/** An installer's initrd of that era: a gzipped ext2 image, too full for the overlay. */
beforeAll(() => {
  requirePackage(KERNEL, "user-mode-linux");
  requirePackage(BUSYBOX, "busybox-static");
  const source = at("source");
  for (const name of ["", "bin", "sbin", "dev", "etc", "proc"]) fs.mkdirSync(path.join(source, name));
  fs.copyFileSync(BUSYBOX, path.join(source, "bin/busybox"));
  fs.writeFileSync(path.join(source, "sbin/init"), INIT, { mode: 0o755 });
  fs.writeFileSync(path.join(source, "etc/answer"), "the vendor's answer\n");
  call("mknod", [path.join(source, "dev/console"), "c", "5", "1"], "coreutils");
  makeImage(image, { options: ["-r", "0", "-b", "1024", "-I", "128", "-m", "0"], sizeKiB: 2600, folder: source });
  call("gzip", ["-9", image], "gzip");
  fs.writeFileSync(image, gunzipSync(fs.readFileSync(`${image}.gz`)));
  const { size, sizeBefore } = write(image, OVERLAY);
  expect(size).toBeGreaterThan(sizeBefore);
  judgeByE2fsck(image);
  sizeKiB = size / 1024;
});

const expected = [
  `proof ${createHash("sha1").update(proof).digest("hex")}  /overlay/proof`,
  `owner 640 12:34 ${proof.length}`,
  "answer the overlay's answer",
  "device character special file 1:3",
];

describe("a kernel boots a patched ext2 image", () => {
  it("as a ramdisk, /dev/ram0, and the overlay's files are there", { timeout: TIMEOUT_MS }, () => {
    const console = bootUml([`initrd=${firstRoot()}`]);
    for (const line of expected) expect(console).toContain(line);
    expect(console).toMatch(/^root \/dev\/ram0 \/ ext2 /m);
  });

  it("as its root disk, mounted by the kernel itself", { timeout: TIMEOUT_MS }, () => {
    const console = bootUml([`ubd0r=${image}`, "root=/dev/ubda", "rootfstype=ext2", "ro", "init=/sbin/init"]);
    for (const line of expected) expect(console).toContain(line);
    expect(console).toMatch(/^root \/dev\/root \/ ext2 /m);
  });
});

/** A small cpio archive with the ramdisk's module and the image. */
function firstRoot(): string {
  const root = at("first");
  for (const name of ["", "bin", "dev", "root"]) fs.mkdirSync(path.join(root, name));
  const [release = ""] = fs.readdirSync(MODULES);
  fs.copyFileSync(path.join(MODULES, release, "kernel/drivers/block/brd.ko"), path.join(root, "brd.ko"));
  fs.copyFileSync(BUSYBOX, path.join(root, "bin/busybox"));
  fs.copyFileSync(image, path.join(root, "image"));
  fs.writeFileSync(path.join(root, "size"), String(sizeKiB));
  fs.writeFileSync(path.join(root, "init"), FIRST_INIT, { mode: 0o755 });
  call("mknod", [path.join(root, "dev/console"), "c", "5", "1"], "coreutils");
  call("mknod", [path.join(root, "dev/ram0"), "b", "1", "0"], "coreutils");
  const archive = at("first.cpio");
  call("sh", ["-c", 'cd "$1" && find . | cpio --quiet -o -H newc > "$2"', "sh", root, archive], "cpio");
  return archive;
}

/** What the kernel and its init print until the machine is off. */
function bootUml(args: readonly string[]): string {
  const env = { PATH: "/usr/bin:/bin", HOME: temporary.path, TMPDIR: temporary.path };
  const all = ["mem=128M", ...args, "con=null", "con0=null,fd:1"];
  const done = spawnSync(KERNEL, all, {
    env,
    encoding: "latin1",
    stdio: ["ignore", "pipe", "pipe"],
    timeout: TIMEOUT_MS,
  });
  if (done.error !== undefined) throw done.error;
  return done.stdout.replaceAll("\r", "") + done.stderr;
}

function requirePackage(program: string, debianPackage: string): void {
  if (!fs.existsSync(program)) {
    throw new Error(`${program} is missing; it is in Debian's ${debianPackage}: apt-get install ${debianPackage}`);
  }
}
