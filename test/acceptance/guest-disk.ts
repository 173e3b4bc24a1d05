/**
 * What Debian's installer leaves on a guest's disk, as far as a loader looks at one.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { DEBIAN_INSTALLER } from "../../fixtures/debian-installer.ts";

export const MENU_LST = `# menu.lst - See: grub(8), info grub, update-grub(8)
default		0
timeout		5

title		Debian GNU/Linux, kernel 6.1.0
root		(hd0,0)
kernel		/boot/vmlinuz root=/dev/xvda1 ro quiet
initrd		/boot/initrd.img

title		Debian GNU/Linux, kernel 6.1.0 (single-user mode)
root		(hd0,0)
kernel		/boot/vmlinuz root=/dev/xvda1 ro single
initrd		/boot/initrd.img
`;

/** Makes the folder that an image is made from: `/boot` with Debian's real kernel and initrd. */
export function makeGuestFolder(folder: string, menu = MENU_LST): string {
  const grub = path.join(folder, "boot/grub");
  fs.mkdirSync(grub, { recursive: true });
  fs.copyFileSync(DEBIAN_INSTALLER.kernel, path.join(folder, "boot/vmlinuz"));
  fs.copyFileSync(DEBIAN_INSTALLER.initrd, path.join(folder, "boot/initrd.img"));
  fs.writeFileSync(path.join(grub, "menu.lst"), menu);
  return folder;
}

/** A small guest whose kernel and initrd are a few bytes of text, for tests in which only the way matters. */
export function makeSmallGuestFolder(folder: string, menu = MENU_LST): string {
  fs.mkdirSync(path.join(folder, "boot/grub"), { recursive: true });
  fs.writeFileSync(path.join(folder, "boot/vmlinuz"), "the kernel\n");
  fs.writeFileSync(path.join(folder, "boot/initrd.img"), "the initrd\n");
  fs.writeFileSync(path.join(folder, "boot/grub/menu.lst"), menu);
  return folder;
}
