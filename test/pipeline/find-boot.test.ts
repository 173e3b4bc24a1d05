import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { GuestbootError } from "../../src/base/errors.ts";
import { openFolder } from "../../src/filesystem/folder.ts";
import { findBoot, findConfig, findFiles, type BootPlace, type BootSearch } from "../../src/pipeline/find-boot.ts";

const root = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-find-"));
afterAll(() => fs.rmSync(root, { recursive: true }));
let next = 0;
beforeEach(() => void (next += 1));

type Files = Readonly<Record<string, string>>;

/** Folders stand for the partitions of a disk; null for one without a filesystem. */
function disk(...partitions: (Files | null)[]): BootSearch {
  const places = partitions.map((files, index): BootPlace => {
    const folder = path.join(root, String(next), String(index));
    fs.mkdirSync(folder, { recursive: true });
    for (const [name, text] of Object.entries(files ?? {})) {
      fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
      fs.writeFileSync(path.join(folder, name), text);
    }
    return {
      name: `partition ${index + 1}`,
      number: index + 1,
      partitionUuid: null,
      filesystem() {
        if (files === null) throw new GuestbootError("NO_FILESYSTEM", "empty");
        return openFolder(folder);
      },
    };
  });
  return { disk: "disk.img", vm: null, places, notes: [] };
}

const menu = (kernel: string, rest = "") => `title t\nkernel ${kernel} root=/dev/xvda1\n${rest}`;
const kernelOf = (search: BootSearch, wanted: string | null = null) => {
  const { kernel } = findBoot(search, wanted);
  return Buffer.from(kernel.read(0, kernel.size)).toString();
};
const failureOf = (work: () => unknown): GuestbootError => {
  try {
    work();
  } catch (error) {
    if (error instanceof GuestbootError) return error;
    throw error;
  }
  throw new Error("it did not fail");
};

describe("finding what a disk boots", () => {
  it("takes the first partition whose config yields a kernel that is there", () => {
    const search = disk(
      null,
      { "boot/grub/menu.lst": menu("/boot/gone") },
      { "boot/grub/menu.lst": menu("/boot/k"), "boot/k": "second" },
      { "boot/grub/menu.lst": menu("/boot/k"), "boot/k": "third" },
    );
    expect(kernelOf(search)).toBe("second");
  });

  it("says of every partition why it was passed over", () => {
    const search = disk(null, {}, { "boot/grub/menu.lst": menu("/boot/gone") });
    const failure = failureOf(() => findBoot(search, null));
    expect(failure.message).toMatch(/partition 1: empty; partition 2: .*no boot config.*; partition 3: .*\/boot\/gone/);
    expect(failure.code).toBe("FILE_MISSING");
  });

  it("tells how to begin the installation again only where nothing seems installed", () => {
    expect(failureOf(() => findBoot(disk(null, {}), null)).hint).toMatch(/vm reinstall UUID$/);
    expect(failureOf(() => findBoot({ ...disk({}), vm: "the-vm" }, null)).hint).toMatch(/vm reinstall the-vm$/);
    const broken = disk({ "boot/grub/menu.lst": menu("/boot/gone") });
    expect(failureOf(() => findBoot(broken, null)).hint ?? "").not.toContain("reinstall");
  });

  it("says so when the disk has no partition at all, with what the table had to say", () => {
    expect(failureOf(() => findConfig(disk())).message).toMatch(/no partition/);
    expect(failureOf(() => findConfig({ ...disk(), notes: ["a GPT"] })).message).toMatch(/a GPT/);
  });

  it("boots the entry that was asked for", () => {
    const search = disk({
      "boot/grub/menu.lst": "title one\nkernel /a\ntitle two\nkernel /b\n",
      a: "first",
      b: "second",
    });
    expect(kernelOf(search)).toBe("first");
    expect(kernelOf(search, "1")).toBe("second");
    expect(kernelOf(search, "two")).toBe("second");
  });

  it("warns when the entry that was asked for is not there", () => {
    const search = disk({ "boot/grub/menu.lst": menu("/k"), k: "k" });
    expect(findBoot(search, "nine").warnings.join()).toMatch(/nine/);
  });
});

describe("a config that names a partition", () => {
  it("gets the file from that one", () => {
    const search = disk({ "boot/grub/menu.lst": "title t\nroot (hd0,1)\nkernel /k\n", k: "here" }, { k: "there" });
    expect(kernelOf(search)).toBe("there");
  });

  it("gets it from beside itself, with a warning, where that one does not have it", () => {
    const search = disk({ "boot/grub/menu.lst": "title t\nroot (hd0,1)\nkernel /k\n", k: "here" }, {});
    expect(kernelOf(search)).toBe("here");
    expect(findBoot(search, null).warnings.join()).toMatch(/\(hd0,1\).*partition 1/);
  });

  it("gets it from beside itself, with a warning, where it names another disk", () => {
    const search = disk({ "boot/grub/menu.lst": "title t\nkernel (hd1,0)/k\n", k: "here" });
    expect(kernelOf(search)).toBe("here");
    expect(findBoot(search, null).warnings.join()).toMatch(/\(hd1,0\)/);
  });

  it("takes kernel and ramdisk from different partitions", () => {
    const search = disk(
      { "boot/grub/menu.lst": "title t\nkernel (hd0,0)/k\ninitrd (hd0,1)/r\n", k: "kernel" },
      { r: "ramdisk" },
    );
    const [ramdisk] = findBoot(search, null).ramdisks;
    expect(Buffer.from(ramdisk?.read(0, ramdisk.size) ?? []).toString()).toBe("ramdisk");
  });
});

describe("GRUB legacy's fallbacks", () => {
  const menu = "fallback 9 1 2\ntitle a\nkernel /a\ntitle b\nkernel /b\ntitle c\nkernel /c\n";

  it("are tried in order where the default's kernel is missing, with a warning for each that is", () => {
    const search = disk({ "boot/grub/menu.lst": menu, c: "c" });
    expect(kernelOf(search)).toBe("c");
    const warnings = findBoot(search, null).warnings.join();
    expect(warnings).toMatch(/"a" does not boot, its fallback is tried: .*\/a.*"b" does not boot.*\/b/);
  });

  it("are left alone where the default's kernel is there, and where another entry was asked for", () => {
    const search = disk({ "boot/grub/menu.lst": menu, a: "a", c: "c" });
    expect(kernelOf(search)).toBe("a");
    expect(failureOf(() => findBoot(search, "b")).code).toBe("FILE_MISSING");
  });
});

describe("a grub.cfg", () => {
  const entry = (kernel: string) => `menuentry '${kernel}' --id ${kernel} {\n linux /${kernel}\n initrd /r\n}\n`;

  it("boots its fallback, with a warning, where the default's kernel is missing", () => {
    const search = disk({
      "boot/grub/grub.cfg": `set fallback="9 c"\n${entry("a")}${entry("b")}${entry("c")}`,
      b: "b",
      c: "c",
      r: "",
    });
    expect(kernelOf(search)).toBe("c");
    expect(findBoot(search, null).warnings.join()).toMatch(/"a" does not boot, its fallback is tried: .*\/a/);
  });

  it("does not boot a fallback in place of what was asked for", () => {
    const search = disk({
      "boot/grub/grub.cfg": `set default=1\nset fallback=1\n${entry("a")}${entry("b")}`,
      b: "b",
      r: "",
    });
    expect(failureOf(() => findBoot(search, "a")).code).toBe("FILE_MISSING");
  });

  it("gives way to the next partition's where neither default nor fallback is there", () => {
    const search = disk({ "boot/grub/grub.cfg": entry("a") }, { "boot/grub/grub.cfg": entry("b"), b: "second", r: "" });
    expect(kernelOf(search)).toBe("second");
  });

  it("gets kernel and ramdisk from the partition that it looked for", () => {
    const config = "search --file --set=root /marker\nmenuentry x {\n linux /k\n initrd /r ($root)/r2\n}\n";
    const search = disk({ "boot/grub/grub.cfg": config }, { marker: "", k: "there", r: "1", r2: "2" });
    expect(kernelOf(search)).toBe("there");
    expect(findBoot(search, null).ramdisks).toHaveLength(2);
  });

  it("gets a file from beside itself, with a warning, where another disk is named", () => {
    const search = disk({ "boot/grub/grub.cfg": "menuentry x {\n linux (hd1,gpt2)/k\n}\n", k: "here" });
    expect(kernelOf(search)).toBe("here");
    expect(findBoot(search, null).warnings.join()).toMatch(/\(hd1,2\).*partition 1/);
  });

  it("on an EFI partition is read where no volume has one in a usual place", () => {
    const stub = "search.file /marker root\nset prefix=($root)'/odd'\nconfigfile $prefix/grub.cfg\n";
    const search = disk({ "EFI/debian/grub.cfg": stub }, { marker: "", "odd/grub.cfg": entry("k"), k: "there", r: "" });
    expect(kernelOf(search)).toBe("there");
    expect(findConfig(search).path).toBe("/EFI/debian/grub.cfg");
  });

  it("in a usual place wins over one on the EFI partition", () => {
    const search = disk(
      { "EFI/debian/grub.cfg": entry("k"), k: "efi", r: "" },
      { "grub/grub.cfg": entry("k"), k: "boot", r: "" },
    );
    expect(kernelOf(search)).toBe("boot");
  });
});

describe("files that the caller names", () => {
  it("come from the first partition that has them all", () => {
    const search = disk(null, { k: "alone" }, { k: "kernel", r: "ramdisk" });
    const { kernel, ramdisks } = findFiles(search, "/k", "/r");
    expect(Buffer.from(kernel.read(0, kernel.size)).toString()).toBe("kernel");
    expect(ramdisks).toHaveLength(1);
    expect(Buffer.from(findFiles(search, "/k", null).kernel.read(0, 5)).toString()).toBe("alone");
  });

  it("are named in the error when no partition has them", () => {
    expect(failureOf(() => findFiles(disk({}), "/boot/k", null)).message).toMatch(/\/boot\/k/);
  });
});
