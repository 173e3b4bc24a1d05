import { describe, expect, test } from "vitest";
import { GuestbootError } from "../../src/base/errors.ts";
import { locateBootConfig as locate, parseConfigFile } from "../../src/bootconfig/locate.ts";
import type { GuestFilesystem } from "../../src/filesystem/filesystem.ts";
import { folderFilesystem } from "./folder-filesystem.ts";

const menu = (kernel: string): string => `title x\nkernel ${kernel}\n`;

function locateBootConfig(filesystem: GuestFilesystem) {
  const own = { name: "partition 1", number: 1, partitionUuid: null, filesystem: () => filesystem };
  return locate({ own, volumes: [own] });
}

function failureOf(run: () => unknown): GuestbootError {
  try {
    run();
  } catch (error) {
    if (error instanceof GuestbootError) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

describe("locating a boot config", () => {
  test.for(["/boot/grub/menu.lst", "/boot/grub/grub.conf", "/grub/menu.lst", "/grub/grub.conf"])(
    "%s is found",
    (path) => {
      const located = locateBootConfig(folderFilesystem({ [path]: menu("/k") }));
      expect(located.path).toBe(path);
      expect(located.config.entries[0]?.kernel.path).toBe("/k");
    },
  );

  test("the first place wins", () => {
    const files = { "/grub/grub.conf": menu("/4"), "/boot/grub/grub.conf": menu("/2"), "/grub/menu.lst": menu("/3") };
    expect(locateBootConfig(folderFilesystem(files)).path).toBe("/boot/grub/grub.conf");
  });

  test("a grub.cfg comes before a menu.lst", () => {
    const files = { "/boot/grub/grub.cfg": "menuentry x {\nlinux /two\n}\n", "/boot/grub/menu.lst": menu("/k") };
    const { path, config } = locateBootConfig(folderFilesystem(files));
    expect(path).toBe("/boot/grub/grub.cfg");
    expect(config.entries[0]?.kernel.path).toBe("/two");
    expect(config.explanation).toContain("/boot/grub/menu.lst (GRUB legacy) is there too: not read");
  });

  test.for([
    ["older", 100],
    ["newer", 300],
  ] as const)("a grub.cfg comes before a menu.lst that is %s, and which one is can be asked", ([age, mtime]) => {
    const files = { "/boot/grub/grub.cfg": "menuentry x {\nlinux /two\n}\n", "/boot/grub/menu.lst": menu("/k") };
    const plain = folderFilesystem(files);
    const times: Readonly<Record<string, number>> = { "/boot/grub/grub.cfg": 200, "/boot/grub/menu.lst": mtime };
    const { path, config } = locateBootConfig({
      ...plain,
      find(found) {
        const node = plain.find(found);
        return node === null ? null : { ...node, mtime: times[found] };
      },
    });
    expect(path).toBe("/boot/grub/grub.cfg");
    expect(config.explanation).toContain(`/boot/grub/menu.lst (GRUB legacy) is there too, and ${age}: not read`);
    expect(config.notes).toEqual([]);
  });

  const DAY = 86_400;
  const withTimes = (files: Readonly<Record<string, string>>, times: Readonly<Record<string, number>>) => {
    const plain = folderFilesystem(files);
    return locateBootConfig({
      ...plain,
      find(found) {
        const node = plain.find(found);
        return node === null ? null : { ...node, mtime: times[found] };
      },
    });
  };
  const BOTH = { "/boot/grub/grub.cfg": "menuentry x {\nlinux /two\n}\n", "/boot/grub/menu.lst": menu("/k") };

  test.for([
    [-10 * DAY, "/boot/grub/grub.cfg"],
    [DAY, "/boot/grub/grub.cfg"],
    [DAY + 1, "/boot/grub/menu.lst"],
  ] as const)("beside a grub.cfg, a menu.lst of %i seconds later: %s decides", ([later, decides]) => {
    const times = { "/boot/grub/grub.cfg": 100 * DAY, "/boot/grub/menu.lst": 100 * DAY + later };
    const { path, config } = withTimes(BOTH, times);
    expect(path).toBe(decides);
    const why = "/boot/grub/grub.cfg is passed over: /boot/grub/menu.lst was written more than a day later";
    expect(config.explanation?.join().includes(why)).toBe(decides === "/boot/grub/menu.lst");
    expect(config.notes.join().includes(why)).toBe(decides === "/boot/grub/menu.lst");
  });

  test("a much later menu.lst that boots nothing leaves the grub.cfg in its place", () => {
    const files = { ...BOTH, "/boot/grub/menu.lst": "title x\nchainloader +1\n" };
    expect(withTimes(files, { "/boot/grub/grub.cfg": 1, "/boot/grub/menu.lst": 9 * DAY }).path).toBe(
      "/boot/grub/grub.cfg",
    );
  });

  test("a grub.cfg that is only a stub leads to the menu that it names, before a menu.lst", () => {
    const files = {
      "/boot/grub/grub.cfg": "set prefix=($root)/other\nexport prefix\nconfigfile $prefix/grub.cfg\n",
      "/other/grub.cfg": "menuentry x {\nlinux /two\n}\n",
      "/boot/grub/menu.lst": menu("/k"),
    };
    const { path, config } = locateBootConfig(folderFilesystem(files));
    expect(path).toBe("/boot/grub/grub.cfg");
    expect(config.entries[0]?.kernel.path).toBe("/two");
    expect(config.explanation).toContain("the menu is that of (hd0,msdos1)/other/grub.cfg");
  });

  test("a grub.cfg that only leads to a file that is gone gives way to a menu.lst", () => {
    const files = { "/boot/grub/grub.cfg": "configfile /gone/grub.cfg\n", "/boot/grub/menu.lst": menu("/k") };
    const { path, config } = locateBootConfig(folderFilesystem(files));
    expect(path).toBe("/boot/grub/menu.lst");
    expect(config.notes[0]).toMatch(/passed over: \/boot\/grub\/grub\.cfg: .*no file "\/gone\/grub\.cfg"/);
  });

  test("a config that boots nothing gives way to the next place, with a note", () => {
    const files = { "/boot/grub/menu.lst": "", "/boot/grub/grub.conf": menu("/k") };
    const { path, config } = locateBootConfig(folderFilesystem(files));
    expect(path).toBe("/boot/grub/grub.conf");
    expect(config.notes[0]).toContain("/boot/grub/menu.lst: the boot config cannot be booted");
  });

  test("a config that boots nothing is named in the error, with its reason", () => {
    const files = { "/boot/grub/menu.lst": "title Windows\nchainloader +1\n" };
    const error = failureOf(() => locateBootConfig(folderFilesystem(files)));
    expect(error.code).toBe("NO_BOOT_ENTRY");
    expect(error.message).toMatch(/^\/boot\/grub\/menu\.lst: .*"Windows": it starts another boot loader/);
    expect(error.hint).toContain("--kernel=");
  });

  test("default saved reads the file default in the config's folder, and only then", () => {
    const config = "default saved\ntitle a\nkernel /a\ntitle b\nkernel /b\n";
    const saved = folderFilesystem({ "/grub/menu.lst": config, "/grub/default": "1\n#\n#\n" });
    expect(locateBootConfig(saved).config.default).toBe(1);
    const fixed = folderFilesystem({ "/grub/menu.lst": menu("/k"), "/grub/default": "1\n" });
    locateBootConfig(fixed);
    expect(fixed.opened).toEqual(["/grub/menu.lst"]);
  });

  test("an empty guest gets the list of the places and what to do about an unfinished installation", () => {
    const error = failureOf(() => locateBootConfig(folderFilesystem({})));
    expect(error.code).toBe("NO_BOOT_CONFIG");
    expect(error.message).toContain("/boot/grub/menu.lst, /boot/grub/grub.conf, /grub/menu.lst, /grub/grub.conf");
    expect(error.hint).toContain("guestboot vm reinstall");
  });

  test("a folder by the name of a config is no config", () => {
    expect(failureOf(() => locateBootConfig(folderFilesystem({ "/boot/grub/menu.lst": null }))).code).toBe(
      "NO_BOOT_CONFIG",
    );
  });

  test("symbolic links in a circle do not keep the next place from being read", () => {
    const filesystem = folderFilesystem({ "/boot/grub/menu.lst": menu("/k") }, ["/boot/grub/grub.cfg"]);
    expect(locateBootConfig(filesystem).path).toBe("/boot/grub/menu.lst");
  });

  test("a config over 1 MiB is refused before it is read", () => {
    const files = { "/boot/grub/menu.lst": "#".repeat((1 << 20) + 1) };
    const error = failureOf(() => locateBootConfig(folderFilesystem(files)));
    expect(error.code).toBe("FILE_TOO_LARGE");
    expect(error.message).toContain("/boot/grub/menu.lst");
  });

  test("a byte that is not UTF-8 is kept", () => {
    const files = { "/boot/grub/menu.lst": Buffer.from("title x\nkernel /k a=\xe9\n", "latin1") };
    expect(locateBootConfig(folderFilesystem(files)).config.entries[0]?.arguments).toBe("a=\udce9");
  });
});

describe("a config file by itself", () => {
  test.for(["menu.lst", "/tmp/grub.conf", "whatever"])("%s is read as GRUB legacy", (path) => {
    expect(parseConfigFile(path, menu("/k")).syntax).toBe("grub-legacy");
  });
  test.for([
    ["/boot/grub2/grub.cfg", "menuentry x {\nlinux /k\n}\n", "grub2"],
    ["isolinux.cfg", "LABEL x\nLINUX /k\n", "syslinux"],
    ["extlinux.conf", "LABEL x\nLINUX /k\n", "syslinux"],
    ["/boot/loader/entries/a.conf", "title x\nlinux /k\n", "bls"],
  ] as const)("%s is read as what its name says", ([path, text, syntax]) => {
    const config = parseConfigFile(path, text);
    expect(config.syntax).toBe(syntax);
    expect(config.entries[0]?.kernel.path).toBe("/k");
  });
  test("its errors name it", () => {
    expect(failureOf(() => parseConfigFile("/tmp/menu.lst", "")).message).toContain("/tmp/menu.lst");
  });
});
