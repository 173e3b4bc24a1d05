import { describe, expect, test } from "vitest";
import { readBlsEntries } from "../../src/bootconfig/bls.ts";
import { readBlsMenu } from "../../src/bootconfig/bls-menu.ts";
import type { BootConfig } from "../../src/bootconfig/boot-config.ts";
import { brokenVolume, madeUpVolume, placeOn, type Files } from "./made-up-guest.ts";

const entries = (folder: string, files: Readonly<Record<string, string>>): Files =>
  Object.fromEntries(Object.entries(files).map(([name, text]) => [`${folder}/${name}`, text]));

function menuOf(files: Files, path = "/loader/entries"): BootConfig {
  return readBlsMenu("", placeOn(path, madeUpVolume(1, files)));
}

const titles = (config: BootConfig): string[] => config.entries.map((entry) => entry.title);

/** As GRUB's `blscfg` calls it. */
function grubEntries(files: Files, variables: Readonly<Record<string, string>> = {}) {
  const notes: string[] = [];
  const found = readBlsEntries(madeUpVolume(1, files), {
    variables: new Map(Object.entries(variables)),
    folder: null,
    note: (line) => void notes.push(line),
  });
  return { found, notes };
}

// Expected values: the Boot Loader Specification, loader.conf(5), and Fedora's documentation of its GRUB.
describe("an entry file", () => {
  test("has title, kernel, several initrds and several lines of options", () => {
    const [entry] = grubEntries(
      entries("/loader/entries", {
        "a.conf":
          "# a comment\ntitle Fedora 19\nversion 3.8.0\nlinux\t/mid/3.8.0/linux\n" +
          "initrd /early\ninitrd /mid/3.8.0/initrd\noptions  root=UUID=1\noptions quiet  splash\n",
      }),
    ).found;
    expect(entry).toMatchObject({
      title: "Fedora 19",
      id: "a",
      kernel: { path: "/mid/3.8.0/linux" },
      ramdisks: [{ path: "/early" }, { path: "/mid/3.8.0/initrd" }],
      arguments: "root=UUID=1 quiet  splash",
    });
  });

  test("without a title is called by its version, and without that by its file", () => {
    const { found } = grubEntries(
      entries("/loader/entries", { "b.conf": "linux /k\n", "a.conf": "version 6.1\nlinux /k\n" }),
    );
    expect(found.map((entry) => entry.title)).toEqual(["b", "Linux 6.1"]);
  });

  test("names GRUB's variables, which may hold nothing", () => {
    const [entry] = grubEntries(
      entries("/boot/loader/entries", {
        "a.conf":
          "title x\nlinux /k\ninitrd /i $tuned_initrd\noptions $kernelopts ${tuned_params} $none a\\$b\ngrub_users $grub_users\n",
      }),
      { kernelopts: "root=/dev/xvda1 ro", tuned_params: "skew_tick=1" },
    ).found;
    expect(entry).toMatchObject({
      ramdisks: [{ path: "/i" }],
      arguments: "root=/dev/xvda1 ro skew_tick=1  a$b",
      isLocked: false,
    });
  });

  test("grub_users locks it, grub_hotkey gives it a key", () => {
    const [entry] = grubEntries(
      entries("/loader/entries", { "a.conf": "linux /k\ngrub_users root\ngrub_hotkey k\ngrub_arg --unrestricted\n" }),
    ).found;
    expect(entry).toMatchObject({ isLocked: true, hotkey: "k" });
  });

  test("without options has those that GRUB keeps for it", () => {
    const files = entries("/loader/entries", { "a.conf": "linux /k\n" });
    expect(grubEntries(files, { default_kernelopts: "ro quiet" }).found[0]?.arguments).toBe("ro quiet");
  });

  test("early_initrd comes before its own initrds", () => {
    const files = entries("/loader/entries", { "a.conf": "linux /k\ninitrd /i\n" });
    const [entry] = grubEntries(files, { early_initrd: "/ucode.img" }).found;
    expect(entry?.ramdisks.map(({ path }) => path)).toEqual(["/ucode.img", "/i"]);
  });

  test("names files below /boot where /boot is no volume of its own", () => {
    const files = {
      "/boot/loader/entries/a.conf": "linux /mid/6.1/linux\ninitrd /boot/mid/6.1/initrd\n",
      "/boot/mid/6.1/linux": "k",
      "/boot/mid/6.1/initrd": "i",
    };
    const [entry] = grubEntries(files).found;
    expect(entry).toMatchObject({
      kernel: { path: "/boot/mid/6.1/linux" },
      ramdisks: [{ path: "/boot/mid/6.1/initrd" }],
    });
  });

  test.for([
    ["linux /k\narchitecture aa64\n", "aa64"],
    ["linux /k\narchitecture x64\n", null],
    ["linux /k\narchitecture X64\n", null],
    ["title only\n", "no kernel"],
    ["efi /EFI/BOOT/shell.efi\n", "no such file"],
    ["x y\n".repeat(1001), "more than 1000"],
  ] as const)("%j is passed over with a note, or not: %s", ([text, words]) => {
    const { found, notes } = grubEntries(entries("/loader/entries", { "a.conf": text }));
    expect(found.length).toBe(words === null ? 1 : 0);
    expect(notes.join()).toContain(words ?? "");
  });

  test("a hostile folder is read within bounds", () => {
    const many = Object.fromEntries(Array.from({ length: 2_000 }, (_, n) => [`${n}.conf`, "linux /k\n"]));
    const { found, notes } = grubEntries(entries("/loader/entries", { ...many, "huge.conf": "x".repeat(70_000) }));
    expect(found.length).toBe(499);
    expect(notes.join("\n")).toMatch(/2001 files/);
    expect(notes.join("\n")).toMatch(/huge\.conf.*70000 bytes/);
  });
});

describe("GRUB's order", () => {
  test("is by file name, newest first", () => {
    const { found } = grubEntries(
      entries("/loader/entries", {
        "mid-0-rescue.conf": "title rescue\nlinux /k\n",
        "mid-5.14.0-70.13.1.el9_0.x86_64.conf": "title 70\nlinux /k\n",
        "mid-5.14.0-362.8.1.el9_3.x86_64.conf": "title 362.8\nlinux /k\n",
        "mid-5.14.0-362.24.1.el9_3.x86_64.conf": "title 362.24\nlinux /k\n",
        "README.txt": "linux /k",
      }),
    );
    expect(found.map((entry) => entry.title)).toEqual(["362.24", "362.8", "70", "rescue"]);
  });
});

describe("systemd-boot's order", () => {
  test("sort keys come first, newest version first among equal ones, then names", () => {
    const config = menuOf(
      entries("/loader/entries", {
        "zz.conf": "title no key\nlinux /k\nversion 99\n",
        "a.conf": "title b-old\nlinux /k\nsort-key b\nversion 5.9\n",
        "b.conf": "title b-new\nlinux /k\nsort-key b\nversion 5.10\n",
        "c.conf": "title a\nlinux /k\nsort-key a\nversion 1\n",
      }),
    );
    expect(titles(config)).toEqual(["a", "b-new", "b-old", "no key"]);
    expect(config.default).toBe(0);
  });

  test("machines are told apart before versions", () => {
    const config = menuOf(
      entries("/loader/entries", {
        "a.conf": "title m2\nlinux /k\nsort-key x\nmachine-id 2\nversion 9\n",
        "b.conf": "title m1\nlinux /k\nsort-key x\nmachine-id 1\nversion 1\n",
      }),
    );
    expect(titles(config)).toEqual(["m1", "m2"]);
  });

  test("an entry that has failed too often is last; one that is still tried is not", () => {
    const config = menuOf(
      entries("/loader/entries", {
        "k-3+0-3.conf": "title bad\nlinux /k\n",
        "k-2+2-1.conf": "title tried\nlinux /k\n",
        "k-1.conf": "title good\nlinux /k\n",
      }),
    );
    expect(titles(config)).toEqual(["tried", "good", "bad"]);
    expect(config.entries.map((entry) => entry.id)).toEqual(["k-2", "k-1", "k-3"]);
    expect(config.fallback).toEqual([1]);
  });
});

describe("loader.conf", () => {
  const three = entries("/loader/entries", {
    "arch.conf": "title arch\nlinux /k\n",
    "arch-lts.conf": "title lts\nlinux /k\n",
    "Debian-1.conf": "title debian\nlinux /k\n",
  });

  test.for([
    ["default arch.conf\n", "arch"],
    ["default arch\n", "arch"],
    ["default arch-*\n", "lts"],
    ["default debian-[0-9].conf\n", "debian"],
    ["default ????-lts.conf\n", "lts"],
    ["# default arch.conf\ndefault\tarch-lts.conf\n", "lts"],
    ["default first\ndefault arch.conf\n", "arch"],
    ["preferred arch-lts.conf\ndefault arch.conf\n", "lts"],
  ] as const)("%j chooses %s", ([conf, title]) => {
    const config = menuOf({ ...three, "/loader/loader.conf": conf });
    expect(config.entries[config.default]?.title).toBe(title);
    expect(config.notes).toEqual([]);
  });

  test.for([
    ["default nothing*\n", "no entry matches"],
    ["default @saved\n", "EFI variable"],
  ] as const)("%j takes the first entry and says so", ([conf, words]) => {
    const config = menuOf({ ...three, "/loader/loader.conf": conf });
    expect(config.default).toBe(0);
    expect(config.notes.join()).toContain(words);
  });

  test.for([
    ["timeout 7\n", 7],
    ["timeout menu-hidden\n", 0],
    ["timeout menu-force\n", null],
    ["editor no\n", 0],
    ["", null],
  ] as const)("%j waits %s seconds", ([conf, seconds]) => {
    expect(menuOf({ ...three, "/loader/loader.conf": conf }).timeout).toBe(seconds);
  });

  test("a pattern of nothing but stars is matched in no time", () => {
    const conf = `default ${"*a".repeat(2_000)}b\n`;
    expect(menuOf({ ...three, "/loader/loader.conf": conf }).default).toBe(0);
  });
});

describe("places", () => {
  test("the EFI partition's entries and its loader.conf count too, its own entries first", () => {
    const own = madeUpVolume(2, { "/loader/entries/a.conf": "title own\nlinux /k\n" });
    const efi = madeUpVolume(
      1,
      {
        "/loader/entries/a.conf": "title copy\nlinux /k\n",
        "/loader/entries/b.conf": "title efi\nlinux /k2\n",
        "/loader/loader.conf": "default b.conf\ntimeout 3\n",
      },
      { type: "vfat" },
    );
    const config = readBlsMenu("", placeOn("/loader/entries", own, efi, brokenVolume(3)));
    expect(titles(config)).toEqual(["efi", "own"]);
    expect(config.entries[0]?.kernel.volume).toBe(efi);
    expect(config).toMatchObject({ default: 0, timeout: 3 });
  });

  test("a file by itself is an entry", () => {
    const text = "title alone\nlinux /k\noptions $kernelopts quiet\n";
    const config = readBlsMenu(text, placeOn("/x/loader/entries/a.conf", madeUpVolume(1, {})));
    expect(titles(config)).toEqual(["alone"]);
    expect(config.entries[0]?.arguments).toBe("quiet");
  });

  test("entries without a kernel are no config, and each is named", () => {
    expect(() => menuOf(entries("/loader/entries", { "a.conf": "title x\n" }))).toThrow(/"a\.conf".*names no kernel/);
  });
});
