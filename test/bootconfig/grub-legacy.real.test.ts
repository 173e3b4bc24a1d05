import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { decodeText } from "../../src/base/text.ts";
import type { BootEntry } from "../../src/bootconfig/boot-config.ts";
import { chooseEntry } from "../../src/bootconfig/choose.ts";
import { parseGrubLegacy } from "../../src/bootconfig/grub-legacy.ts";
import { GuestImage, type Booted } from "./upstream-pygrub.ts";

const FOLDER = fileURLToPath(new URL("../../fixtures/boot-configs/", import.meta.url));
const read = (name: string): Uint8Array => readFileSync(`${FOLDER}${name}.lst`);
const CONFIGS = readdirSync(FOLDER)
  .filter((name) => name.endsWith(".lst"))
  .map((name) => name.slice(0, -".lst".length));

/** Files that stand beside the config. */
const BESIDE: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "default-saved": { "/boot/grub/default": "1\n#\n#\n#\n#\n" },
};

interface Difference {
  readonly why: string;
  readonly upstream: Booted | null;
  readonly ours: Booted;
}

const booted = (kernel: string, ramdisk: string | null, args = ""): Booted => ({ kernel, ramdisk, arguments: args });

/**
 * Where we boot something else than upstream pygrub 4.17 does, with the reason. Everything that is not in this table
 * must be the same.
 */
const DIFFERENCES: Readonly<Record<string, Difference>> = {
  "debian-lenny-xen-host": {
    why: "upstream boots the hypervisor itself as the guest's kernel, which no domain builder takes; its first module is the kernel",
    upstream: booted("/boot/xen-3.2-1-amd64.gz", null, "dom0_mem=512M"),
    ours: booted(
      "/boot/vmlinuz-2.6.26-2-xen-amd64",
      "/boot/initrd.img-2.6.26-2-xen-amd64",
      "root=/dev/xvda1 ro console=tty0",
    ),
  },
  "rhel5-host": {
    why: "as debian-lenny-xen-host",
    upstream: booted("/xen.gz-2.6.18-194.el5", null, "dom0_mem=1024M"),
    ours: booted(
      "/vmlinuz-2.6.18-194.el5xen",
      "/initrd-2.6.18-194.el5xen.img",
      "ro root=/dev/VolGroup00/LogVol00 rhgb quiet",
    ),
  },
  "debian-other-systems": {
    why: "update-grub's divider has a root without a device, which shows the device that is set; upstream ends with an error",
    upstream: null,
    ours: booted("/boot/vmlinuz-other", "/boot/initrd-other", "root=/dev/xvdb1"),
  },
  "default-saved": {
    why: "GRUB reads the number that grub-set-default saved (manual, 13.1.1 and 19); upstream boots entry 0",
    upstream: booted("/boot/vmlinuz-a", null, "ro"),
    ours: booted("/boot/vmlinuz-b", null, "ro"),
  },
  "default-hexadecimal": {
    why: "GRUB's numbers are decimal or hexadecimal; upstream reads 0",
    upstream: booted("/boot/vmlinuz-a", null, "ro"),
    ours: booted("/boot/vmlinuz-b", null, "ro"),
  },
  "default-with-remark": {
    why: "GRUB ignores text after what a command wants; upstream reads 0",
    upstream: booted("/boot/vmlinuz-a", null, "ro"),
    ours: booted("/boot/vmlinuz-b", null, "ro"),
  },
  "default-spaced-equals": {
    why: "an equals sign stands for a blank, with or without blanks around it; upstream reads 0",
    upstream: booted("/boot/vmlinuz-a", null, "ro"),
    ours: booted("/boot/vmlinuz-b", null, "ro"),
  },
  "default-out-of-range": {
    why: "GRUB's fallback is for a default entry that does not boot (manual, 13.1.2); upstream knows no fallback",
    upstream: booted("/boot/vmlinuz-a", null, "ro"),
    ours: booted("/boot/vmlinuz-b", null, "ro"),
  },
  "windows-default-fallback": {
    why: "the default only starts another loader, so GRUB's fallback counts; upstream fails",
    upstream: null,
    ours: booted("/boot/vmlinuz", "/boot/initrd.img", "root=/dev/xvda2 ro"),
  },
  "opensuse-configfile": {
    why: "the default goes on in another config, which neither follows; we take the next entry with a note, upstream fails",
    upstream: null,
    ours: booted("/boot/vmlinuz-2.6.37-xen", "/boot/initrd-2.6.37-xen", "root=/dev/xvda2"),
  },
  "kernel-options": {
    why: "GRUB's kernel takes options before the file (manual, 13.3.20); upstream takes the option for the file",
    upstream: null,
    ours: booted("/boot/vmlinuz", "/boot/initrd", "ro root=/dev/xvda1"),
  },
  "tab-before-arguments": {
    why: "upstream looks for a space alone and takes the tab and the arguments for a part of the file's name",
    upstream: null,
    ours: booted("/boot/vmlinuz", "/boot/initrd", "ro\troot=/dev/xvda1"),
  },
  "remark-after-initrd": {
    why: "GRUB ignores text after what a command wants; upstream takes it for a part of the file's name",
    upstream: null,
    ours: booted("/boot/vmlinuz", "/boot/initrd", "ro"),
  },
  "two-initrds-on-a-line": {
    why: "GRUB 0.97 loads one file and ignores the rest; upstream takes both for one name",
    upstream: null,
    ours: booted("/boot/vmlinuz", "/boot/initrd", "ro"),
  },
  "initrd-of-an-earlier-kernel": {
    why: "a second kernel command drops what was loaded for the first (manual, 13.3.20); upstream keeps the initrd",
    upstream: booted("/boot/vmlinuz-2", "/boot/initrd-1", "two"),
    ours: booted("/boot/vmlinuz-2", null, "two"),
  },
  "byte-order-mark": {
    why: "an editor's byte order mark is not a part of the first command; upstream does not know the command then",
    upstream: booted("/boot/vmlinuz-a", null),
    ours: booted("/boot/vmlinuz-b", null),
  },
  "latin1-argument": {
    why: "upstream ends with a decoding error; a byte that is not UTF-8 is kept as it is",
    upstream: null,
    ours: booted("/boot/vmlinuz", "/boot/initrd", "name=caf\udce9"),
  },
};

const summary = (entry: BootEntry): Booted => ({
  kernel: entry.kernel.path,
  ramdisk: entry.ramdisks[0]?.path ?? null,
  arguments: entry.arguments,
});

function parse(name: string) {
  return parseGrubLegacy(decodeText(read(name)), {
    savedDefault: () => BESIDE[name]?.["/boot/grub/default"] ?? null,
  });
}

function ourDefault(name: string): Booted {
  return summary(chooseEntry(parse(name), null).entry);
}

describe("menu.lst beside upstream pygrub", () => {
  test("there are at least 25 configs, and every difference names one of them", () => {
    expect(CONFIGS.length).toBeGreaterThanOrEqual(25);
    expect(CONFIGS).toEqual(expect.arrayContaining(Object.keys(DIFFERENCES)));
  });

  test.for(CONFIGS.filter((name) => !(name in DIFFERENCES)))("%s: the same kernel, ramdisk and arguments", (name) => {
    using image = new GuestImage(read(name), BESIDE[name]);
    const upstream = image.boot();
    expect(upstream).not.toBeNull();
    expect(ourDefault(name)).toEqual(upstream);
  });

  test.for(Object.entries(DIFFERENCES))("%s: differs, and how", ([name, difference]) => {
    using image = new GuestImage(read(name), BESIDE[name]);
    expect(image.boot()).toEqual(difference.upstream);
    expect(ourDefault(name)).toEqual(difference.ours);
  });

  /** What `-l` shows differs from what `-q` boots only for these, and for those of the table above. */
  const NOT_LISTED_ALIKE = [
    ...Object.keys(DIFFERENCES),
    "sles11-xen-host", // its other entry is a hypervisor's
    "netbsd", // its other entry has a kernel option
    "relative-path", // upstream shows the path as it stands in the config
  ];
  test.for(CONFIGS.filter((name) => !NOT_LISTED_ALIKE.includes(name)))("%s: the same list of entries", (name) => {
    using image = new GuestImage(read(name), BESIDE[name]);
    const listed = image.list();
    // Upstream's listing ends with the first entry that has no kernel or no ramdisk.
    const whole = listed.filter((entry) => entry.kernel !== "");
    const ours = parse(name).entries.map((entry) => ({ title: entry.title, ...summary(entry) }));
    expect(ours.slice(0, whole.length)).toEqual(whole);
    expect(whole.length > 0 || name === "windows-first").toBe(true);
  });
});

describe("--entry beside upstream pygrub", () => {
  const config = [
    "default 3",
    "title Windows\nrootnoverify (hd0,0)\nchainloader +1",
    "title one\nkernel /boot/k1 1",
    "title 0\nkernel /boot/k2 2",
    "title two  words\nkernel /boot/k3 3",
    "title one\nkernel /boot/k4 4",
    "title 77\nkernel /boot/k5 5",
    "",
  ].join("\n");

  const WANTED = [
    "1",
    "01",
    "+2",
    " 3 ",
    "4",
    "one",
    "two  words",
    "two words",
    "One",
    "one ",
    "77",
    "-1",
    "0x1",
    "9",
    "",
  ];
  test("a number counts all titles, a title must be the same to the letter, anything else is the default", () => {
    using image = new GuestImage(Buffer.from(config));
    const parsed = parseGrubLegacy(config);
    for (const wanted of WANTED) {
      expect([wanted, summary(chooseEntry(parsed, wanted).entry)]).toEqual([wanted, image.boot(`--entry=${wanted}`)]);
    }
  });

  test("an entry that boots no kernel is the default for us, with a warning; upstream fails", () => {
    using image = new GuestImage(Buffer.from(config));
    for (const wanted of ["0", "Windows"]) {
      expect(image.boot(`--entry=${wanted}`)).toBeNull();
      const chosen = chooseEntry(parseGrubLegacy(config), wanted);
      expect(chosen.entry.kernel.path).toBe("/boot/k3");
      expect(chosen.warning).toContain("the default is booted");
    }
  });
});
