import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { makeIsoImage, type Mastering } from "../../fixtures/iso-images.ts";
import { GuestbootError } from "../../src/base/errors.ts";
import { chooseMediumFiles } from "../../src/pipeline/medium-boot.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-medium-"));
afterAll(() => {
  fs.rmSync(folder, { recursive: true, force: true });
});

let made = 0;

/** An ISO image with these files; with Rock Ridge, as installation media have it, unless options say otherwise. */
function medium(
  files: Readonly<Record<string, string>>,
  program: Mastering = "xorriso",
  options: readonly string[] = ["-R", "-J"],
): string {
  made += 1;
  const tree = path.join(folder, `tree-${made}`);
  for (const [name, content] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(tree, name)), { recursive: true });
    fs.writeFileSync(path.join(tree, name), content);
  }
  const image = path.join(folder, `${made}.iso`);
  makeIsoImage({ path: image, folder: tree, program, options });
  return image;
}

function failure(work: () => unknown): GuestbootError {
  try {
    work();
  } catch (error) {
    if (error instanceof GuestbootError) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

/** CentOS 6's config, in short. */
const CENTOS = {
  "isolinux/isolinux.cfg":
    "default vesamenu.c32\ntimeout 600\nlabel linux\n  menu label ^Install or upgrade\n  menu default\n  kernel vmlinuz\n" +
    "  append initrd=initrd.img\nlabel local\n  menu label Boot from ^local drive\n  localboot 0xffff\n",
  "isolinux/vmlinuz": "kernel",
  "isolinux/initrd.img": "initrd",
};

/** Debian's installer: the config is spread over files, and the default is a menu program. */
const DEBIAN = {
  "isolinux/isolinux.cfg":
    "# D-I config version 2.0\npath \ninclude menu.cfg\ndefault vesamenu.c32\nprompt 0\ntimeout 0\n",
  "isolinux/menu.cfg":
    "menu hshift 4\nmenu title Debian GNU/Linux installer menu (BIOS mode)\ninclude txt.cfg\nmenu begin advanced\n" +
    "    menu title Advanced options\n    label mainmenu\n        menu exit\n    include adtxt.cfg\nmenu end\n",
  "isolinux/txt.cfg":
    "label install\n\tmenu label ^Install\n\tkernel /install.amd/vmlinuz\n" +
    "\tappend vga=788 initrd=/install.amd/initrd.gz --- quiet \n",
  "isolinux/adtxt.cfg":
    "label expert\n\tkernel /install.amd/vmlinuz\n\tappend priority=low initrd=/install.amd/initrd.gz ---\n",
  "install.amd/vmlinuz": "kernel",
  "install.amd/initrd.gz": "initrd",
};

const GRUB = {
  "boot/grub/grub.cfg":
    'set timeout=5\nmenuentry "Try or Install" {\n  set gfxpayload=keep\n  linux /casper/vmlinuz --- quiet splash\n' +
    "  initrd /casper/initrd\n}\n",
  "casper/vmlinuz": "kernel",
  "casper/initrd": "initrd",
};

describe("the config of an installation medium", () => {
  it.each([
    ["CentOS 6", CENTOS, { kernel: "isolinux/vmlinuz", ramdisks: ["isolinux/initrd.img"] }],
    ["Debian", DEBIAN, { kernel: "install.amd/vmlinuz", ramdisks: ["install.amd/initrd.gz"] }],
    ["Ubuntu", GRUB, { kernel: "casper/vmlinuz", ramdisks: ["casper/initrd"] }],
  ])("of %s picks kernel and ramdisk", (_, files, expected) => {
    expect(chooseMediumFiles(medium(files), null).files).toEqual(expected);
  });

  it("is read on a medium of genisoimage, and on one without Rock Ridge", () => {
    const expected = { kernel: "isolinux/vmlinuz", ramdisks: ["isolinux/initrd.img"] };
    expect(chooseMediumFiles(medium(CENTOS, "genisoimage"), null).files).toEqual(expected);
    expect(chooseMediumFiles(medium(CENTOS, "genisoimage", []), null).files).toEqual(expected);
  });

  it("picks what xorriso finds on the medium under that name", () => {
    const image = medium(DEBIAN);
    const { kernel } = chooseMediumFiles(image, null).files;
    const copy = path.join(folder, "kernel");
    const done = spawnSync("xorriso", ["-osirrox", "on", "-indev", image, "-extract", `/${kernel}`, copy]);
    if (done.error !== undefined) throw new Error("xorriso is missing: apt-get install xorriso");
    expect(fs.readFileSync(copy, "utf8")).toBe("kernel");
  });

  it("of Arch picks its ramdisks in the config's order, microcode first", () => {
    const config =
      "LABEL arch64\nLINUX /arch/boot/x86_64/vmlinuz-linux\n" +
      "INITRD /arch/boot/intel-ucode.img,/arch/boot/x86_64/initramfs-linux.img\nAPPEND archisobasedir=arch\n";
    const image = medium({
      "boot/syslinux/syslinux.cfg": config,
      "arch/boot/x86_64/vmlinuz-linux": "kernel",
      "arch/boot/intel-ucode.img": "microcode",
      "arch/boot/x86_64/initramfs-linux.img": "initramfs",
    });
    expect(chooseMediumFiles(image, null).files).toEqual({
      kernel: "arch/boot/x86_64/vmlinuz-linux",
      ramdisks: ["arch/boot/intel-ucode.img", "arch/boot/x86_64/initramfs-linux.img"],
    });
  });

  it("says which config and which entry it was", () => {
    expect(chooseMediumFiles(medium(CENTOS), null).notes[0]).toBe(
      'the medium\'s /isolinux/isolinux.cfg picks "Install or upgrade": isolinux/vmlinuz',
    );
  });

  it("whose default boots the next disk gives way to the installer", () => {
    const config =
      "default harddisk\nlabel harddisk\n  localboot -2\nlabel linux\n  kernel linux\n  append initrd=initrd\n";
    const files = {
      "boot/x86_64/loader/isolinux.cfg": config,
      "boot/x86_64/loader/linux": "k",
      "boot/x86_64/loader/initrd": "i",
    };
    expect(chooseMediumFiles(medium(files), null).files).toEqual({
      kernel: "boot/x86_64/loader/linux",
      ramdisks: ["boot/x86_64/loader/initrd"],
    });
  });

  it("whose default is not on the medium gives way to an entry that is", () => {
    const config = "default net\nlabel net\n  kernel gone\nlabel linux\n  kernel vmlinuz\n";
    const image = medium({ "isolinux/isolinux.cfg": config, "isolinux/vmlinuz": "k" });
    const { files, notes } = chooseMediumFiles(image, null);
    expect(files).toEqual({ kernel: "isolinux/vmlinuz", ramdisks: [] });
    expect(notes.join("\n")).toContain("/isolinux/gone of the default entry is not on the medium");
  });
});

describe("a medium that boots nothing", () => {
  const named = { kernel: "images/vmlinuz", ramdisks: [] };

  it.each([
    ["no config", { "README.TXT": "nothing" }, /no boot config/],
    ["only other loaders", { "isolinux/isolinux.cfg": "label x\nlocalboot 0\n" }, /LOCALBOOT/],
    [
      "a kernel that is not there",
      { "isolinux/isolinux.cfg": "label x\nkernel k\n" },
      /isolinux\/k, which is not on it/,
    ],
  ])("%s: it is said why, unless the record names the files", (_, files, words) => {
    const image = medium(files);
    const error = failure(() => chooseMediumFiles(image, null));
    expect(error.code).toBe("INVALID_SOURCE");
    expect(error.message).toMatch(words);
    expect(chooseMediumFiles(image, named).files).toEqual(named);
  });

  it("no ISO 9660 medium at all", () => {
    const file = path.join(folder, "zeros");
    fs.writeFileSync(file, Buffer.alloc(1 << 20));
    expect(failure(() => chooseMediumFiles(file, null)).message).toContain("no ISO 9660 filesystem");
  });
});
