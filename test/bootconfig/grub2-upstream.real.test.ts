/**
 * The same grub.cfg read by upstream pygrub and by us; and what the real generator, grub-mkconfig, writes.
 */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { chooseEntry } from "../../src/bootconfig/choose.ts";
import { openFolder } from "../../src/filesystem/folder.ts";
import { parseGrub2 } from "../../src/bootconfig/grub2/grub2.ts";
import { folderFilesystem } from "./folder-filesystem.ts";
import { GuestImage, type Booted } from "./upstream-pygrub.ts";

const FILES = Object.fromEntries(["/k", "/k2", "/r", "/r2", "/boot/k", "/boot/r"].map((name) => [name, name]));
const GRUBENV = `# GRUB Environment Block\nsaved_entry=second\n`.padEnd(1024, "#");

function ours(config: string, more: Readonly<Record<string, string>> = {}, wanted: string | null = null): Booted {
  const filesystem = folderFilesystem({ ...FILES, ...more });
  const own = { name: "whole disk", number: null, partitionUuid: null, filesystem: () => filesystem };
  const read = parseGrub2(config, { path: "/boot/grub/grub.cfg", own, volumes: [own] });
  const { entry } = chooseEntry(read, wanted);
  return { kernel: entry.kernel.path, ramdisk: entry.ramdisks[0]?.path ?? null, arguments: entry.arguments };
}

interface Case {
  readonly config: string;
  readonly entry?: string;
  readonly more?: Readonly<Record<string, string>>;
  readonly boots: Booted;
  /** What upstream does, where that is something else, and why ours is right. */
  readonly upstream?: { readonly boots: Booted | null; readonly why: string };
}

const booted = (kernel: string, ramdisk: string | null, args = ""): Booted => ({ kernel, ramdisk, arguments: args });
const two =
  "menuentry 'first' --id one {\n linux /k a\n initrd /r\n}\nmenuentry 'second' --id two {\n linux /k2 b\n initrd /r2\n}\n";

const CASES: Readonly<Record<string, Case>> = {
  "two entries": { config: two, boots: booted("/k", "/r", "a") },
  "a default by number": { config: `set default="1"\n${two}`, boots: booted("/k2", "/r2", "b") },
  "a number for --entry": { config: two, entry: "1", boots: booted("/k2", "/r2", "b") },
  "a title for --entry": { config: two, entry: "second", boots: booted("/k2", "/r2", "b") },
  "a number for --entry counts through submenus": {
    config: `menuentry 'zero' {\n linux /boot/k\n}\nsubmenu 'more' {\n${two}}\n`,
    entry: "2",
    boots: booted("/k2", "/r2", "b"),
  },
  "a number for --entry counts what boots no kernel": {
    config: `menuentry 'other' {\n chainloader +1\n}\n${two}`,
    entry: "2",
    boots: booted("/k2", "/r2", "b"),
  },
  "a default by title": {
    config: `set default="second"\n${two}`,
    boots: booted("/k2", "/r2", "b"),
    upstream: { boots: booted("/k", "/r", "a"), why: "GRUB's default may be a title (manual, 'default')" },
  },
  "a saved entry": {
    config: `load_env\nset default="\${saved_entry}"\n${two}`,
    more: { "/boot/grub/grubenv": GRUBENV },
    boots: booted("/k2", "/r2", "b"),
    upstream: { boots: booted("/k", "/r", "a"), why: "grub-set-default saved it in the environment block" },
  },
  "an entry within a submenu": {
    config: `set default="1>1"\nmenuentry 'zero' {\n linux /boot/k\n}\nsubmenu 'more' {\n${two}}\n`,
    boots: booted("/k2", "/r2", "b"),
    upstream: { boots: booted("/boot/k", null), why: "1>1 leads into the submenu (manual, 'default')" },
  },
  "variables in an entry": {
    config: "set extra='x y'\nmenuentry 'a' {\n set p=/boot\n linux $p/k root=/dev/xvda1 ${extra}\n}\n",
    boots: booted("/boot/k", null, "root=/dev/xvda1 x y"),
    upstream: { boots: null, why: "upstream takes $p for a part of the file's name" },
  },
  "an if in an entry": {
    config: "menuentry 'a' {\n if [ x$feature_platform_search_hint = xy ]; then\n  insmod ext2\n fi\n linux /k a\n}\n",
    boots: booted("/k", null, "a"),
  },
  "an entry without quotation marks": {
    config: "menuentry Linux {\n linux /k a\n}\n",
    boots: booted("/k", null, "a"),
    upstream: { boots: null, why: "GRUB needs no quotation marks; upstream finds no entry" },
  },
};

describe("upstream pygrub and ours on one grub.cfg", () => {
  it.each(Object.entries(CASES))("%s", (_, { config, entry, more = {}, boots, upstream }) => {
    using image = new GuestImage(Buffer.from(config), { ...FILES, ...more }, "/boot/grub/grub.cfg");
    const options = entry === undefined ? [] : [`--entry=${entry}`];
    expect(image.boot(...options)).toEqual(upstream === undefined ? boots : upstream.boots);
    expect(ours(config, more, entry ?? null)).toEqual(boots);
  });
});

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-mkconfig-"));
afterAll(() => fs.rmSync(folder, { recursive: true }));

const VERSIONS = ["6.1.0-10-amd64", "6.1.0-9-amd64", "5.10.0-8-amd64"];
const UUID = "11111111-2222-3333-4444-555555555555";

/** A made-up /boot in a mount namespace of its own, with a grub-probe that tells of a made-up disk. */
function generate(settings: Readonly<Record<string, string>>): string {
  const updateGrub = "/usr/sbin/update-grub";
  if (!fs.existsSync(updateGrub)) throw new Error(`${updateGrub} is missing: apt-get install grub2-common`);
  const boot = path.join(folder, "boot");
  const probe = path.join(folder, "probe");
  fs.mkdirSync(path.join(boot, "grub"), { recursive: true });
  for (const version of VERSIONS) {
    fs.copyFileSync("/bin/true", path.join(boot, `vmlinuz-${version}`));
    fs.writeFileSync(path.join(boot, `initrd.img-${version}`), "initrd");
    fs.writeFileSync(path.join(boot, `config-${version}`), "CONFIG_XEN_DOM0=y\n");
  }
  fs.copyFileSync("/bin/true", path.join(boot, "xen-4.17-amd64.gz"));
  const answers = {
    device: "/dev/xvda1",
    fs_uuid: UUID,
    fs: "ext2",
    partmap: "msdos",
    partuuid: "abcd-01",
    abstraction: "",
    hints_string: "--hint-bios=hd0,msdos1 ",
    compatibility_hint: "hd0,msdos1",
  };
  const lines = Object.entries(answers).map(
    ([what, answer]) => `*--target=${what}" "*|*"-t ${what} "*) echo '${answer}';;`,
  );
  fs.writeFileSync(
    probe,
    `#!/bin/sh\ncase " $* " in\n${lines.map((line) => line.replace('" "*|', ' "*|').replace("*--", '*" --')).join("\n")}\n*) exit 1;;\nesac\n`,
  );
  fs.chmodSync(probe, 0o755);
  const script = `mount --bind ${probe} /usr/sbin/grub-probe && mount --bind ${boot} /boot && exec ${updateGrub}`;
  const env = { ...process.env, GRUB_DISABLE_OS_PROBER: "true", ...settings };
  const made = spawnSync("unshare", ["-m", "sh", "-c", script], { encoding: "utf8", env, timeout: 120_000 });
  if (made.status !== 0) throw new Error(`update-grub failed: ${made.stderr}`);
  return fs.readFileSync(path.join(boot, "grub/grub.cfg"), "utf8");
}

describe("what update-grub, which is grub-mkconfig, writes for three kernels and Xen", () => {
  const text = generate({ GRUB_DEFAULT: "saved", GRUB_CMDLINE_LINUX: 'console=hvc0 dyndbg="file a +p"' });
  const filesystem = openFolder(folder);
  const own = { name: "folder", number: null, partitionUuid: null, filesystem: () => filesystem };
  const place = { path: "/boot/grub/grub.cfg", own, volumes: [own] };
  const config = parseGrub2(text, place);

  it("is every entry, newest kernel first, with its own files", () => {
    const normal = config.entries.filter(({ id }) => id?.startsWith("gnulinux-") === true && id.includes("-advanced-"));
    expect(normal.map(({ kernel }) => path.basename(kernel.path))).toEqual(
      VERSIONS.map((version) => `vmlinuz-${version}`),
    );
    expect(normal.map(({ ramdisks }) => path.basename(ramdisks[0]?.path ?? ""))).toEqual(
      VERSIONS.map((version) => `initrd.img-${version}`),
    );
    expect(config.entries).toHaveLength(2 * (1 + 2 * VERSIONS.length));
  });
  it("has arguments as they were set, and Xen's entries boot its kernel", () => {
    const xen = config.entries.find(({ id }) => id?.startsWith("xen-gnulinux-simple") === true);
    for (const entry of [config.entries[0], xen]) {
      expect(entry?.kernel.path).toMatch(/\/vmlinuz-6\.1\.0-10-amd64$/);
      expect(entry?.arguments).toMatch(/^root=\S+ ro {1,2}console=hvc0 "dyndbg=file a \+p"$/);
    }
  });
  it("is chosen by what grub-editenv saved and grub-reboot asked for", () => {
    const block = path.join(folder, "boot/grub/grubenv");
    const advanced = `gnulinux-advanced-${UUID}>gnulinux-6.1.0-9-amd64-advanced-${UUID}`;
    const setTo = (name: string, value: string) =>
      spawnSync("/usr/bin/grub-editenv", [block, "set", `${name}=${value}`]);
    expect(setTo("saved_entry", advanced).status).toBe(0);
    const saved = parseGrub2(text, place);
    expect(saved.entries[saved.default]?.kernel.path).toMatch(/6\.1\.0-9-amd64$/);
    expect(setTo("next_entry", "1>4").status).toBe(0);
    const once = parseGrub2(text, place);
    expect(once.entries[once.default]?.kernel.path).toMatch(/5\.10\.0-8-amd64$/);
    expect(once.notes.join()).toContain("taken again");
  });
});
