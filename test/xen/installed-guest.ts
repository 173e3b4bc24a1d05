/**
 * Disks of small guests that are installed already: kernel, initrd and a boot config for GRUB 2, and a first program that
 * says on the console from which filesystem it runs, and turns the guest off.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { makeFilesystemImage } from "../../fixtures/disk-images.ts";
import type { HostImage } from "../../fixtures/xen-host/host-image.ts";
import { makeXfsImageOf } from "../filesystem/xfs-image.ts";

export interface InstalledGuest {
  /** Of the disk, which has no partition table. */
  readonly path: string;
  readonly type: "ext4" | "xfs";
  /** Of the boot menu, in seconds. */
  readonly timeout: number;
}

const MIB = { ext4: 128, xfs: 320 } as const;

/** What the guest says when its own disk's first program runs. */
export const INSTALLED_SYSTEM = "the installed system is up";

const FIRST_PROGRAM = `#!/bin/sh
B=/bin/busybox
$B mount -t proc proc /proc; $B mount -t sysfs sys /sys
root=$($B awk '$2 == "/" && $1 != "rootfs" { print $3 }' /proc/mounts)
$B echo "${INSTALLED_SYSTEM}: on $root, $($B cat /sys/hypervisor/type) $($B cat /sys/hypervisor/guest_type)"
$B echo "its kernel was told: $($B cat /proc/cmdline)"
$B sleep 1
$B poweroff -f
`;

const config = (timeout: number) => `set default=0
set timeout=${timeout}
menuentry 'Installed system' {
\tlinux /boot/vmlinuz root=/dev/xvda ro console=hvc0 quiet entry=first
\tinitrd /boot/initrd.img
}
menuentry 'Rescue system' {
\tlinux /boot/vmlinuz root=/dev/xvda ro console=hvc0 quiet entry=second
\tinitrd /boot/initrd.img
}
`;

export function makeInstalledGuest(image: HostImage, guest: InstalledGuest): void {
  const tree = `${guest.path}.tree`;
  const at = (name: string) => path.join(tree, name);
  for (const name of ["boot/grub", "bin", "sbin", "dev", "proc", "sys"]) fs.mkdirSync(at(name), { recursive: true });
  fs.copyFileSync(image.kernel, at("boot/vmlinuz"));
  fs.copyFileSync(image.guestInitrd, at("boot/initrd.img"));
  fs.writeFileSync(at("boot/grub/grub.cfg"), config(guest.timeout));
  fs.copyFileSync(image.busybox, at("bin/busybox"));
  fs.symlinkSync("busybox", at("bin/sh"));
  fs.writeFileSync(at("sbin/init"), FIRST_PROGRAM, { mode: 0o755 });
  const sizeMiB = MIB[guest.type];
  if (guest.type === "xfs") makeXfsImageOf(guest.path, sizeMiB, [], tree);
  else makeFilesystemImage({ path: guest.path, type: guest.type, sizeMiB, folder: tree });
  fs.rmSync(tree, { recursive: true });
}
