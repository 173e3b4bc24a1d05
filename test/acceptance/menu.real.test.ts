/**
 * The boot menu of the built program, as libxl runs it: on a pseudo terminal, with the answer in a file.
 */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPty, startTmux } from "../cli/menu/pseudo-terminal.ts";
import { parseSimple, programPath, run, temporaryFolder } from "../program.ts";
import { makeSmallGuestFolder, MENU_LST } from "./guest-disk.ts";

const folder = temporaryFolder();
const at = (name: string) => path.join(folder.path, name);
afterAll(() => folder[Symbol.dispose]());

beforeAll(() => {
  makeImage("guest.img", MENU_LST);
  makeImage("broken.img", MENU_LST.replace("/boot/vmlinuz", "/boot/gone"));
});

function makeImage(name: string, menu: string): void {
  const guest = makeSmallGuestFolder(at(`${name}.folder`), menu);
  const made = spawnSync("/usr/sbin/mkfs.ext4", ["-q", "-F", "-d", guest, at(name), "8M"], { encoding: "utf8" });
  if (made.status !== 0) throw new Error(`mkfs.ext4 (apt-get install e2fsprogs): ${made.stderr}`);
}

interface Start {
  readonly command: readonly string[];
  answer(): ReturnType<typeof parseSimple>;
  /** What lies in the boot folder. */
  files(): string[];
}

let starts = 0;

/** libxl's arguments, with `more` from the guest's config. */
function libxl(program: "pygrub" | "guestboot", disk: string, ...more: readonly string[]): Start {
  const name = `start-${++starts}`;
  fs.mkdirSync(at(name));
  fs.writeFileSync(at(`${name}.out`), "");
  const fixed = [`--output=${at(`${name}.out`)}`, "--output-format=simple", `--output-directory=${at(name)}`];
  return {
    command: [programPath(program), ...fixed, ...more, at(disk)],
    answer: () => parseSimple(fs.readFileSync(at(`${name}.out`), "utf8")),
    files: () => fs.readdirSync(at(name)).map((file) => file.replace(/\..*$/, "")),
  };
}

describe.each(["pygrub", "guestboot"] as const)("%s on a terminal", (program) => {
  it("shows the guest's menu and boots what was chosen, as without a menu", async () => {
    const start = libxl(program, "guest.img");
    using tmux = startTmux(start.command);
    const screen = await tmux.see(/Boots in [1-5] s/);
    expect(screen).toContain(" > Debian GNU/Linux, kernel 6.1.0\n");
    expect(screen).toContain("   Debian GNU/Linux, kernel 6.1.0 (single-user mode)\n");
    tmux.keys("Down", "Enter");
    await tmux.see(/^Booting "Debian GNU\/Linux, kernel 6.1.0 \(single-user mode\)"$/m);
    await expect.poll(() => start.files().length, { timeout: 20_000 }).toBe(2);
    await expect.poll(() => fs.statSync(start.command[1]?.slice("--output=".length) ?? "").size).toBeGreaterThan(0);
    const answer = start.answer();
    expect(answer.args).toBe("root=/dev/xvda1 ro single");
    expect(fs.readFileSync(answer.kernel, "utf8")).toBe("the kernel\n");
    expect(fs.readFileSync(answer.ramdisk ?? "", "utf8")).toBe("the initrd\n");
  });

  it("boots the default when nobody presses a key", async () => {
    const start = libxl(program, "guest.img");
    using pty = startPty(start.command, { rows: 0, columns: 0 });
    await pty.see("Boots in 5 s");
    expect((await pty.ended()).status).toBe(0);
    expect(start.answer().args).toBe("root=/dev/xvda1 ro quiet");
  });

  it("shows no menu with -q or --entry, nor without a terminal, nor with -l", async () => {
    for (const option of ["-q", "--entry=0"]) {
      const start = libxl(program, "guest.img", option);
      using pty = startPty(start.command);
      expect((await pty.ended()).status).toBe(0);
      expect(pty.output).not.toContain("\x1b");
      expect(start.answer().args).toBe("root=/dev/xvda1 ro quiet");
    }
    const start = libxl(program, "guest.img");
    const [command = "", ...args] = start.command;
    expect(run(command, args)).toMatchObject({ status: 0, stdout: "", stderr: "" });
    expect(start.answer().args).toBe("root=/dev/xvda1 ro quiet");
    using listing = startPty(libxl(program, "guest.img", "-l").command);
    await listing.see("title: Debian");
    expect((await listing.ended()).status).toBe(0);
  });
});

describe("the menu", () => {
  it("begins at the entry of --entry when -i comes after it, and waits", async () => {
    const start = libxl("pygrub", "guest.img", "--entry=1", "-i");
    using pty = startPty(start.command);
    await pty.see(" > Debian GNU/Linux, kernel 6.1.0 (single-user mode)");
    pty.send("\r");
    expect((await pty.ended()).status).toBe(0);
    expect(start.answer().args).toBe("root=/dev/xvda1 ro single");
  });

  it("says with -i that there is no terminal, and boots the default", () => {
    const start = libxl("pygrub", "guest.img", "-i");
    const [command = "", ...args] = start.command;
    const ended = run(command, args);
    expect(ended.status).toBe(0);
    expect(ended.stderr).toContain("no terminal");
  });

  it("boots with arguments that were edited, before those of --args", async () => {
    const start = libxl("pygrub", "guest.img", "--args=console=hvc0");
    using tmux = startTmux(start.command);
    await tmux.see(/Boots in/);
    tmux.keys("a", " init=/bin/sh", "Enter");
    await tmux.see(/^Booting/m);
    await expect.poll(() => start.files().length, { timeout: 20_000 }).toBe(2);
    await expect
      .poll(() => fs.readFileSync(start.command[1]?.slice("--output=".length) ?? "", "utf8"))
      .toContain("args root=/dev/xvda1 ro quiet init=/bin/sh console=hvc0\n");
  });

  it("looks into the guest's disk from its command line, after all rights are gone", async () => {
    const start = libxl("pygrub", "guest.img");
    using tmux = startTmux(start.command);
    await tmux.see(/Boots in/);
    tmux.keys("c", "ls /boot", "Enter");
    await tmux.see(/initrd\.img {2}.*grub\/|grub\/ {2}.*initrd\.img/);
    tmux.keys("cat /boot/vm", "Tab", "Enter");
    await tmux.see(/^the kernel$/m);
    tmux.keys("cat /boot/grub/../../../../etc/shadow", "Enter");
    await tmux.see(/error: .*does not exist in the guest/);
    tmux.keys("linux /boot/vmlinuz rescue", "Enter", "boot", "Enter");
    await tmux.see(/^Booting "from the command line"$/m);
    await expect.poll(() => start.files(), { timeout: 20_000 }).toEqual(["boot_kernel"]);
    expect(start.answer()).toMatchObject({ args: "rescue", ramdisk: null });
  });

  it("says that a kernel is missing and lets the person choose another entry", async () => {
    const start = libxl("pygrub", "broken.img");
    using tmux = startTmux(start.command);
    await tmux.see(/Boots in/);
    tmux.keys("Enter");
    await tmux.see(/\/boot\/gone does not exist in the guest/);
    tmux.keys("Enter", "Down", "Enter");
    await tmux.see(/^Booting/m);
  });

  it("asks for the password of the config before anything is edited", async () => {
    const crypted = spawnSync("/usr/bin/openssl", ["passwd", "-1", "-salt", "abcdefgh", "sesame"], {
      encoding: "utf8",
    });
    makeImage("locked.img", `password --md5 ${crypted.stdout.trim()}\n${MENU_LST}`);
    const start = libxl("pygrub", "locked.img");
    using tmux = startTmux(start.command);
    await tmux.see(/Boots in/);
    tmux.keys("e", "wrong", "Enter");
    await tmux.see(/Wrong password/);
    tmux.keys("Enter", "e", "sesame", "Enter");
    await tmux.see(/> kernel \(hd0,0\)\/boot\/vmlinuz root/);
  });

  it.each([
    ["Ctrl-C", (pty: ReturnType<typeof startPty>) => pty.send("\x03")],
    ["SIGTERM", (pty: ReturnType<typeof startPty>) => pty.signal(15)],
    ["SIGHUP", (pty: ReturnType<typeof startPty>) => pty.signal(1)],
  ])("ended by %s says so, fails, and leaves neither files nor a raw terminal", async (_name, end) => {
    const start = libxl("pygrub", "guest.img");
    using pty = startPty(start.command);
    await pty.see("Boots in");
    end(pty);
    await pty.see("the start was ended by");
    const { status, mode } = await pty.ended();
    expect(status).toBe(1);
    expect(mode).toEqual({ canonical: true, echo: true });
    await expect.poll(() => start.files(), { timeout: 20_000 }).toEqual([]);
  });
});
