import { describe, expect, test } from "vitest";
import { chooseEntry } from "../../src/bootconfig/choose.ts";
import { readGrubLegacy } from "../../src/bootconfig/grub-legacy-guest.ts";
import { brokenVolume, madeUpVolume, placeOn, type Files } from "./made-up-guest.ts";

const MENU = "/boot/grub/menu.lst";
const read = (text: string, files: Files = {}, ...others: Parameters<typeof placeOn>[1][]) =>
  readGrubLegacy(text, placeOn(MENU, madeUpVolume(1, files, { uuid: "AAAA-0001" }), ...others));

// Expected values: the GNU GRUB 0.97 manual; Debian's and Ubuntu's manual page for uuid.
describe("volumes", () => {
  const other = madeUpVolume(2, { "/vmlinuz": "k", "/etc/mark": "" }, { uuid: "bbbb-0002" });

  test("uuid makes the volume of that filesystem the root", () => {
    const config = read("title x\nuuid BBBB-0002\nkernel /vmlinuz\ninitrd /i\n", {}, brokenVolume(3), other);
    expect(config.entries[0]?.kernel).toEqual({ device: null, volume: other, path: "/vmlinuz" });
    expect(config.entries[0]?.ramdisks[0]?.volume).toBe(other);
  });

  test("the config's own volume wins where two have one UUID", () => {
    const twin = madeUpVolume(2, {}, { uuid: "aaaa-0001" });
    const config = read("title x\nuuid aaaa-0001\nkernel /k\n", {}, twin);
    expect(config.entries[0]?.kernel.volume?.number).toBe(1);
  });

  test("find --set-root makes the volume that has the file the root", () => {
    const config = read("title x\nfind --set-root --ignore-floppies /etc/mark\nkernel /vmlinuz\n", {}, other);
    expect(config.entries[0]?.kernel.volume).toBe(other);
  });

  test("find alone only prints", () => {
    const config = read("title x\nfind /etc/mark\nkernel /vmlinuz\n", {}, other);
    expect(config.entries[0]?.kernel.volume).toBeUndefined();
  });

  test.for(["uuid cccc\n", "find --set-root /none\n"])("%j, which finds nothing, is noted", (line) => {
    const config = read(`title x\n${line}kernel /k\n`, {}, other);
    expect(config.entries[0]?.kernel.volume).toBeUndefined();
    expect(config.notes.join()).toMatch(/finds no volume/);
  });
});

describe("configfile", () => {
  const files = { "/boot/grub/other.lst": "default 1\ntitle a\nkernel /a\ntitle b\nroot (hd0,1)\nkernel /b\n" };

  test("puts the other config's entries below its title; its default has the title's number", () => {
    const config = read("default 1\ntitle x\nkernel /x\ntitle more\nconfigfile /boot/grub/other.lst\n", files);
    expect(config.entries.map(({ title, submenu }) => [title, submenu])).toEqual([
      ["x", undefined],
      ["a", ["more"]],
      ["b", ["more"]],
    ]);
    expect(config.entries[config.default]?.title).toBe("b");
    expect(chooseEntry(config, "1").entry.title).toBe("b");
    expect(chooseEntry(config, "-1").warning).not.toBeNull();
  });

  test("on another volume has its files there", () => {
    const other = madeUpVolume(2, { "/menu.lst": "title a\nkernel /a\ntitle b\nroot (hd0,0)\nkernel /b\n" });
    const config = read("title more\nroot (hd0,1)\nconfigfile /menu.lst\n", {}, other);
    expect(config.entries.map((entry) => entry.kernel)).toEqual([
      { device: null, volume: other, path: "/a" },
      { device: { disk: 0, partition: 1 }, path: "/b" },
    ]);
  });

  test("in a circle is told and passed over", () => {
    const config = read(`title more\nconfigfile ${MENU}\ntitle x\nkernel /x\n`, {
      [MENU]: `title more\nconfigfile ${MENU}\ntitle x\nkernel /x\n`,
    });
    expect(config.entries.map((entry) => entry.title)).toEqual(["x"]);
    expect(config.notes.join()).toContain("in a circle");
  });

  test("that fans out ends at a bound", () => {
    const fan = Object.fromEntries(
      Array.from({ length: 9 }, (_, n) => [`/${n}`, `title t\nconfigfile /${n + 1}\n`.repeat(30)]),
    );
    const config = read("title x\nkernel /x\ntitle t\nconfigfile /0\n", { ...fan, "/9": "title z\nkernel /z\n" });
    expect(config.entries[0]?.title).toBe("x");
    expect(config.notes.join()).toContain("too many configs");
  });

  test("that is not there leaves the title without a kernel", () => {
    expect(() => read("title x\nconfigfile /none\n")).toThrow(/"\/none": .*no such file/);
  });
});

describe("the rest of a menu", () => {
  test("fallback is a list, of those that boot a kernel", () => {
    const config = read("fallback 3 1 2\ntitle a\nkernel /a\ntitle b\nkernel /b\ntitle c\nchainloader +1\n");
    expect(config).toMatchObject({ default: 0, fallback: [1] });
  });

  test("lock and password in a title lock it", () => {
    const config = read("title a\nlock\nkernel /a\ntitle b\npassword --md5 $1$x\nkernel /b\ntitle c\nkernel /c\n");
    expect(config.entries.map((entry) => entry.isLocked ?? false)).toEqual([true, true, false]);
    expect(config.entries.map((entry) => entry.passwords ?? [])).toEqual([
      [],
      [{ user: null, form: "md5-crypt", value: "$1$x" }],
      [],
    ]);
  });

  test.for([
    ["password secret\n", "plain", "secret"],
    [
      "password --md5 $1$gLhU0/$aW78kHK1QfV3P2b2znUoe/ /boot/grub/more.lst\n",
      "md5-crypt",
      "$1$gLhU0/$aW78kHK1QfV3P2b2znUoe/",
    ],
    ["password --encrypted $6$abc$def\n", "sha512-crypt", "$6$abc$def"],
  ] as const)("%j protects the menu", ([line, form, value]) => {
    expect(read(`${line}title a\nkernel /a\n`).passwords).toEqual([{ user: null, form, value }]);
  });

  test("words for firmware and for other systems change nothing and are known", () => {
    const config = read(
      "title a\nmap (hd0) (hd1)\nparttype (hd0,0) 0x83\nhide (hd0,1)\nunhide (hd0,0)\nmakeactive\nsavedefault\nkernel /a\n",
    );
    expect(config.entries.length).toBe(1);
    expect(config.notes).toEqual([]);
  });

  // Novell, "Virtualization with Xen", SLES 11: the menu of a host.
  test("a Xen host's entry as in the SLES 11 manual boots its kernel and initrd", () => {
    const config = read(
      "title Xen -- SUSE Linux Enterprise Server 11\nroot (hd0,1)\nkernel /boot/xen.gz dom0_mem=512M\n" +
        "module /boot/vmlinuz-2.6.27.19-5-xen root=/dev/xvda2 splash=silent showopts\nmodule /boot/initrd-2.6.27.19-5-xen\n",
    );
    expect(config.entries[0]).toMatchObject({
      kernel: { device: { disk: 0, partition: 2 }, path: "/boot/vmlinuz-2.6.27.19-5-xen" },
      ramdisks: [{ path: "/boot/initrd-2.6.27.19-5-xen" }],
      arguments: "root=/dev/xvda2 splash=silent showopts",
    });
  });

  test("the number that grub-set-default saved is read from beside the config", () => {
    const text = "default saved\ntitle a\nkernel /a\ntitle b\nkernel /b\n";
    expect(read(text, { "/boot/grub/default": "1\n#\n#\n" }).default).toBe(1);
    expect(read(text).default).toBe(0);
  });
});
