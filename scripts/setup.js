/**
 * Makes a machine ready: npm packages (the right Node among them) and Debian packages. Plain JavaScript that runs on
 * the machine's own Node, however old, since nothing else is there yet. Does nothing where all is in place.
 *
 *   node scripts/setup.js --for demo     what `npm start` needs
 *   node scripts/setup.js --for test     what `npm test` needs
 *   node scripts/setup.js --for package  what the packages are made with
 *   node scripts/setup.js --for build    npm packages alone
 */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const purpose = process.argv[process.argv.indexOf("--for") + 1];

/** Debian packages, and what shows that they are there. `optional`: the demo has something in their place. */
const DEBIAN_PACKAGES = [
  { name: "libatomic1", file: "/usr/lib/x86_64-linux-gnu/libatomic.so.1", for: ["demo", "test", "package"] },
  { name: "e2fsprogs", file: "/sbin/mkfs.ext4", for: ["demo", "test"] },
  { name: "fdisk", file: "/sbin/sfdisk", for: ["demo", "test"] },
  {
    name: "debian-installer-12-netboot-amd64",
    file: "/usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64/initrd.gz",
    for: ["demo", "test"],
    optional: purpose === "demo",
  },
  { name: "nginx-light", file: "/usr/sbin/nginx", for: ["test"] },
  { name: "xen-utils-4.17", file: "/usr/lib/xen-4.17/bin/pygrub", for: ["test"] },
  { name: "grub-common", file: "/usr/bin/grub-fstest", for: ["test"] },
  { name: "openssl", file: "/usr/bin/openssl", for: ["test"] },
  { name: "mount", file: "/bin/mount", for: ["test"] },
  { name: "python3", file: "/usr/bin/python3", for: ["test"] },
  { name: "time", file: "/usr/bin/time", for: ["test"] },
  { name: "strace", file: "/usr/bin/strace", for: ["test"] },
  { name: "xfsprogs", file: "/sbin/mkfs.xfs", for: ["test"] },
  { name: "btrfs-progs", file: "/sbin/mkfs.btrfs", for: ["test"] },
  { name: "dosfstools", file: "/sbin/mkfs.fat", for: ["test"] },
  { name: "squashfs-tools", file: "/usr/bin/mksquashfs", for: ["test"] },
  { name: "xorriso", file: "/usr/bin/xorriso", for: ["test"] },
  { name: "vsftpd", file: "/usr/sbin/vsftpd", for: ["test"] },
  { name: "libnfs-utils", file: "/usr/bin/nfs-cat", for: ["test"] },
  { name: "nfs-ganesha", file: "/usr/bin/ganesha.nfsd", for: ["test"] },
  { name: "nfs-ganesha-vfs", file: "/usr/lib/x86_64-linux-gnu/ganesha/libfsalvfs.so", for: ["test"] },
  { name: "zip", file: "/usr/bin/zip", for: ["test"] },
  { name: "tinyproxy-bin", file: "/usr/bin/tinyproxy", for: ["test"] },
  { name: "grub-xen-host", file: "/usr/lib/grub-xen/grub-x86_64-xen.bin", for: ["test"] },
  { name: "file", file: "/usr/bin/file", for: ["test"] },
  { name: "binutils", file: "/usr/bin/readelf", for: ["test"] },
  { name: "genisoimage", file: "/usr/bin/isoinfo", for: ["test"] },
  { name: "isolinux", file: "/usr/lib/ISOLINUX/isohdpfx.bin", for: ["test"] },
  { name: "cryptsetup-bin", file: "/sbin/cryptsetup", for: ["test"] },
  { name: "genext2fs", file: "/usr/bin/genext2fs", for: ["test"] },
  { name: "user-mode-linux", file: "/usr/bin/linux.uml", for: ["test"] },
  { name: "busybox-static", file: "/bin/busybox", for: ["test"] },
  { name: "cpio", file: "/bin/cpio", for: ["test"] },
  { name: "initramfs-tools-core", file: "/usr/bin/unmkinitramfs", for: ["test"] },
  { name: "qemu-system-x86", file: "/usr/bin/qemu-system-x86_64", for: ["test"] },
  { name: "qemu-utils", file: "/usr/bin/qemu-img", for: ["test"] },
  { name: "rpcbind", file: "/sbin/rpcbind", for: ["test"] },
  { name: "iproute2", file: "/bin/ip", for: ["test"] },
  { name: "gzip", file: "/bin/gzip", for: ["test"] },
  { name: "bzip2", file: "/bin/bzip2", for: ["test"] },
  { name: "xz-utils", file: "/usr/bin/xz", for: ["test"] },
  { name: "lz4", file: "/usr/bin/lz4", for: ["test"] },
  { name: "lzop", file: "/usr/bin/lzop", for: ["test"] },
  { name: "zstd", file: "/usr/bin/zstd", for: ["test"] },
  { name: "libxenmisc4.17", file: "/usr/lib/x86_64-linux-gnu/libxenguest.so.4.17", for: ["test"] },
  {
    name: "libvirt-daemon-driver-xen",
    file: "/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_libxl.so",
    for: ["test"],
  },
  { name: "gdisk", file: "/sbin/sgdisk", for: ["test"] },
  { name: "lvm2", file: "/sbin/lvm", for: ["test"] },
  { name: "mdadm", file: "/sbin/mdadm", for: ["test"] },
  { name: "mtools", file: "/usr/bin/mcopy", for: ["test"] },
  { name: "reiserfsprogs", file: "/sbin/mkreiserfs", for: ["test"] },
  { name: "gpg", file: "/usr/bin/gpg", for: ["test"] },
  { name: "gpg-agent", file: "/usr/bin/gpg-agent", for: ["test"] },
  { name: "gpgv", file: "/usr/bin/gpgv", for: ["test"] },
  { name: "debian-archive-keyring", file: "/usr/share/keyrings/debian-archive-keyring.gpg", for: ["test"] },
  { name: "grub2-common", file: "/usr/sbin/update-grub", for: ["test"] },
  { name: "u-boot-menu", file: "/usr/sbin/u-boot-update", for: ["test"] },
  { name: "grub-emu", file: "/usr/bin/grub-emu", for: ["test"] },
  { name: "systemd", file: "/usr/bin/kernel-install", for: ["test"] },
  { name: "systemd-boot", file: "/usr/bin/bootctl", for: ["test"] },
  { name: "systemd-boot-efi", file: "/usr/lib/systemd/boot/efi/linuxx64.efi.stub", for: ["test"] },
  { name: "tmux", file: "/usr/bin/tmux", for: ["test"] },
  { name: "gpgconf", file: "/usr/bin/gpgconf", for: ["test"] },
  { name: "curl", file: "/usr/bin/curl", for: ["test"] },
  { name: "wget", file: "/usr/bin/wget", for: ["test"] },
  { name: "patchelf", file: "/usr/bin/patchelf", for: ["test", "package"] },
  { name: "mandoc", file: "/usr/bin/mandoc", for: ["test"] },
  { name: "groff-base", file: "/usr/bin/groff", for: ["test"] },
  { name: "zsh", file: "/usr/bin/zsh", for: ["test"] },
  { name: "rpm", file: "/usr/bin/rpmbuild", for: ["test", "package"] },
  { name: "kmod", file: "/sbin/depmod", for: ["test"] },
  { name: "util-linux", file: "/usr/bin/setpriv", for: ["test"] },
  {
    name: "python3-jsonschema",
    file: "/usr/lib/python3/dist-packages/jsonschema/__init__.py",
    for: ["test"],
  },
  { name: "bsdutils", file: "/usr/bin/script", for: ["test"] },
];

// In this order: the Node that npm brings does not start without libatomic.
installDebianPackages();
installNpmPackages();

function installNpmPackages() {
  const installed = path.join(root, "node_modules/.package-lock.json");
  const wanted = path.join(root, "package-lock.json");
  const runtime = path.join(root, "node_modules/.bin/node");
  const current =
    fs.existsSync(installed) && fs.existsSync(runtime) && fs.statSync(installed).mtimeMs >= fs.statSync(wanted).mtimeMs;
  if (current) return;
  say("installing npm packages (npm ci)");
  run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
}

function installDebianPackages() {
  const missing = DEBIAN_PACKAGES.filter((each) => each.for.includes(purpose) && !fs.existsSync(each.file));
  if (missing.length === 0) return;
  const names = missing.map((each) => each.name);
  const command = `apt-get install --no-install-recommends ${names.join(" ")}`;
  const isRoot = typeof process.getuid === "function" && process.getuid() === 0;
  if (!isRoot || !fs.existsSync("/usr/bin/apt-get")) {
    say(`these Debian packages are missing; as root: ${command}`);
    stopUnlessOptional(missing);
    return;
  }
  say(`installing Debian packages: ${names.join(" ")}`);
  const environment = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  withoutStartingServices(() => {
    // The lists may be old or absent; that they cannot be renewed is told by the installation, if it matters.
    spawnSync("apt-get", ["update", "-qq"], { stdio: ["ignore", "ignore", "inherit"], env: environment });
    spawnSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...names], {
      stdio: ["ignore", "ignore", "inherit"],
      env: environment,
    });
  });
  const stillMissing = missing.filter((each) => !fs.existsSync(each.file));
  if (stillMissing.length === 0) return;
  say(`could not install ${stillMissing.map((each) => each.name).join(" ")}; try: ${command}`);
  stopUnlessOptional(stillMissing);
}

function stopUnlessOptional(missing) {
  if (missing.some((each) => each.optional !== true)) process.exit(1);
}

/** A web server for the tests must not take this machine's port 80: no service is started (see policy-rc.d(8)). */
function withoutStartingServices(work) {
  const policy = "/usr/sbin/policy-rc.d";
  const ours = !fs.existsSync(policy);
  if (ours) fs.writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    work();
  } finally {
    if (ours) fs.rmSync(policy, { force: true });
  }
}

function run(command, args) {
  const done = spawnSync(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  if (done.error !== undefined) fail(`${command}: ${done.error.message}`);
  if (done.status !== 0) fail(`${command} ${args.join(" ")} failed`);
}

function say(line) {
  process.stderr.write(`setup: ${line}\n`);
}

function fail(line) {
  say(line);
  process.exit(1);
}
