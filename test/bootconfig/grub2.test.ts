import { describe, expect, test } from "vitest";
import { GuestbootError } from "../../src/base/errors.ts";
import { chooseEntry } from "../../src/bootconfig/choose.ts";
import { parseGrub2 } from "../../src/bootconfig/grub2/grub2.ts";
import type { GuestVolume } from "../../src/bootconfig/guest-volume.ts";
import type { GuestFilesystem } from "../../src/filesystem/filesystem.ts";
import { defaultOf, readMenu, titles, volume, type Files } from "./grub2-menu.ts";

/** A menu of one entry each, whose kernel is `/title`. */
const entries = (...names: readonly string[]): string =>
  names.map((name) => `menuentry '${name}' --id 'id-${name}' { linux /${name} }\n`).join("");
const failureOf = (work: () => unknown): GuestbootError => {
  try {
    work();
  } catch (error) {
    if (error instanceof GuestbootError) return error;
    throw error;
  }
  throw new Error("it did not fail");
};
/** What the variable `x` holds after a script. */
const valueAfter = (script: string, files: Files = {}): string =>
  readMenu(`${script}\nmenuentry "<$x>" { linux /k }\n`, volume(1, files)).entries.at(-1)?.title.slice(1, -1) ?? "";

describe("an entry", () => {
  test("has its kernel, arguments and all of its ramdisks", () => {
    const config = readMenu(
      "menuentry 'Linux' --class os --id me {\n linux /vmlinuz root=/dev/xvda1 ro\n initrd /ucode /initrd\n}\n",
    );
    expect(config.entries[0]).toMatchObject({
      title: "Linux",
      id: "me",
      kernel: { device: null, path: "/vmlinuz" },
      arguments: "root=/dev/xvda1 ro",
      ramdisks: [{ path: "/ucode" }, { path: "/initrd" }],
    });
  });
  test("names the files that GRUB puts into its ramdisk, each with its name there", () => {
    const config = readMenu("menuentry a {\n linux /k\n initrd /i newc:etc/conf:(hd0,msdos1)/conf /j\n}\n");
    expect(config.entries[0]?.ramdisks).toEqual([
      { device: null, path: "/i" },
      { device: null, path: "/conf", member: "etc/conf" },
      { device: null, path: "/j" },
    ]);
    expect(config.notes).toEqual([]);
  });
  test("does not boot where such a file has no name, as in GRUB", () => {
    const config = readMenu(`menuentry a {\n linux /k\n initrd newc:conf\n}\n${entries("b")}`);
    expect(titles(config)).toEqual(["b"]);
  });
  test.for(["linux", "linux16", "linuxefi", "linux.xen"])("is loaded by %s", (command) => {
    expect(
      readMenu(`menuentry a { ${command} /k x=1\n ${command.replace("linux", "initrd")} /r }`).entries[0],
    ).toMatchObject({
      kernel: { path: "/k" },
      arguments: "x=1",
      ramdisks: command === "linux.xen" ? [{ path: "/r" }] : [{ path: "/r" }],
    });
  });
  test("needs no quotation marks, and its brace may stand anywhere in its line", () => {
    expect(titles(readMenu("menuentry Linux --unrestricted {\n linux /k\n}\nmenuentry 'b' { linux /k; }"))).toEqual([
      "Linux",
      "b",
    ]);
  });
  test("is not ended by the braces of what stands in it", () => {
    const config = readMenu("menuentry a {\n if true; then\n  set x=${root}\n fi\n linux /k a=${x}\n}\n");
    expect(config.entries[0]?.arguments).toBe("a=hd0,msdos1");
  });
  test("sees variables as they are when the whole config was read", () => {
    expect(readMenu("set x=early\nmenuentry a { linux /k x=$x }\nset x=late\n").entries[0]?.arguments).toBe("x=late");
  });
  test("forgets what another entry's body has set", () => {
    const config = readMenu("menuentry a { set x=a; linux /k $x }\nmenuentry b { linux /k x=$x }\n");
    expect(config.entries.map((entry) => entry.arguments)).toEqual(["a", "x="]);
  });
  test("gets its title and more as its parameters", () => {
    expect(readMenu("menuentry 'A b' one --class c two { linux /k $1 $2 $3 $# $chosen }").entries[0]?.arguments).toBe(
      "A b one two 3 A b",
    );
  });
  test("has paths without empty parts", () => {
    expect(readMenu("menuentry nixos { linux //kernels//k\n initrd ($root)//r }").entries[0]).toMatchObject({
      kernel: { device: null, path: "/kernels/k" },
      ramdisks: [{ device: null, path: "/r" }],
    });
  });
  test("keeps blanks within an argument between quotation marks", () => {
    expect(readMenu(`menuentry a { linux /k dyndbg="file x +p" 'a"b c' d }`).entries[0]?.arguments).toBe(
      '"dyndbg=file x +p" "a\\"b c" d',
    );
  });
  test("keeps quotation marks and backslashes from the kernel's parser, as GRUB does, but for bytes by number", () => {
    const config = String.raw`menuentry a { linux /k a"'"b 'c"d' e\\f x='\x20y' "g \\h" }`;
    expect(readMenu(config).entries[0]?.arguments).toBe(String.raw`a\'b c\"d e\\f x=\x20y "g \\h"`);
  });
  test("that boots Xen boots Xen's first module in a guest", () => {
    const config = readMenu(
      "menuentry x { multiboot2 /boot/xen-4.17.gz placeholder dom0_mem=1G\n module2 /k placeholder root=/dev/a ro\n module2 --nounzip /r }",
    );
    expect(config.entries[0]).toMatchObject({
      kernel: { path: "/k" },
      arguments: "root=/dev/a ro",
      ramdisks: [{ path: "/r" }],
    });
    const arm = readMenu("menuentry x { xen_hypervisor /boot/xen dom0\n xen_module /k a\n xen_module --nounzip /r }");
    expect(arm.entries[0]).toMatchObject({ kernel: { path: "/k" }, arguments: "a", ramdisks: [{ path: "/r" }] });
  });
  test("that boots no kernel is left out, and a note says why", () => {
    const config = readMenu(`menuentry Windows { chainloader +1 }\nmenuentry UEFI { fwsetup }\n${entries("a")}`);
    expect(titles(config)).toEqual(["a"]);
    expect(config.numbers).toEqual([2]);
    expect(config.notes.join()).toMatch(/"Windows": it starts another boot loader.*"UEFI": it opens the firmware/);
  });
  test("is locked where there are superusers, unless it is unrestricted", () => {
    const config = readMenu(
      `set superusers="root"\npassword_pbkdf2 root grub.pbkdf2.sha512.10000.AA.BB\npassword guest x\n` +
        "menuentry a { linux /k }\nmenuentry b --unrestricted --hotkey=b { linux /k }\n",
    );
    expect(config.entries.map(({ isLocked, hotkey }) => [isLocked, hotkey])).toEqual([
      [true, null],
      [false, "b"],
    ]);
    expect(config.passwords).toEqual([{ user: "root", form: "pbkdf2", value: "grub.pbkdf2.sha512.10000.AA.BB" }]);
  });
  test("is booted with the passwords of its own users too, which open nothing else", () => {
    const config = readMenu(
      'set superusers="root"\npassword root a\npassword alice b\npassword bob c\n' +
        "menuentry a --users alice,bob { linux /k }\nmenuentry b --users '' { linux /k }\n",
    );
    expect(config.entries.map(({ passwords }) => passwords?.map(({ user }) => user))).toEqual([["alice", "bob"], []]);
    expect(config.passwords?.map(({ user }) => user)).toEqual(["root"]);
  });
  test("stands behind the lock of each submenu around it", () => {
    const config = readMenu(
      'set superusers="root"\npassword root a\npassword alice b\n' +
        "submenu s --users alice {\n submenu t --unrestricted { menuentry a --unrestricted { linux /k } }\n}\n",
    );
    expect(config.entries[0]?.isLocked).toBe(false);
    expect(config.entries[0]?.location).toMatchObject([
      { title: "s", isLocked: true, passwords: [{ user: "alice" }] },
      { title: "t", isLocked: false, passwords: [] },
      { title: "a" },
    ]);
  });
  test("is locked for everybody where the list of superusers is empty", () => {
    const config = readMenu("set superusers=''\nmenuentry a { linux /k }\nmenuentry b --unrestricted { linux /k }\n");
    expect(config).toMatchObject({ isGuarded: true, passwords: [] });
    expect(config.entries.map(({ isLocked }) => isLocked)).toEqual([true, false]);
    expect(readMenu(entries("a")).isGuarded).toBe(false);
  });
  test("without a menu around it boots what the config loads", () => {
    expect(defaultOf(readMenu("linux /k a\ninitrd /r\nboot\n"))).toMatchObject({
      kernel: { path: "/k" },
      arguments: "a",
    });
  });
});

describe("submenus", () => {
  const nested = `${entries("a")}submenu 'More' --id more {\n${entries("b", "c")} submenu 'Even' {\n${entries("d")} }\n}\n${entries("e")}`;
  test("are flattened, and each entry says where it stood", () => {
    const config = readMenu(nested);
    expect(titles(config)).toEqual(["a", "b", "c", "d", "e"]);
    expect(config.entries.map((entry) => entry.submenu)).toEqual([[], ["More"], ["More"], ["More", "Even"], []]);
  });
  test("see only what was exported", () => {
    const config = readMenu("set x=1\nset y=2\nexport y\nsubmenu s { menuentry a { linux /k x=$x y=$y } }\n");
    expect(config.entries[0]?.arguments).toBe("x= y=2");
  });
  test.for([
    ["0", "a"],
    ["2", "e"],
    ["1>1", "c"],
    ["More>c", "c"],
    ["more>id-c", "c"],
    ["More>Even>d", "d"],
    ["1>2>0", "d"],
    ["e", "e"],
    ["id-e", "e"],
    ["More", "b"],
    ["nothing", "a"],
    ["More>nothing", "b"],
    ["7", "a"],
    ["", "a"],
  ] as const)("default=%j boots %s", ([wanted, title]) => {
    expect(defaultOf(readMenu(`set default="${wanted}"\n${nested}`)).title).toBe(title);
  });
  test("a > in a title is written twice", () => {
    expect(defaultOf(readMenu(`set default='a >> b'\n${entries("x")}menuentry 'a > b' { linux /k }\n`)).title).toBe(
      "a > b",
    );
  });
  test.for([
    ["1", "b"],
    ["4", "e"],
    ["c", "c"],
    ["id-d", "d"],
    ["1>1", "c"],
    ["More>Even>d", "d"],
    ["More>2", "d"],
  ] as const)("--entry=%s is %s", ([wanted, title]) => {
    const chosen = chooseEntry(readMenu(nested), wanted);
    expect(chosen.entry.title).toBe(title);
    expect(chosen.warning).toBeNull();
  });
});

describe("the default", () => {
  const header = `load_env
if [ "\${next_entry}" ] ; then
  set default="\${next_entry}"
  set next_entry=
  save_env next_entry
else
  set default="\${saved_entry}"
fi
set timeout=5
${entries("a", "b", "c")}`;
  const grubenv = (lines: string): Files => ({
    "/boot/grub/grubenv": `# GRUB Environment Block\n${lines}`.padEnd(1024, "#"),
  });

  test("is the saved entry", () => {
    expect(defaultOf(readMenu(header, volume(1, grubenv("saved_entry=id-c\n")))).title).toBe("c");
  });
  test("is the entry that grub-reboot asked for, with a note that it will be taken again", () => {
    const config = readMenu(header, volume(1, grubenv("saved_entry=2\nnext_entry=1\n")));
    expect(defaultOf(config).title).toBe("b");
    expect(config.notes.join()).toMatch(/grub-reboot asked for "1".*taken again/);
  });
  test("is the first one where the environment block is missing or is none", () => {
    expect(defaultOf(readMenu(header)).title).toBe("a");
    const config = readMenu(header, volume(1, { "/boot/grub/grubenv": "saved_entry=2\n" }));
    expect(defaultOf(config).title).toBe("a");
    expect(config.notes.join()).toContain("no environment block");
  });
  test("gives way to its fallback where it boots no kernel", () => {
    const config = readMenu(`set default=0\nset fallback="9 2"\nmenuentry x { true }\n${entries("a", "b")}`);
    expect(defaultOf(config).title).toBe("b");
  });
  test("has fallbacks for when its kernel is missing", () => {
    const config = readMenu(`set fallback="2 id-b"\n${entries("a", "b", "c")}`);
    expect(config.fallback?.map((index) => config.entries[index]?.title)).toEqual(["c", "b"]);
  });
  test.for([
    ["5", 5],
    ["0", 0],
    ["-1", null],
    ["", null],
  ] as const)("timeout=%s waits for %s seconds", ([timeout, seconds]) => {
    expect(readMenu(`set timeout=${timeout}\n${entries("a")}`).timeout).toBe(seconds);
  });
  test("is explained", () => {
    expect(readMenu(`set default=1\n${entries("a", "b")}`).explanation).toEqual(['default is "1"']);
  });
});

describe("a start, which wants the default and its fallbacks alone", () => {
  const start = (text: string) => {
    const own = volume(1, {});
    return parseGrub2(text, { path: "/boot/grub/grub.cfg", own, volumes: [own] }, { wanted: "default" });
  };

  test("has these, and runs no other body", () => {
    const bodies = "menuentry broken { while true; do true; done }\nmenuentry other { password u w }\n";
    const config = start(`${bodies}${entries("a", "b", "c")}set default=id-b\nset fallback="id-c 3"\n`);
    expect(titles(config)).toEqual(["b", "c"]);
    expect(config).toMatchObject({ default: 0, fallback: [1], passwords: [], notes: [] });
  });

  test("opens the submenus that lead to it, and no other", () => {
    const loop = "submenu away { while true; do true; done }\n";
    const config = start(`set default="here>1"\n${loop}submenu here {\n${loop}${entries("a")}}\n`);
    expect(titles(config)).toEqual(["a"]);
    expect(config.notes).toEqual([]);
  });

  test("looks for one that boots where the default does not", () => {
    const config = start(`menuentry x { true }\nmenuentry y { true }\n${entries("a", "b")}`);
    expect(titles(config)).toEqual(["a"]);
    expect(config.notes.join()).toMatch(/"x", boots no kernel/);
    expect(failureOf(() => start("menuentry x { true }\nmenuentry y { chainloader +1 }\n")).message).toMatch(
      /none of its 2 entries .*"x": it loads no kernel; "y": it starts another boot loader/,
    );
  });
});

describe("an environment block", () => {
  const block = (text: string): Files => ({ "/env": `# GRUB Environment Block\n${text}` });
  test("keeps what a backslash stands before", () => {
    expect(valueAfter("load_env -f /env", block("x=a\\\\b\\\nc\n#####"))).toBe("a\\b\nc");
  });
  test("gives only the names that were asked for", () => {
    expect(valueAfter("load_env --file=/env y", block("x=1\ny=2\n"))).toBe("");
    expect(valueAfter("load_env --file /env --skip-sig x", block("x=1\n"))).toBe("1");
  });
  test("is never written, and what would be is noted", () => {
    const config = readMenu(`set x=1\nsave_env x\n${entries("a")}`);
    expect(config.notes).toEqual([expect.stringMatching(/would write "x=1"; nothing is written/)]);
  });
});

describe("other volumes", () => {
  const UUID = "11111111-2222-3333-4444-555555555555";
  const here = volume(1, { "/here": "" }, { uuid: "AAAA-0001", label: "one" });
  const there = volume(
    2,
    { "/k": "", "/marker": "" },
    { uuid: UUID, label: "two", partitionUuid: "abcd-02", table: "gpt" },
  );
  test.for([
    `search --no-floppy --fs-uuid --set=root ${UUID}`,
    `search --no-floppy --fs-uuid --set=root --hint-bios=hd0,gpt2 --hint='hd0,gpt2' ${UUID.toUpperCase()}`,
    `search --fs-uuid --set root ${UUID}`,
    `search --fs-uuid --set ${UUID}`,
    `search -n -u -s root ${UUID}`,
    `search.fs_uuid ${UUID} root hd0,gpt2`,
    "search --label two --set=root",
    "search.fs_label two root",
    "search --file --set=root /marker",
    "search -f /marker -s root",
    "search.file /marker",
    "search --part-uuid --set=root ABCD-02",
    "set root='hd0,gpt2'",
    "set root=(hd0,msdos2)",
  ])("%s leads to the kernel there", (command) => {
    const config = readMenu(`menuentry a {\n ${command}\n linux /k\n}`, here, [there]);
    const expected = command.includes("(") ? undefined : there;
    expect(config.entries[0]?.kernel.path).toBe("/k");
    if (expected !== undefined) expect(config.entries[0]?.kernel.volume).toBe(expected);
  });
  test("a search that finds nothing leaves the root as it is, with a note", () => {
    const config = readMenu(`menuentry a {\n search --fs-uuid --set=root 99\n linux /k\n}`, here, [there]);
    expect(config.entries[0]?.kernel).toEqual({ device: null, path: "/k" });
    expect(config.notes.join()).toMatch(/no volume has the filesystem UUID "99"/);
  });
  test("of two with one UUID the config's own is taken, whatever the hints say", () => {
    const impostor = volume(2, {}, { uuid: "AAAA-0001" });
    const config = readMenu("search --fs-uuid --set=root --hint=hd0,msdos2 aaaa-0001\nmenuentry a { linux /k }", here, [
      impostor,
    ]);
    expect(config.entries[0]?.kernel).toEqual({ device: null, path: "/k" });
  });
  test("a file on another disk keeps its device's name", () => {
    expect(readMenu("menuentry a { linux (hd1,gpt3)/k }").entries[0]?.kernel).toEqual({
      device: { disk: 1, partition: 3 },
      path: "/k",
    });
  });
  test.for([
    ["--fs-uuid", UUID],
    ["-u", UUID],
    ["--label", "two"],
    ["--fs", "ext2"],
    ["--part-uuid", "abcd-02"],
    ["--partmap", "gpt"],
  ])("probe %s tells %s", ([option, value]) => {
    expect(
      readMenu(`probe ${option} --set=x hd0,gpt2\nmenuentry "$x" { linux /k }`, here, [there]).entries[0]?.title,
    ).toBe(value);
  });
  test("a stub that leads to a config elsewhere shows that one's menu", () => {
    const boot = volume(2, { "/grub/grub.cfg": `set default=1\nset timeout=3\n${entries("a", "b")}` }, { uuid: UUID });
    const config = readMenu(
      `search.fs_uuid ${UUID} root\nset prefix=($root)'/grub'\nconfigfile $prefix/grub.cfg\n`,
      volume(1, {}),
      [boot],
    );
    expect(defaultOf(config)).toMatchObject({ title: "b", kernel: { volume: boot, path: "/b" } });
    expect(config.timeout).toBe(3);
    expect(config.explanation).toContain("the config reads (hd0,msdos2)/grub/grub.cfg");
  });
  test("a kernel inside an image is on a volume of its own, which is opened when it is asked for", () => {
    const own = volume(1, { "/x.iso": "no image" });
    const config = readMenu("menuentry a {\n loopback loop /x.iso\n linux (loop)/k\n}", own);
    const { kernel } = config.entries[0] ?? {};
    expect([kernel?.path, kernel?.volume?.name]).toEqual(["/k", "/x.iso on partition 1"]);
    expect(failureOf(() => kernel?.volume?.filesystem()).code).toBe("NO_FILESYSTEM");
  });
});

describe("other files", () => {
  test("source runs them in place, configfile as a menu of their own", () => {
    const own = volume(1, { "/more.cfg": "set x=more\nmenuentry m { linux /m }\n" });
    expect(titles(readMenu(`source /more.cfg\nmenuentry "$x" { linux /k }`, own))).toEqual(["m", "more"]);
    expect(titles(readMenu(`configfile /more.cfg\n${entries("a")}`, own))).toEqual(["m"]);
  });
  describe("in other loaders' languages", () => {
    const LEGACY =
      "default 1\ntimeout 7\nfallback 2\ntitle one\nkernel /1 ro\ntitle two\nkernel /2\ninitrd /i\ntitle three\nkernel /3\n";
    const SYSLINUX = "DEFAULT b\nTIMEOUT 50\nLABEL a\n LINUX 1\nLABEL b\n MENU LABEL The b\n LINUX /2\n APPEND ro\n";
    const own = volume(1, { "/menu.lst": LEGACY, "/isolinux/isolinux.cfg": SYSLINUX });

    test("legacy_configfile shows their menu in place of ours, with its settings", () => {
      const config = readMenu(`${entries("a")}legacy_configfile /menu.lst\n${entries("b")}`, own);
      expect(titles(config)).toEqual(["one", "two", "three"]);
      expect(config).toMatchObject({ default: 1, timeout: 7, fallback: [2], syntax: "grub2" });
      expect(defaultOf(config)).toMatchObject({ kernel: { path: "/2" }, ramdisks: [{ path: "/i" }] });
    });
    test("legacy_source has their entries in place, and its default counts from the menu's beginning", () => {
      const config = readMenu(`${entries("a")}legacy_source /menu.lst\n${entries("b")}`, own);
      expect(titles(config)).toEqual(["a", "one", "two", "three", "b"]);
      expect(defaultOf(config).title).toBe("one");
    });
    test("extract_legacy_entries_source takes no settings, nor does extract_legacy_entries_configfile", () => {
      const here = readMenu(`extract_legacy_entries_source /menu.lst\n`, own);
      const menu = readMenu(`${entries("a")}extract_legacy_entries_configfile /menu.lst\n`, own);
      for (const config of [here, menu]) expect(config).toMatchObject({ default: 0, timeout: null, fallback: [] });
      expect(titles(menu)).toEqual(["one", "two", "three"]);
    });
    test("syslinux_configfile reads paths as syslinux does, below the config's folder or the one that --cwd names", () => {
      const config = readMenu("syslinux_configfile /isolinux/isolinux.cfg\n", own);
      expect(config.entries.map(({ title, kernel }) => [title, kernel.path])).toEqual([
        ["a", "/isolinux/1"],
        ["The b", "/2"],
      ]);
      expect(config).toMatchObject({ default: 1, timeout: 5 });
      const moved = readMenu("syslinux_source -c /live /isolinux/isolinux.cfg\n", own);
      expect(moved.entries[0]?.kernel.path).toBe("/live/1");
    });
    test("syslinux_configfile --root says where absolute paths begin, also those of files that it reads", () => {
      const live = volume(1, {
        "/live/cfg": "LABEL a\n LINUX /k\n INITRD i,/j\nINCLUDE /more.cfg\n",
        "/live/sub/more.cfg": "LABEL b\n LINUX /../b\n",
      });
      for (const option of ["--root=/live/sub/", "-r /live/sub", "-i -r (hd0,msdos1)/live/sub"]) {
        const { entries: read, notes } = readMenu(`syslinux_configfile ${option} /live/cfg\n`, live);
        expect(read.map(({ kernel, ramdisks }) => [kernel.path, ...ramdisks.map((file) => file.path)])).toEqual([
          ["/live/sub/k", "/live/i", "/live/sub/j"],
          ["/live/sub/b"],
        ]);
        expect(notes.join()).not.toContain("passed over");
      }
    });
    test("an entry that opens one is a submenu of its entries", () => {
      const config = readMenu(`${entries("a")}menuentry Old { legacy_configfile /menu.lst }\nset default="Old>2"`, own);
      expect(config.entries.map(({ submenu = [], title }) => [...submenu, title].join("/"))).toEqual([
        "a",
        "Old/one",
        "Old/two",
        "Old/three",
      ]);
      expect(defaultOf(config).title).toBe("two");
    });
    test("files are on the volume of the config that names them", () => {
      const config = readMenu("legacy_configfile (hd0,msdos1)/menu.lst", volume(2, {}), [own]);
      expect(config.entries[0]?.kernel).toMatchObject({ volume: own, path: "/1" });
    });
    test("their password opens their locked entries", () => {
      const locked = volume(1, { "/menu.lst": "password p\ntitle one\nlock\nkernel /1\ntitle two\nkernel /2\n" });
      const config = readMenu("legacy_source /menu.lst", locked);
      expect(
        config.entries.map(({ isLocked = false, passwords }) => [isLocked, passwords?.map(({ value }) => value)]),
      ).toEqual([
        [true, ["p"]],
        [false, []],
      ]);
      expect(config.passwords).toEqual([]);
    });
    test("one that is not there, or boots nothing, is told and passed over", () => {
      const config = readMenu(`legacy_configfile /gone\nsyslinux_source /menu.lst\n${entries("a")}`, own);
      expect(titles(config)).toEqual(["a"]);
      expect(config.notes.join("\n")).toMatch(/no file "\/gone"[^]*menu\.lst/);
    });
  });
  test("an entry that opens another config is a submenu", () => {
    const own = volume(1, { "/more.cfg": entries("m") });
    const config = readMenu(`${entries("a")}menuentry Snapshots { configfile /more.cfg }\n`, own);
    expect(config.entries.map(({ title, submenu }) => [title, submenu])).toEqual([
      ["a", []],
      ["m", ["Snapshots"]],
    ]);
  });
  test.for(["source", "configfile"])("%s in a circle ends with BUDGET_EXCEEDED", (command) => {
    const text = `${command} /boot/grub/grub.cfg\n${entries("a")}`;
    expect(failureOf(() => readMenu(text, volume(1, { "/boot/grub/grub.cfg": text }))).code).toBe("BUDGET_EXCEEDED");
  });
  test("one that is missing is passed over with a note", () => {
    const config = readMenu(`source /custom.cfg\n${entries("a")}`);
    expect(config.notes).toEqual(['source: there is no file "/custom.cfg"']);
  });
  test("a config for another loader is passed over with a note", () => {
    expect(readMenu(`legacy_configfile /menu.lst\n${entries("a")}`).notes.join()).toContain('"/menu.lst"');
  });
  test("blscfg puts in the entries of the Boot Loader Specification", () => {
    const bls = { title: "Fedora", id: "f", kernel: { device: null, path: "/vmlinuz" }, ramdisks: [], arguments: "x" };
    const boot = volume(2, {}, { label: "boot" });
    const config = readMenu(
      `search --label boot --set=boot\nset kernelopts="ro"\nset default=f\ninsmod blscfg\nblscfg\n${entries("a")}`,
      volume(1, {}),
      [boot],
      (from, { variables }) => [{ ...bls, arguments: `${from.name} ${variables.get("kernelopts") ?? ""}` }],
    );
    expect(titles(config)).toEqual(["Fedora", "a"]);
    expect(config.entries[0]?.arguments).toBe("partition 2 ro");
  });
});

describe("files that a test asks for", () => {
  const files: Files = { "/file": "x", "/empty": "", "/folder": null };
  test.for([
    ["-e /file", true],
    ["-e /gone", false],
    ["-f /file", true],
    ["-f /folder", false],
    ["-d /folder", true],
    ["-d /file", false],
    ["-s /file", true],
    ["-s /empty", false],
    ["-f (hd0,msdos1)/file", true],
    ["-f ($root)/file -a ! -e /gone", true],
  ] as const)("[ %s ] is %s", ([expression, answer]) => {
    expect(valueAfter(`if [ ${expression} ]; then x=true; else x=false; fi`, files)).toBe(String(answer));
  });
});

describe("tests of which file is newer", () => {
  const times: Readonly<Record<string, number>> = { "/old": 1000, "/new": 1010 };
  const dated: GuestVolume = (() => {
    const plain = volume(1, { "/old": "", "/new": "", "/undated": "" });
    const filesystem: GuestFilesystem = {
      ...plain.filesystem(),
      find(path) {
        const node = plain.filesystem().find(path);
        return node === null ? null : { ...node, mtime: times[path] };
      },
    };
    return { ...plain, filesystem: () => filesystem };
  })();
  test.for([
    ["/new -nt /old", true],
    ["/old -nt /new", false],
    ["/old -ot /new", true],
    ["/new -ot /old", false],
    ["/new -nt /new", false],
    // Seconds are added to the first one's time.
    ["/old -nt11 /new", true],
    ["/old -nt10 /new", false],
    ["/new -ot-11 /old", true],
    ["/new -nt /gone", false],
    ["/gone -ot /new", false],
    ["/new -nt /undated", false],
  ] as const)("[ %s ] is %s", ([expression, answer]) => {
    const script = `if [ ${expression} ]; then x=true; else x=false; fi\nmenuentry $x { linux /k }\n`;
    expect(titles(readMenu(script, dated))).toEqual([String(answer)]);
  });
});

describe("how the menu waits", () => {
  test.for([
    ["", "menu"],
    ["set timeout_style=hidden", "hidden"],
    ["set timeout_style=countdown", "countdown"],
    ["set timeout_style=menu", "menu"],
    ["set timeout_style=loud", "menu"],
  ] as const)("%j is %s", ([script, style]) => {
    expect(readMenu(`${script}\n${entries("a")}`).timeoutStyle).toBe(style);
  });
});

describe("regexp", () => {
  test.for([
    ["--set=1:x '^(.*)/([^/]*)$' /boot/grub", "/boot"],
    ["--set 2:x '^(.*)/([^/]*)$' /boot/grub", "grub"],
    ["-s x '([0-9]+)' hd12", "12"],
    ["--set=0:x 'a{2,3}' baaaa", "aaa"],
    ["--set=0:x '[[:alpha:]]+|[0-9]+' 12ab", "12"],
    ["--set=1:x '(a|ab)(c|bcd)' abcd", "a"],
    ["--set=x z abc", ""],
  ])("%s gives %j", ([words, value]) => expect(valueAfter(`regexp ${words ?? ""}`)).toBe(value));
  test("ends in bounded time whatever the pattern is", () => {
    expect(valueAfter(`regexp --set=0:x '(a*)*(a*)*(a*)*b' ${"a".repeat(2000)}`)).toBe("");
  });
  test("that is none is noted", () => {
    expect(readMenu(`regexp '(' x\n${entries("a")}`).notes.join()).toContain("no regular expression");
  });
});

describe("patterns of file names", () => {
  // The folder's listing is that of a real one: see find-boot's tests for disks.
  test("stay as they are where nothing fits or they are quoted", () => {
    expect(valueAfter("for f in /boot/*.cfg; do x=$f; done")).toBe("/boot/*.cfg");
    expect(valueAfter("for f in '/boot/*'; do x=$f; done")).toBe("/boot/*");
  });
});

describe("a script that means harm", () => {
  test.for([
    ["while true; do true; done", "steps"],
    ["function f { f; }\nf", "deep"],
    ["function f { f; f; }\nf", "deep"],
    ['set x=aaaaaaaa\nwhile true; do set x="$x$x"; done', "characters"],
    ['set x=aaaaaaaa\nwhile true; do set x="$x$x"; set x="$x"; done', "characters"],
    ["while true; do menuentry x { true }\n done", "entries"],
    ["while true; do if [ -e /x ]; then true; fi; done", "files"],
    ["while true; do eval 'while true; do true; done'; done", "steps"],
    ["set i=\nwhile true; do set i=a$i; loopback $i /x; done", "loopback|steps|characters|files"],
  ])("%j ends with BUDGET_EXCEEDED", ([script, what]) => {
    const error = failureOf(() => readMenu(script ?? "", volume(1, { "/x": "" })));
    expect(error.code).toBe("BUDGET_EXCEEDED");
    expect(error.message).toMatch(new RegExp(what ?? ""));
  });

  test("a caller may allow fewer steps than there are by default, and no more", () => {
    const parse = (count: number, steps: number) => {
      const own = volume(1, { "/vmlinuz": "kernel" });
      const text = `${"true\n".repeat(count)}linux /vmlinuz\n`;
      return parseGrub2(text, { path: "/boot/grub/grub.cfg", own, volumes: [own] }, { steps });
    };
    expect(parse(50, 1000).entries).toHaveLength(1);
    expect(failureOf(() => parse(2000, 1000)).code).toBe("BUDGET_EXCEEDED");
    expect(failureOf(() => parse(200_000, Number.MAX_SAFE_INTEGER)).code).toBe("BUDGET_EXCEEDED");
  });
  test("in an entry's body costs that entry alone", () => {
    const config = readMenu(`${entries("a")}menuentry bad { while true; do true; done }\n`);
    expect(titles(config)).toEqual(["a"]);
    expect(config.notes.join()).toMatch(/boots no kernel: "bad": more than/);
  });
  test("that nests without end is no script", () => {
    const config = readMenu(`${"if ".repeat(20_000)}\n${entries("a")}`);
    expect(config.notes.join()).toMatch(/nested more than/);
  });
  test("that closes nothing loses what it had not closed", () => {
    expect(failureOf(() => readMenu("menuentry 'a { linux /k }\n")).message).toMatch(
      /single quotation mark is not closed/,
    );
  });
  test("over 1 MiB is refused", () => {
    expect(failureOf(() => readMenu("#".repeat((1 << 20) + 1))).code).toBe("FILE_TOO_LARGE");
  });
  test("a function that redefines itself ends as it began", () => {
    expect(valueAfter("function f {\n eval 'function f { x=new; }'\n x=old\n}\nf")).toBe("old");
  });
  test("foreign bytes in names come out visible", () => {
    const config = readMenu(`"\u001b[2J"\n${entries("a")}`);
    expect(config.notes.join()).toContain('"\\x1b[2J"');
  });
});

describe("a config that boots nothing", () => {
  test("says of each entry why", () => {
    const error = failureOf(() =>
      readMenu("menuentry a { true }\nmenuentry b { chainloader +1 }\nmenuentry c { multiboot /gnumach }\n"),
    );
    expect(error.code).toBe("NO_BOOT_ENTRY");
    expect(error.message).toMatch(/"a": it loads no kernel; "b": it starts another boot loader.*"c": .*not Xen/);
    expect(error.hint).toContain("--kernel=");
  });
  test("without entries says so", () => {
    expect(failureOf(() => readMenu("set x=1\n")).message).toContain("it has no menu entry");
  });
});

test("200 entries in 20 submenus are read", () => {
  const submenus = Array.from({ length: 20 }, (_, menu) => {
    const names = Array.from({ length: 10 }, (_, index) => `m${menu}e${index}`);
    return `submenu 'Menu ${menu}' {\n${entries(...names)}}\n`;
  });
  const config = readMenu(`set default='19>9'\n${submenus.join("")}`);
  expect(config.entries).toHaveLength(200);
  expect(defaultOf(config).title).toBe("m19e9");
});
