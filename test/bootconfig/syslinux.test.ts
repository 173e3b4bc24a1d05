import { describe, expect, test } from "vitest";
import { GuestbootError } from "../../src/base/errors.ts";
import type { BootConfig } from "../../src/bootconfig/boot-config.ts";
import { readSyslinux } from "../../src/bootconfig/syslinux/syslinux.ts";
import { brokenVolume, madeUpVolume, placeOn, type Files } from "./made-up-guest.ts";

/** The config at /boot/extlinux/extlinux.conf, with other files beside it. */
function read(text: string, files: Files = {}, path = "/boot/extlinux/extlinux.conf"): BootConfig {
  return readSyslinux(text, placeOn(path, madeUpVolume(1, files)));
}

const chosen = (config: BootConfig): string | null => config.entries[config.default]?.id ?? null;
const notes = (config: BootConfig): string => config.notes.join("\n");
const only = (text: string, files: Files = {}) => read(text, files).entries[0];

const ABC = "label a\nkernel /a\nlabel b\nkernel /b\nlabel c\nkernel /c\n";

// Expected values: the syslinux wiki's Config, Menu, Mboot.c32 and Linux.c32 pages, and upstream pygrub beside ours in
// syslinux.real.test.ts.
describe("a label", () => {
  test("has its name, menu label, kernel, initrd and arguments", () => {
    expect(
      only(
        "LABEL l0\n\tMENU LABEL ^Debian GNU/Linux\n\tLINUX /boot/vmlinuz\n\tINITRD /boot/initrd.img\n\tAPPEND root=/dev/xvda1  ro\n",
      ),
    ).toMatchObject({
      title: "Debian GNU/Linux",
      id: "l0",
      kernel: { device: null, path: "/boot/vmlinuz" },
      ramdisks: [{ path: "/boot/initrd.img" }],
      arguments: "root=/dev/xvda1  ro",
    });
  });

  test("keywords count in any case, comments and help texts do not count", () => {
    const config = read(
      "# label x\nLaBeL a\n kErNeL /a\n TEXT HELP\n  label b\n  kernel /b\n ENDTEXT\n aPPend ro\nSAY label c\n",
    );
    expect(config.entries).toMatchObject([{ id: "a", kernel: { path: "/a" }, arguments: "ro" }]);
  });

  test.for([
    ["INITRD /a,/b\n", ["/a", "/b"], ""],
    ["APPEND root=x initrd=/a,/b ro\n", ["/a", "/b"], "root=x ro"],
    ["APPEND initrd=/a ro initrd=/b\n", ["/b"], "ro"],
    ["INITRD /a\nAPPEND initrd=/b\n", ["/b"], ""],
    ["APPEND noinitrd=/a\n", [], "noinitrd=/a"],
    ["APPEND initrd=\n", [], ""],
    ["IPAPPEND 2\nSYSAPPEND 3\nFDT /dtb\nAPPEND ro\n", [], "ro"],
  ] as const)("%j has these ramdisks", ([lines, ramdisks, left]) => {
    const entry = only(`label a\nkernel /k\n${lines}`);
    expect(entry?.ramdisks.map(({ path }) => path)).toEqual(ramdisks);
    expect(entry?.arguments).toBe(left);
  });

  test("the APPEND above all labels is for those without their own; APPEND - is for nobody", () => {
    const config = read(`append global\n${ABC.replace("/b", "/b\nappend own").replace("/c", "/c\nappend -")}`);
    expect(config.entries.map((entry) => entry.arguments)).toEqual(["global", "own", ""]);
  });

  test.for([
    ["localboot 0x80\n", "LOCALBOOT"],
    ["kernel memdisk.0\n", "no Linux kernel"],
    ["kernel chain.c32\n", "no Linux kernel"],
    ["kernel floppy.img\n", "no Linux kernel"],
    ["com32 hdt.c32\n", "no Linux kernel"],
    ["boot sector.bss\n", "no Linux kernel"],
    ["append ro\n", "names no kernel"],
    ["com32 mboot.c32\nappend esx.gz --- x\n", "no Xen hypervisor"],
    ["com32 mboot.c32\nappend xen.gz\n", "without a kernel"],
  ] as const)("%j boots no kernel, and it is said why", ([lines, words]) => {
    const config = read(`label x\n${lines}label y\nkernel /k\n`);
    expect(config.entries.map((entry) => entry.id)).toEqual(["y"]);
    expect(notes(config)).toContain(words);
  });

  test("LINUX takes a name of any kind for a kernel", () => {
    expect(only("label x\nlinux /k.c32\n")?.kernel.path).toBe("/k.c32");
  });

  test.for([
    ["kernel mboot.c32\nappend /xen.gz dom0_mem=1G --- /vmlinuz root=x --- /initrd.img\n", "root=x"],
    ["com32 /usr/lib/mboot.c32\nappend /xen-4.17.gz --- /vmlinuz root=x --- /initrd.img ---\n", "root=x"],
    ["com32 linux.c32\nappend /vmlinuz initrd=/initrd.img root=x\n", "root=x"],
  ] as const)("%j boots the kernel that the program would", ([lines, left]) => {
    expect(only(`label x\n${lines}`)).toMatchObject({
      kernel: { path: "/vmlinuz" },
      ramdisks: [{ path: "/initrd.img" }],
      arguments: left,
    });
  });
});

describe("paths", () => {
  test("are below the config's folder, resolved as text", () => {
    const entry = only("label x\nkernel ../vmlinuz\ninitrd ./sub//initrd\n");
    expect(entry?.kernel.path).toBe("/boot/vmlinuz");
    expect(entry?.ramdisks[0]?.path).toBe("/boot/extlinux/sub/initrd");
  });

  test("lead out of nothing", () => {
    expect(only("label x\nkernel ../../../../../etc/k\n")?.kernel.path).toBe("/etc/k");
  });

  test("that are not there are looked for below the root, as on older media", () => {
    expect(only("label x\nkernel casper/vmlinuz\n", { "/casper/vmlinuz": "k" })?.kernel.path).toBe("/casper/vmlinuz");
  });
});

describe("what boots", () => {
  test.for([
    ["default b\n", "b"],
    ["DEFAULT B\n", "b"],
    ["", "a"],
    ["default none\n", "a"],
    ["default b\nontimeout c\n", "c"],
    ["default b\nontimeout none\n", "b"],
    ["default vesamenu.c32\n", "a"],
    ["ui menu.c32\ndefault c\n", "c"],
    ["default a\ndefault b\n", "b"],
  ] as const)("%j: %s", ([lines, id]) => {
    expect(chosen(read(lines + ABC))).toBe(id);
  });

  test("a menu's own default counts where a menu program runs", () => {
    const marked = ABC.replace("/b", "/b\nmenu default");
    expect(chosen(read(`ui vesamenu.c32\ndefault c\n${marked}`))).toBe("b");
    expect(chosen(read(`default vesamenu.c32\n${marked}`))).toBe("b");
    expect(chosen(read(`default c\n${marked}`))).toBe("c");
  });

  test("a default that boots no kernel gives way, and that is said", () => {
    const config = read(`default disk\nlabel disk\nlocalboot 0\n${ABC}`);
    expect(chosen(config)).toBe("a");
    expect(notes(config)).toMatch(/DEFAULT "disk" boots no kernel/);
  });

  test("DEFAULT may give a label more arguments", () => {
    const config = read("default b single\nlabel b\nkernel /b\nappend ro\n");
    expect(config.entries[config.default]).toMatchObject({ id: "b", arguments: "ro single" });
  });

  test("DEFAULT may be a kernel without a label", () => {
    const config = read("default vmlinuz initrd=initrd ro\n", { "/boot/extlinux/vmlinuz": "k" });
    expect(config.entries[config.default]).toMatchObject({
      title: "vmlinuz",
      kernel: { path: "/boot/extlinux/vmlinuz" },
      ramdisks: [{ path: "/boot/extlinux/initrd" }],
      arguments: "ro",
    });
  });

  test.for([
    ["timeout 50\n", 5],
    ["timeout 1\n", 1],
    ["timeout 0\n", null],
    ["timeout 100\ntotaltimeout 30\n", 3],
    ["timeout soon\n", null],
    ["", null],
  ] as const)("%j waits %s seconds", ([lines, seconds]) => {
    expect(read(lines + ABC).timeout).toBe(seconds);
  });
});

describe("menus", () => {
  test("inside menus are told by their titles", () => {
    const config = read(
      "menu title Boot\nlabel a\nkernel /a\nmenu begin advanced\nmenu title ^Advanced options\nlabel b\nkernel /b\n" +
        "menu begin rescue\nlabel c\nkernel /c\nmenu end\nmenu end\nlabel d\nkernel /d\n",
    );
    expect(config.menuTitle).toBe("Boot");
    expect(config.entries.map((entry) => entry.submenu)).toEqual([
      [],
      ["Advanced options"],
      ["Advanced options", "rescue"],
      [],
    ]);
  });

  test("have a password of their own, and one for a label", () => {
    const config = read(
      `menu master passwd $4$salt$hash$\n${ABC.replace("/b", "/b\nmenu passwd").replace("/c", "/c\nmenu passwd plain")}`,
    );
    expect(config.passwords).toEqual([{ user: null, form: "sha1-base64", value: "$4$salt$hash$" }]);
    expect(config.entries.map((entry) => entry.isLocked)).toEqual([false, true, true]);
    expect(config.entries.map((entry) => entry.passwords)).toEqual([
      [],
      [],
      [{ user: null, form: "plain", value: "plain" }],
    ]);
  });

  test("deeper than any real one are refused", () => {
    expect(() => read("menu begin x\n".repeat(100))).toThrow(/deeper than 16/);
  });
});

describe("other files", () => {
  const files = {
    "/boot/extlinux/linux.cfg": "label b\nkernel /b\n",
    "/boot/extlinux/sub/menu.cfg": "default d\ntimeout 99\nlabel d\nkernel k\n",
    "/boot/extlinux/tail.cfg": "append from-tail\n",
    "/boot/extlinux/circle.cfg": "include circle.cfg\nlabel c\nkernel /c\n",
  };

  test("that are included stand in place of the line, inside a label too", () => {
    const config = read("label a\nkernel /a\ninclude tail.cfg\ninclude linux.cfg\n", files);
    expect(config.entries).toMatchObject([{ id: "a", arguments: "from-tail" }, { id: "b" }]);
  });

  test("are included by MENU INCLUDE as well", () => {
    expect(read("label a\nkernel /a\nmenu include linux.cfg\n", files).entries.length).toBe(2);
  });

  test("of a CONFIG are another config, in the folder that it names", () => {
    const config = read("config sub/menu.cfg sub\n", files);
    expect(config.entries).toMatchObject([{ id: "d", kernel: { path: "/boot/extlinux/sub/k" } }]);
    expect(config).toMatchObject({ default: 0, timeout: 10 });
  });

  test("that a label opens are a menu below it, and its settings stay there", () => {
    const config = read("default a\nlabel more\nmenu label More…\nconfig sub/menu.cfg\nlabel a\nkernel /a\n", files);
    expect(config.entries).toMatchObject([
      { id: "d", submenu: ["More…"] },
      { id: "a", submenu: [] },
    ]);
    expect(config).toMatchObject({ default: 1, timeout: null });
  });

  test("that menu.c32 is to show are followed too", () => {
    const config = read("label more\nkernel vesamenu.c32\nappend sub/menu.cfg\nlabel a\nkernel /a\n", files);
    expect(config.entries.map((entry) => entry.id)).toEqual(["d", "a"]);
  });

  test("in a circle are read once, with a note", () => {
    const config = read("include circle.cfg\n", files);
    expect(config.entries.map((entry) => entry.id)).toEqual(["c"]);
    expect(notes(config)).toContain("circle");
  });

  test("that are not there are noted", () => {
    expect(notes(read(`include none.cfg\n${ABC}`))).toMatch(/"none\.cfg".*passed over: .*no such file/);
  });

  test("that double with each line end at a bound", () => {
    const doubling = Object.fromEntries(
      Array.from({ length: 15 }, (_, n) => [`/boot/extlinux/${n}`, `include ${n + 1}\n`.repeat(20)]),
    );
    expect(() => read("include 0\n", doubling)).toThrow(/more than 64 files/);
  });

  test("cannot be had from a config by itself, which is read all the same", () => {
    const config = readSyslinux(`include x\n${ABC}`, placeOn("/extlinux.conf", brokenVolume(1)));
    expect(config.entries.length).toBe(3);
  });
});

describe("a config that boots nothing", () => {
  test.for([
    ["", "no label at all"],
    ["label x\nlocalboot 0\n", "LOCALBOOT"],
    ["default gone\n", "no label at all"],
  ] as const)("%j says why", ([text, words]) => {
    expect(() => read(text)).toThrow(words);
  });
});

describe("hostile text", () => {
  const WORDS =
    "label kernel linux initrd append default menu begin end title include config ui text help endtext com32 mboot.c32 --- initrd= , / .. - x localboot ontimeout passwd master".split(
      " ",
    );

  test("random lines of real words end in a config or a typed error", () => {
    let state = 7;
    const next = (below: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 8) % below;
    };
    for (let round = 0; round < 500; round++) {
      const word = (): string => WORDS[next(WORDS.length)] ?? "";
      const text = Array.from({ length: next(40) }, () => `${word()} ${word()} ${word()}${word()}\n`).join("");
      try {
        const config = read(text, { "/boot/extlinux/x": text });
        expect(config.entries[config.default]).toBeDefined();
      } catch (error) {
        if (!(error instanceof GuestbootError)) throw error;
        expect(["NO_BOOT_ENTRY", "BUDGET_EXCEEDED"]).toContain(error.code);
      }
    }
  });

  test.for([
    ["blanks", `label a\nkernel /a\nappend ${" ".repeat(900_000)}x`],
    ["dashes", `label a\nkernel mboot.c32\nappend xen.gz ${"--- ".repeat(200_000)}`],
    ["commas", `label a\nkernel /a\ninitrd ${",".repeat(900_000)}`],
    ["initrds", `label a\nkernel /a\nappend ${"initrd=x ".repeat(100_000)}`],
    ["slashes", `label a\nkernel ${"/".repeat(900_000)}k`],
  ] as const)("a megabyte of %s comes to an end", ([, text]) => {
    try {
      read(text);
    } catch (error) {
      if (!(error instanceof GuestbootError)) throw error;
    }
  });

  test("a thousand labels are read, one more is refused", () => {
    expect(read("label x\nkernel /k\n".repeat(1_000)).entries.length).toBe(1_000);
    expect(() => read("label x\nkernel /k\n".repeat(1_001))).toThrow(/more than 1000 labels/);
  });
});
