import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { chooseEntry } from "../../src/bootconfig/choose.ts";
import { readSyslinux } from "../../src/bootconfig/syslinux/syslinux.ts";
import { madeUpVolume, placeOn } from "./made-up-guest.ts";
import { GuestImage, type Booted } from "./upstream-pygrub.ts";

const FOLDER = fileURLToPath(new URL("../../fixtures/boot-configs/", import.meta.url));
const PATH = "/boot/extlinux/extlinux.conf";

/** Real programs' configs, and a small one for each way in which we and upstream may differ. */
const CONFIGS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    readdirSync(FOLDER)
      .filter((name) => name.endsWith(".extlinux.conf"))
      .map((name) => [name.slice(0, -".extlinux.conf".length), readFileSync(`${FOLDER}${name}`, "utf8")]),
  ),
  "two initrds": "default a\nlabel a\nkernel /boot/vmlinuz\ninitrd /boot/early,/boot/initrd\nappend ro\n",
  ontimeout: "default a\nontimeout b\nlabel a\nkernel /boot/k-a\nlabel b\nkernel /boot/k-b\n",
  "menu default": "ui menu.c32\nlabel a\nkernel /boot/k-a\nlabel b\nmenu default\nkernel /boot/k-b\n",
  localboot: "default disk\nlabel disk\nlocalboot 0\nlabel b\nkernel /boot/k-b\n",
  "global append": "default a\nappend quiet\nlabel a\nkernel /boot/k-a\n",
  included: "include more.cfg\n",
  "case of the default": "default B\nlabel a\nkernel /boot/k-a\nlabel b\nkernel /boot/k-b\n",
};

const FILES = Object.fromEntries(
  [
    ...["vmlinuz", "initrd", "early", "k-a", "k-b", "xen.gz", "vmlinuz-3.2.0-4-amd64", "initrd.img-3.2.0-4-amd64"].map(
      (name) => `/boot/${name}`,
    ),
    ...["vmlinuz-virt", "initramfs-virt", "vmlinuz-lts", "initramfs-lts"].map((name) => `/boot/extlinux/${name}`),
  ].map((path) => [path, path]),
);
const BESIDE = { ...FILES, "/boot/extlinux/more.cfg": "label m\nlinux /boot/k-b\n" };

const booted = (kernel: string, ramdisk: string | null, args: string): Booted => ({ kernel, ramdisk, arguments: args });

/** Where upstream pygrub 4.17 boots something else, and why ours is right. Everything else must be the same. */
const DIFFERENCES: Readonly<Record<string, { readonly why: string; readonly upstream: Booted | null }>> = {
  alpine: {
    why: "LINUX is KERNEL for what is a Linux kernel (wiki, Config); upstream does not know it",
    upstream: null,
  },
  debian: { why: "as alpine", upstream: null },
  "two initrds": {
    why: "an INITRD is a list with commas (wiki, Config); upstream knows initrd= in APPEND only",
    upstream: booted("/boot/vmlinuz", null, "ro"),
  },
  ontimeout: {
    why: "nobody presses a key, so ONTIMEOUT boots (wiki, Config); upstream does not know it",
    upstream: booted("/boot/k-a", null, ""),
  },
  "menu default": {
    why: "a menu's default is the label with MENU DEFAULT (wiki, Menu); upstream takes the first",
    upstream: booted("/boot/k-a", null, ""),
  },
  localboot: {
    why: "LOCALBOOT is nothing that a guest can start; the next label is",
    upstream: null,
  },
  "global append": {
    why: "an APPEND above the labels is for those without their own (wiki, Config)",
    upstream: booted("/boot/k-a", null, ""),
  },
  "case of the default": {
    why: "labels are as file names on FAT, in any case (doc/syslinux.txt); upstream takes the first",
    upstream: booted("/boot/k-a", null, ""),
  },
  included: { why: "upstream does not know INCLUDE", upstream: null },
};

/** Runs of blanks that a taken-out `initrd=` leaves are no difference. */
const tidy = (found: Booted | null): Booted | null =>
  found === null ? null : { ...found, arguments: found.arguments.trim().replace(/ {2,}/g, " ") };

test.for(Object.entries(CONFIGS))("%s boots what upstream pygrub boots, or what it should", ([name, config]) => {
  using image = new GuestImage(Buffer.from(config), BESIDE, PATH);
  const read = readSyslinux(config, placeOn(PATH, madeUpVolume(1, BESIDE)));
  const { entry } = chooseEntry(read, null);
  const ours = booted(entry.kernel.path, entry.ramdisks[0]?.path ?? null, entry.arguments);
  const theirs = tidy(image.boot());
  const difference = DIFFERENCES[name];
  if (difference === undefined) expect(tidy(ours)).toEqual(theirs);
  else {
    expect(theirs).toEqual(difference.upstream);
    expect(tidy(ours)).not.toEqual(theirs);
  }
});

describe("what u-boot-update, the heir of extlinux-update, writes for three kernels", () => {
  const PROGRAM = "/usr/sbin/u-boot-update";
  const VERSIONS = ["6.1.0-10-amd64", "6.1.0-9-amd64", "5.10.0-8-amd64"];
  const folder = mkdtempSync(join(tmpdir(), "guestboot-extlinux-"));
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  /** A made-up root that is the only one the program sees; its /boot is one filesystem with the rest or not. */
  function generate(settings: Readonly<Record<string, string>>): string {
    if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is missing: apt-get install u-boot-menu`);
    const boot = join(folder, "boot");
    rmSync(boot, { recursive: true, force: true });
    mkdirSync(boot);
    for (const version of VERSIONS) {
      writeFileSync(join(boot, `vmlinuz-${version}`), "kernel");
      writeFileSync(join(boot, `initrd.img-${version}`), "initrd");
    }
    const made = spawnSync("unshare", ["-m", "sh", "-c", `mount --bind ${boot} /boot && exec ${PROGRAM}`], {
      encoding: "utf8",
      env: { ...process.env, U_BOOT_ROOT: "root=/dev/xvda1", U_BOOT_PARAMETERS: "ro quiet", ...settings },
      timeout: 60_000,
    });
    if (made.status !== 0) throw new Error(`u-boot-update failed: ${made.stderr}`);
    return readFileSync(join(boot, "extlinux/extlinux.conf"), "utf8");
  }

  /** The files as the config names them, with or without the folder /boot. */
  const files = (config: string): Record<string, string> =>
    Object.fromEntries([...config.matchAll(/^\s*(?:linux|initrd) (\S+)$/gm)].map(([, path = ""]) => [path, path]));

  test("is every kernel, newest first, each with its initrd, and a rescue entry after it", () => {
    const config = generate({});
    const read = readSyslinux(config, placeOn(PATH, madeUpVolume(1, files(config))));
    expect(read.entries.map(({ kernel }) => basename(kernel.path))).toEqual(
      VERSIONS.flatMap((version) => [`vmlinuz-${version}`, `vmlinuz-${version}`]),
    );
    expect(read.entries.map(({ ramdisks }) => ramdisks.map(({ path }) => basename(path)))).toEqual(
      VERSIONS.flatMap((version) => [[`initrd.img-${version}`], [`initrd.img-${version}`]]),
    );
    expect(read.entries.map((entry) => entry.arguments).slice(0, 2)).toEqual([
      "root=/dev/xvda1 ro quiet",
      "root=/dev/xvda1 ro single",
    ]);
    expect(read).toMatchObject({ default: 0, timeout: 5, menuTitle: "U-Boot menu", notes: [] });
  });

  test("boots the entry that its settings name; upstream finds no kernel, because it does not know LINUX", () => {
    const config = generate({ U_BOOT_DEFAULT: "l1r" });
    const read = readSyslinux(config, placeOn(PATH, madeUpVolume(1, files(config))));
    const { entry } = chooseEntry(read, null);
    expect(basename(entry.kernel.path)).toBe("vmlinuz-6.1.0-9-amd64");
    expect(entry.arguments).toBe("root=/dev/xvda1 ro single");
    using image = new GuestImage(Buffer.from(config), files(config), PATH);
    expect(image.boot()).toBeNull();
  });
});
