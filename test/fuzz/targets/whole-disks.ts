/** A disk as a start takes it: from its partition table to the kernel's bytes. Each part has a target of its own, too. */
import * as fs from "node:fs";
import * as path from "node:path";
import { makePartitionedDisk, type Partition } from "../../../fixtures/disk-images.ts";
import type { ByteSource } from "../../../src/base/byte-source.ts";
import { readVolumes } from "../../../src/disk/volumes.ts";
import { placesOf } from "../../../src/pipeline/find-boot.ts";
import { findOrGuess } from "../../../src/pipeline/guess-boot.ts";
import { noise } from "../../base/seeded.ts";
import { openPacked, packImage, tableSize } from "../packed-image.ts";
import type { FuzzTarget } from "../target.ts";
import { inTemporaryFolder } from "../temporary-folder.ts";

const BLOCK = 1024;
const MOST_READ = 64 * 1024;
const UUID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";

const GRUB_CFG = `set default=0
search --no-floppy --fs-uuid --set=root ${UUID}
if [ -f /grub/grubenv ]; then load_env; fi
menuentry 'Debian' { linux /vmlinuz-6.1 root=UUID=${UUID} ro
  initrd /initrd.img-6.1
}
submenu 'more' { menuentry 'old' { linux ($root)/vmlinuz-6.1 single\n } }
`;
const MENU_LST = `default saved\nfallback 1\ntitle Xen\nroot (hd0,0)\nkernel /boot/vmlinuz-6.1 root=/dev/xvda1
initrd /boot/initrd.img-6.1\ntitle old\nkernel (hd0,1)/vmlinuz\n`;
const FSTAB = `UUID=${UUID} /boot ext2 defaults 0 2\n/dev/xvda2 / ext4 defaults 0 1\n`;
const ENTRY = "title Fedora\nlinux /boot/vmlinuz-6.1\ninitrd /boot/initrd.img-6.1\noptions root=/dev/xvda1 $tuned\n";

type Files = Readonly<Record<string, string | Uint8Array>>;

const kernel = noise(9000, 1);
const initrd = noise(3000, 2);
const IN_BOOT: Files = { "boot/vmlinuz-6.1": kernel, "boot/initrd.img-6.1": initrd };

/** Disks of one or two volumes whose configs find their kernel in each of the ways. */
const DISKS: readonly (readonly Files[])[] = [
  [{ "boot/grub/menu.lst": MENU_LST, ...IN_BOOT }],
  [
    { "grub/grub.cfg": GRUB_CFG, "grub/grubenv": "", "vmlinuz-6.1": kernel, "initrd.img-6.1": initrd },
    { "etc/fstab": FSTAB, "bin/x": "x" },
  ],
  [
    {
      "boot/grub2/grub.cfg": "insmod blscfg\nblscfg\n",
      "boot/loader/entries/a.conf": ENTRY,
      ...IN_BOOT,
    },
  ],
  [
    {
      "boot/extlinux/extlinux.conf":
        "default a\nlabel a\n  linux ../vmlinuz-6.1\n  append initrd=../initrd.img-6.1 ro\n",
      ...IN_BOOT,
    },
  ],
  [{ ...IN_BOOT, "etc/fstab": FSTAB }],
];

function diskOf(volumes: readonly Files[]): Uint8Array {
  return inTemporaryFolder((folder) => {
    const partitions = volumes.map((files, index): Partition => {
      const content = `${folder}/${index}`;
      for (const [name, bytes] of Object.entries(files)) {
        fs.mkdirSync(path.dirname(`${content}/${name}`), { recursive: true });
        fs.writeFileSync(`${content}/${name}`, bytes);
      }
      const type = index === 0 ? "ext2" : "ext4";
      const options = ["-b", String(BLOCK), "-N", "64", "-O", "^has_journal", ...(index === 0 ? ["-U", UUID] : [])];
      return { sizeMiB: 2, filesystem: { type, folder: content, options } };
    });
    makePartitionedDisk({ path: `${folder}/disk`, sizeMiB: 1 + 3 * volumes.length, partitions });
    return packImage(new Uint8Array(fs.readFileSync(`${folder}/disk`)), BLOCK);
  });
}

export const wholeDiskTargets: readonly FuzzTarget[] = [
  {
    name: "whole disk",
    isFixedSize: true,
    largest: 4 << 20,
    fixedHead: tableSize,
    dictionary: [UUID, "search ", "linux ", "initrd ", "menuentry ", "/boot/", "/etc/fstab", "(hd0,1)", "configfile "],
    seeds: () => DISKS.map(diskOf),
    run(input) {
      const table = readVolumes(openPacked(input).source);
      const search = { disk: "disk", vm: null, places: placesOf(table), notes: table.notes };
      const found = findOrGuess(search, null, true);
      for (const file of [found.kernel, ...found.ramdisks]) readEnds(file);
    },
  },
];

function readEnds(file: ByteSource): void {
  const length = Math.min(file.size, MOST_READ);
  file.read(0, length);
  file.read(file.size - length, length);
}
