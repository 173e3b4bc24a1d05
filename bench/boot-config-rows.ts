/**
 * The rows of the benchmark about boot configs: `entries` on a grub.cfg of 200 entries in 20 submenus beside the same on
 * one of a single entry. What is between them is what reading those entries costs.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import type { Command } from "./measure.ts";
import { compare, differenceOf, type Row, type Setting } from "./row.ts";

const SUBMENUS = 20;
const ENTRIES_EACH = 10;
const DIFFERENCE_BAR_MS = 10;
const UUID = "4f3c0b9e-8a5c-4d57-9b25-0d6c1c3c2a11";

export function measureBootConfigs({ folder, dist, runs }: Setting): Row[] {
  const menu = `${SUBMENUS * ENTRIES_EACH} entries, ${SUBMENUS} submenus`;
  return [
    beside("short", `${menu} / 1 entry`, shortEntry, DIFFERENCE_BAR_MS),
    beside("long", `${menu}, as grub-mkconfig writes / 1 entry`, longEntry, undefined),
  ];

  function beside(name: string, what: string, entry: (number: number) => string, differenceBar: number | undefined) {
    const one = listing(folder(`${name}-one`), dist, entry(0));
    const row = compare(what, [listing(folder(`${name}-many`), dist, manyOf(entry)), one], runs);
    return { ...row, difference: differenceOf(row), differenceBar };
  }
}

/** The command that lists what a folder with that grub.cfg would boot. @param entries behind the usual beginning */
export function listing(folder: string, dist: string, entries: string): Command {
  fs.mkdirSync(path.join(folder, "boot/grub"), { recursive: true });
  fs.writeFileSync(path.join(folder, "boot/grub/grub.cfg"), `${HEADER}${entries}`);
  return { name: "guestboot entries", argv: [path.join(dist, "guestboot"), "entries", folder, "--json"] };
}

function manyOf(entry: (number: number) => string): string {
  const submenu = (number: number): string => {
    const entries = Array.from({ length: ENTRIES_EACH }, (_, index) => entry(number * ENTRIES_EACH + index));
    return `submenu 'Advanced options ${number}' --id 'advanced-${number}' {\n${entries.join("")}}\n`;
  };
  return Array.from({ length: SUBMENUS }, (_, number) => submenu(number)).join("");
}

const HEADER = `set default="0"
if [ x"\${feature_menuentry_id}" = xy ]; then
  menuentry_id_option="--id"
else
  menuentry_id_option=""
fi
export menuentry_id_option
function load_video {
  if [ x$feature_all_video_module = xy ]; then
    insmod all_video
  fi
}
set timeout=5
`;

const shortEntry = (number: number): string => `  menuentry 'Linux 6.1.${number}' --id 'linux-${number}' {
    linux /boot/vmlinuz-6.1.${number} root=/dev/xvda1 ro quiet
    initrd /boot/initrd.img-6.1.${number}
  }
`;

/** As Debian's "10_linux" has it. */
export const longEntry = (number: number): string =>
  `	menuentry 'Debian GNU/Linux, with Linux 6.1.${number}-amd64' --class debian --class gnu-linux --class gnu --class os $menuentry_id_option 'gnulinux-6.1.${number}-amd64-advanced-${UUID}' {
		load_video
		insmod gzio
		if [ x$grub_platform = xxen ]; then insmod xzio; insmod lzopio; fi
		insmod part_msdos
		insmod ext2
		set root='hd0,msdos1'
		if [ x$feature_platform_search_hint = xy ]; then
		  search --no-floppy --fs-uuid --set=root --hint-bios=hd0,msdos1 --hint-efi=hd0,msdos1 --hint-baremetal=ahci0,msdos1  ${UUID}
		else
		  search --no-floppy --fs-uuid --set=root ${UUID}
		fi
		echo	'Loading Linux 6.1.${number}-amd64 ...'
		linux	/boot/vmlinuz-6.1.${number}-amd64 root=UUID=${UUID} ro  quiet
		echo	'Loading initial ramdisk ...'
		initrd	/boot/initrd.img-6.1.${number}-amd64
	}
`;
