import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { readBlsMenu } from "../../src/bootconfig/bls-menu.ts";
import type { BootConfig } from "../../src/bootconfig/boot-config.ts";
import { locateBootConfig } from "../../src/bootconfig/locate.ts";
import { openFolder } from "../../src/filesystem/folder.ts";
import { placeOn } from "./made-up-guest.ts";
import { GuestImage } from "./upstream-pygrub.ts";

const MACHINE = "0123456789abcdef0123456789abcdef";
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-bls-"));
afterAll(() => {
  fs.rmSync(folder, { recursive: true, force: true });
});

interface Judged {
  readonly config: BootConfig;
  /** What `bootctl list` prints: an entry a paragraph. */
  readonly bootctl: readonly Readonly<Record<string, string>>[];
}

/**
 * Runs shell commands with `$B` as a `/boot` of its own (a tmpfs, in a mount namespace of its own, which ends with
 * the shell), and has systemd's bootctl list what they made.
 */
function judge(name: string, commands: string): Judged {
  const boot = path.join(folder, `${name}-boot`);
  const copy = path.join(folder, `${name}-copy`);
  for (const made of [boot, copy]) fs.mkdirSync(made);
  fs.mkdirSync(path.join(folder, "conf"), { recursive: true });
  fs.writeFileSync(path.join(folder, "vmlinuz"), "kernel");
  fs.writeFileSync(path.join(folder, "initrd.img"), "initrd");
  const script = `
    set -e
    mount -t tmpfs none $B
    mkdir -p $B/EFI $B/loader/entries
    ${commands}
    cp -a $B/. ${copy}
    SYSTEMD_RELAX_ESP_CHECKS=1 bootctl --esp-path=$B list --no-pager
  `;
  const env = {
    ...process.env,
    B: boot,
    BOOT_ROOT: boot,
    MACHINE_ID: MACHINE,
    ENTRY_TOKEN: MACHINE,
    KERNEL_INSTALL_CONF_ROOT: path.join(folder, "conf"),
    // The others make module indexes and initrds.
    KERNEL_INSTALL_PLUGINS: "/usr/lib/kernel/install.d/90-loaderentry.install",
    NO_COLOR: "1",
    SYSTEMD_URLIFY: "0",
  };
  const done = spawnSync("unshare", ["-m", "sh", "-c", script], { encoding: "utf8", env, cwd: folder });
  if (/(?:kernel-install|bootctl): not found/.test(done.stderr)) {
    throw new Error("bootctl or kernel-install is missing: apt-get install systemd systemd-boot");
  }
  if (done.status !== 0) throw new Error(`${done.stderr}${done.stdout}`);
  const filesystem = openFolder(copy);
  const own = { name: "folder", number: null, partitionUuid: null, filesystem: () => filesystem };
  const bootctl = done.stdout.split(/\n\n+/).map((paragraph) => {
    const lines = paragraph.split("\n").map((line) => /^\s*([\w-]+): (.*)$/.exec(line));
    return Object.fromEntries(lines.flatMap((line) => (line === null ? [] : [[line[1] ?? "", line[2] ?? ""]])));
  });
  return { config: readBlsMenu("", placeOn("/loader/entries", own)), bootctl };
}

const idOf = (entry: Readonly<Record<string, string>>): string => (entry["id"] ?? "").replace(/\.conf$/, "");
const isDefault = (entry: Readonly<Record<string, string>>): boolean => / \(default\)/.test(entry["title"] ?? "");

describe("entries that kernel-install has written", () => {
  const { config, bootctl } = judge(
    "kernel-install",
    `
    echo 'root=/dev/xvda1 ro quiet' > conf/cmdline
    echo layout=bls > conf/install.conf
    kernel-install add 6.1.0-9-amd64 vmlinuz initrd.img
    kernel-install add 6.1.0-13-amd64 vmlinuz initrd.img
    echo 3 > conf/tries
    kernel-install add 6.5.0-1-amd64 vmlinuz initrd.img
    echo 0 > conf/tries
    kernel-install add 6.6.0-1-amd64 vmlinuz initrd.img
    printf 'default *6.1*\\ntimeout 4\\n' > $B/loader/loader.conf
    `,
  );

  test("are four, in the order of bootctl, with its default", () => {
    expect(config.entries.map((entry) => entry.id)).toEqual(bootctl.map(idOf));
    expect(bootctl.length).toBe(4);
    expect(config.default).toBe(bootctl.findIndex(isDefault));
    expect(config.timeout).toBe(4);
  });

  test("have bootctl's files, arguments and titles", () => {
    const ours = config.entries.map(({ title, kernel, ramdisks, arguments: options }) => ({
      title,
      linux: kernel.path,
      initrd: ramdisks[0]?.path,
      options,
    }));
    const theirs = bootctl.map(({ title, linux, initrd, options }) => ({
      title: title?.replace(/ \((?:default|not reported\/new)\)/g, ""),
      linux,
      initrd,
      options,
    }));
    expect(ours).toEqual(theirs);
  });
});

describe("entries by hand", () => {
  const entry = (name: string, ...lines: readonly string[]): string =>
    `printf '%s\\n' 'title ${name}' 'linux /k' ${lines.map((line) => `'${line}'`).join(" ")} > '$B/loader/entries/${name}.conf'`.replaceAll(
      "'$B",
      "$B'",
    );
  const { config, bootctl } = judge(
    "by-hand",
    `
    touch $B/k
    ${entry("plain-1.10")}
    ${entry("plain-1.9")}
    ${entry("plain-1.9.rc1")}
    ${entry("keyed-old", "sort-key fedora", "version 5.9")}
    ${entry("keyed-new", "sort-key fedora", "version 5.10")}
    ${entry("keyed-machine", "sort-key fedora", "machine-id 0", "version 4")}
    ${entry("keyed-arch", "sort-key arch", "version 1")}
    ${entry("worn+0-3", "sort-key aaa", "version 9")}
    ${entry("tried+2-1")}
    ${entry("zzz.post")}
    `,
  );

  test("have bootctl's order, and its first is the default", () => {
    expect(config.entries.map((found) => found.id)).toEqual(bootctl.map(idOf));
    expect(bootctl.length).toBe(10);
    expect(config.default).toBe(bootctl.findIndex(isDefault));
  });
});

test("a guest with nothing but such entries boots by ours; upstream pygrub looks for no such files and finds nothing", () => {
  const entry = "title one\nversion 6.1\nlinux /vmlinuz\ninitrd /initrd.img\noptions root=/dev/xvda1 ro\n";
  const files = { "/vmlinuz": "kernel", "/initrd.img": "initrd" };
  using image = new GuestImage(Buffer.from(entry), files, "/loader/entries/one.conf");
  expect(image.boot()).toBeNull();
  expect(image.list()).toEqual([]);
  const root = fs.mkdtempSync(path.join(folder, "bls-only-"));
  fs.mkdirSync(path.join(root, "loader/entries"), { recursive: true });
  fs.writeFileSync(path.join(root, "loader/entries/one.conf"), entry);
  for (const [name, content] of Object.entries(files)) fs.writeFileSync(path.join(root, name), content);
  const filesystem = openFolder(root);
  const own = { name: "folder", number: null, partitionUuid: null, filesystem: () => filesystem };
  expect(locateBootConfig({ own, volumes: [own] })).toMatchObject({
    path: "/loader/entries",
    config: {
      syntax: "bls",
      entries: [{ title: "one", kernel: { path: "/vmlinuz" }, arguments: "root=/dev/xvda1 ro" }],
    },
  });
});
