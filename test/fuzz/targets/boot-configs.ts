/** The boot configs of a guest. */
import * as fs from "node:fs";
import * as path from "node:path";
import { crc32 } from "node:zlib";
import { decodeText } from "../../../src/base/text.ts";
import { readBlsEntries } from "../../../src/bootconfig/bls.ts";
import { chooseEntry } from "../../../src/bootconfig/choose.ts";
import type { BootConfig, ConfigPlace } from "../../../src/bootconfig/boot-config.ts";
import { readBlsMenu } from "../../../src/bootconfig/bls-menu.ts";
import { readGrubLegacy } from "../../../src/bootconfig/grub-legacy-guest.ts";
import { parseGrub2 } from "../../../src/bootconfig/grub2/grub2.ts";
import { readGrubenv } from "../../../src/bootconfig/grub2/grubenv.ts";
import { readSyslinux } from "../../../src/bootconfig/syslinux/syslinux.ts";
import { parseFstab } from "../../../src/pipeline/fstab.ts";
import { madeUpVolume, type Files } from "../../bootconfig/made-up-guest.ts";
import { bytesOf, type FuzzTarget } from "../target.ts";

const CONFIGS = path.resolve(import.meta.dirname, "../../../fixtures/boot-configs");

function fixtures(ending: string): Uint8Array[] {
  const names = fs.readdirSync(CONFIGS).filter((name) => name.endsWith(ending));
  return names.map((name) => new Uint8Array(fs.readFileSync(path.join(CONFIGS, name))));
}

/** What configs may look at: kernels, an environment block, further configs that lead back to the first. */
const FILES: Files = {
  "/boot/vmlinuz-6.1.0-18-amd64": "kernel",
  "/boot/initrd.img-6.1.0-18-amd64": "ramdisk",
  "/boot/vmlinuz": "kernel",
  "/boot/grub/grub.cfg": "configfile /boot/grub/custom.cfg\n",
  "/boot/grub/custom.cfg": "source /boot/grub/grub.cfg\nmenuentry 'x' { linux /boot/vmlinuz }\n",
  "/boot/grub/more.cfg": "menuentry 'more' { linux /boot/vmlinuz }\n",
  "/boot/grub/grubenv": "# GRUB Environment Block\nsaved_entry=0>1\nkernelopts=root=/dev/xvda1 ro\n",
  "/boot/loader/entries/one.conf": "title One\nlinux /boot/vmlinuz\noptions $kernelopts\n",
};

function placeFor(text: string, config: string): ConfigPlace {
  const own = madeUpVolume(1, { ...FILES, [config]: text }, { uuid: "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0" });
  return { path: config, own, volumes: [own, madeUpVolume(2, FILES)] };
}

/** Reads all that a start and a listing would. */
function useConfig(config: BootConfig): void {
  for (const wanted of [null, "0", "1>0", "One"]) chooseEntry(config, wanted);
}

/** Steps of a config: more than what boots takes; what loops has gone all its ways long before. */
const FEW_STEPS = 2000;

/** One input in 256, by its bytes, has all the steps that a guest has. */
function isLeftAlone(input: Uint8Array): boolean {
  return crc32(input) % 256 === 0;
}

const GRUB2_SCRIPTS = [
  `set default="\${saved_entry}"
load_env
if [ "\${next_entry}" ]; then set default="\${next_entry}"; save_env next_entry; fi
search --no-floppy --fs-uuid --set=root 0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0
function boot_it { linux /boot/vmlinuz root=/dev/xvda1 "$1" \${@}; initrd /boot/initrd.img-6.1.0-18-amd64; }
menuentry 'Debian' --class debian --id 'debian' { boot_it quiet 'a b' ; }
submenu 'Advanced' --id adv { menuentry "One \\$x" --hotkey=a { linux16 /boot/vmlinuz ro
 initrd16 /boot/a /boot/b } ; }
`,
  `for x in a b c; do if test -f /boot/$x -o "$x" = b; then menuentry $x { linuxefi /boot/vmlinuz $x; }; fi; done
while [ "$i" != aaa ]; do i=a$i; done; until false; do break; done
blscfg
insmod part_gpt; loopback loop /boot/vmlinuz; regexp --set=1:v '([0-9]+)' 'abc42'; probe --set=u -u (hd0,1)
menuentry xen { multiboot2 /boot/xen.gz dom0; module2 /boot/vmlinuz root=/dev/xvda1; module2 /boot/initrd.img }
[ -e (hd0,gpt1)/boot ] && set root=(hd0,msdos1) || export root
source /boot/grub/more.cfg
`,
];

export const bootConfigTargets: readonly FuzzTarget[] = [
  {
    name: "menu.lst",
    seeds: () => fixtures(".lst"),
    dictionary: [
      ..."default timeout fallback title root rootnoverify kernel initrd module configfile find --set-root uuid".split(
        " ",
      ),
      ..."map parttype hide savedefault password --md5 lock saved (hd0,0) (hd0,a) (0x80) \\\n".split(" "),
    ],
    run: (input) => {
      const text = decodeText(input);
      useConfig(readGrubLegacy(text, placeFor(text, "/boot/grub/menu.lst")));
    },
  },
  {
    name: "grub.cfg",
    seeds: () => GRUB2_SCRIPTS.map(bytesOf),
    dictionary: [
      ..."if elif else then fi for in do done while until function menuentry submenu { } ; [ ] test && || !".split(" "),
      ..."set unset export search --set= load_env save_env source configfile linux initrd multiboot module".split(" "),
      ..."loopback regexp probe blscfg break continue return shift eval setparams $@ ${1} $? \" ' \\ # (hd0,gpt1)".split(
        " ",
      ),
      "source /boot/grub/custom.cfg",
      "\n",
      "--fs-uuid",
      "-lt",
      '$"',
    ],
    run: (input) => {
      const text = decodeText(input);
      const steps = isLeftAlone(input) ? undefined : FEW_STEPS;
      useConfig(parseGrub2(text, placeFor(text, "/boot/grub/grub.cfg"), { readBls: readBlsEntries, steps }));
    },
  },
  {
    name: "grubenv",
    seeds: () => [bytesOf("# GRUB Environment Block\nsaved_entry=gentoo\\\\\nnext_entry=\n####")],
    dictionary: ["# GRUB Environment Block\n", "saved_entry=", "\\\n", "="],
    run: (input) => readGrubenv(decodeText(input)),
  },
  {
    name: "syslinux",
    seeds: () => fixtures(".extlinux.conf"),
    dictionary: [
      ..."DEFAULT ONTIMEOUT TIMEOUT UI LABEL KERNEL LINUX INITRD APPEND INCLUDE CONFIG LOCALBOOT MENU BEGIN END".split(
        " ",
      ),
      ..."TITLE initrd= mboot.c32 --- vesamenu.c32 /boot/grub/grub.cfg - PASSWD GOTO EXIT QUIT COM32 FDTDIR".split(" "),
      "\n",
      "MENU LABEL ^",
    ],
    run: (input) => {
      const text = decodeText(input);
      useConfig(readSyslinux(text, placeFor(text, "/boot/extlinux/extlinux.conf")));
    },
  },
  {
    name: "boot loader entry",
    seeds: () =>
      [
        "title Fedora (6.8.5)\nversion 6.8.5\nmachine-id 0123456789abcdef0123456789abcdef\nlinux /boot/vmlinuz\n" +
          "initrd /boot/initrd.img $tuned_initrd\noptions $kernelopts $tuned_params quiet\nsort-key fedora\n",
        "title x\nefi /EFI/x.efi\narchitecture x64\n",
      ].map(bytesOf),
    dictionary: "title version machine-id sort-key linux initrd options efi architecture devicetree $ ~ ^ \t".split(
      " ",
    ),
    run: (input) => {
      const entries = "/loader/entries";
      const files = {
        ...FILES,
        [`${entries}/a+3-1.conf`]: input,
        [`${entries}/b-6.9~rc1.conf`]: "linux /boot/vmlinuz\n",
      };
      const own = madeUpVolume(1, { ...files, "/loader/loader.conf": input });
      useConfig(readBlsMenu("", { path: entries, own, volumes: [own] }));
    },
  },
  {
    name: "fstab",
    seeds: () => [
      bytesOf(
        "# <file system> <mount point>\nUUID=0f1e2d3c-4b5a /boot ext4 defaults 0 2\nLABEL=a\\040b / btrfs subvol=@ 0 1\n" +
          "/dev/mapper/vg-a--b /usr xfs ro 0 0\nPARTUUID=1-2 /boot/efi vfat umask=77 0 1\n",
      ),
    ],
    dictionary: ["UUID=", "LABEL=", "PARTUUID=", "PARTLABEL=", "/dev/xvda1", "\\040", "subvol=", "subvolid=", "\n"],
    run: (input) => parseFstab(decodeText(input)),
  },
];
