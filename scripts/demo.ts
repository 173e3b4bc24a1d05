/**
 * `npm start`: one guest's whole life, told to a person who has never heard of Xen. The built program does all of it,
 * on file-based VM records and a repository on a loopback port.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { DEBIAN_INSTALLER, hasDebianInstaller, makeDebianMirror } from "../fixtures/debian-installer.ts";
import { makePartitionedDisk } from "../fixtures/disk-images.ts";
import { makeInstallerLookalike } from "../fixtures/installer-lookalike.ts";
import { startStaticServer } from "../fixtures/static-server.ts";

const DIST = path.join(import.meta.dirname, "../dist");
const VM = "6f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";

const work = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-demo-"));
process.on("exit", () => fs.rmSync(work, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130));

const at = (name: string) => path.join(work, name);
const settings = {
  GUESTBOOT_STATE_DIR: at("state"),
  GUESTBOOT_CACHE_DIR: at("cache"),
  GUESTBOOT_BOOT_DIR: at("boot"),
};
const bold = (text: string) => (process.stdout.isTTY ? `\x1b[1m${text}\x1b[0m` : text);
const say = (text = "") => void process.stdout.write(`${text}\n`);

await tell();

async function tell(): Promise<void> {
  say(bold("guestboot: one guest's whole life"));
  say(`
Xen runs several computers, the guests, on one machine. A guest of the kind shown here has no firmware
of its own: each time it is switched on, a small program on the host, its boot loader, must find a
kernel and an initial ramdisk for it. The first time they come from a distribution's repository (the
installer), later from the guest's own disk. guestboot is that program for both. Watch it do them.`);
  const files = chooseInput();
  makeDebianMirror(at("mirror"), files);
  await using mirror = await startStaticServer(at("mirror"));

  chapter(1, "A new guest that is to be installed");
  say(`A repository in the layout of a Debian mirror answers at ${mirror.url}
The host keeps a record of each guest. This one asks for an installation of Debian 12:`);
  writeRecord(mirror.url);
  await run("guestboot", ["vm", "show", VM]);

  chapter(2, "Its first start: the installer, from the repository");
  say("The host calls its loader by the name that it knows: eliloader.");
  const first = await run("eliloader", ["--vm", VM, "/dev/xvda"]);
  check("the kernel that the host is told of is the repository's", fileOf(first, "kernel"), files.kernel);
  check("and so is the ramdisk", fileOf(first, "ramdisk"), files.initrd);
  say("The record has changed, so that the next start is no installation again:");
  await run("guestboot", ["vm", "show", VM]);

  chapter(3, "A second guest: nothing is downloaded twice");
  writeRecord(mirror.url, VM.replace("6", "7"), "second guest");
  await run("eliloader", ["--vm", VM.replace("6", "7"), "/dev/xvda"]);
  await run("guestboot", ["cache", "list"]);

  chapter(4, "Later starts: from the guest's own disk");
  say(`Meanwhile the installer has run inside the guest. We stand in for it, and make what it leaves: a disk
with a partition table, an ext4 filesystem, a kernel, a ramdisk, and a boot menu.`);
  makeGuestDisk(files);
  await run("guestboot", ["entries", at("guest.img")]);
  say("The host calls its loader by its other name: pygrub.");
  fs.mkdirSync(at("pygrub"));
  const options = ["-q", "--output-format=simple", `--output-directory=${at("pygrub")}`];
  const later = await run("pygrub", [...options, at("guest.img")]);
  check("the kernel is the guest's own, byte for byte", fileOf(later, "kernel"), files.kernel);
  check("and so is the ramdisk", fileOf(later, "ramdisk"), files.initrd);

  chapter(5, "When something is wrong");
  say("A disk on which nothing is installed:");
  fs.writeFileSync(at("empty.img"), Buffer.alloc(1024 * 1024));
  await run("pygrub", [...options, at("empty.img")], 1);
  say("One command begins the installation again:");
  await run("guestboot", ["vm", "reinstall", VM]);

  say(`${bold("That was all of it.")} Everything was made in a temporary folder, which is gone now.
Next: dist/guestboot --help, and README.md for a real host.`);
}

function chooseInput(): { kernel: string; initrd: string } {
  if (hasDebianInstaller()) {
    say(`\nInput: Debian 12's own installer, from the package ${DEBIAN_INSTALLER.package}.`);
    return DEBIAN_INSTALLER;
  }
  say(`\nInput: a small made-up kernel and ramdisk in the same formats, since the Debian package
${DEBIAN_INSTALLER.package} is not here and could not be installed.`);
  return makeInstallerLookalike(at("made-up"));
}

function writeRecord(repository: string, uuid = VM, name = "debian guest"): void {
  fs.mkdirSync(at("state/vms"), { recursive: true });
  const record = {
    uuid,
    name_label: name,
    PV_bootloader: "eliloader",
    PV_args: "console=hvc0",
    other_config: {
      "install-distro": "debianlike",
      "install-repository": repository,
      "debian-release": "bookworm",
      "install-arch": "amd64",
    },
    VBDs: [{ userdevice: "0", type: "Disk", bootable: true }],
  };
  fs.writeFileSync(at(`state/vms/${uuid}.json`), JSON.stringify(record, null, 2));
}

function makeGuestDisk(files: { kernel: string; initrd: string }): void {
  const grub = at("guest/boot/grub");
  fs.mkdirSync(grub, { recursive: true });
  fs.copyFileSync(files.kernel, at("guest/boot/vmlinuz"));
  fs.copyFileSync(files.initrd, at("guest/boot/initrd.img"));
  fs.writeFileSync(
    path.join(grub, "menu.lst"),
    "default 0\ntimeout 5\n\ntitle Debian GNU/Linux\nroot (hd0,0)\nkernel /boot/vmlinuz root=/dev/xvda1 ro\ninitrd /boot/initrd.img\n",
  );
  makePartitionedDisk({
    path: at("guest.img"),
    sizeMiB: 128,
    partitions: [{ active: true, sizeMiB: 120, filesystem: { type: "ext4", folder: at("guest") } }],
  });
}

function chapter(number: number, title: string): void {
  say(`\n${bold(`${number}. ${title}`)}`);
}

/** Shows the command as a person would type it, and what it prints. @returns its standard output */
async function run(program: string, args: readonly string[], expected = 0): Promise<string> {
  say(`\n  $ ${program} ${args.map(shown).join(" ")}`);
  const child = spawn(path.join(DIST, program), args, {
    // A terminal stays a terminal for the progress bar.
    stdio: ["ignore", "pipe", process.stderr.isTTY ? "inherit" : "pipe"],
    env: { PATH: process.env["PATH"], ...settings },
  });
  let output = "";
  const print = (text: string) => process.stdout.write(text.replaceAll(/^(?=.)/gm, "    ").replaceAll(work, "…"));
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  child.stderr?.setEncoding("utf8").on("data", print);
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.on("error", reject);
  child.on("close", resolve);
  const status = await promise;
  print(output);
  if (status !== expected) throw new Error(`${program} ended with status ${String(status)}, not ${expected}`);
  return output;
}

function shown(word: string): string {
  const short = word.replaceAll(work, "…");
  return /[\s'"]/.test(short) ? `'${short}'` : short;
}

/** The path that a `simple` answer gives for `role`. */
function fileOf(answer: string, role: "kernel" | "ramdisk"): string {
  return new RegExp(`^${role} (.*)$`, "m").exec(answer)?.[1] ?? "";
}

function check(claim: string, file: string, expected: string): void {
  const digest = (name: string) => createHash("sha256").update(fs.readFileSync(name)).digest("hex");
  const [got, wanted] = [digest(file), digest(expected)];
  if (got !== wanted) throw new Error(`not so: ${claim}: SHA-256 is ${got}, not ${wanted}`);
  say(`  ✓ ${claim} (SHA-256 ${got.slice(0, 16)}…)`);
}
