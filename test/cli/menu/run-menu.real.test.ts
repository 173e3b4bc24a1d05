/**
 * The menu on real terminals: a pseudo terminal byte by byte, and tmux for what a person sees. The driver gives up its
 * rights before the menu, as a start from disk does.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { BootConfig } from "../../../src/bootconfig/boot-config.ts";
import { temporaryFolder } from "../../program.ts";
import { driverCommand, startPty, startTmux } from "./pseudo-terminal.ts";
import { config, entry } from "./session.ts";

const folder = temporaryFolder();
afterAll(() => folder[Symbol.dispose]());
let guests = 0;

/** A folder that stands for a guest; who has given up root can look into it too. */
function makeGuest(shown: BootConfig): { path: string; result(): unknown } {
  fs.chmodSync(folder.path, 0o755);
  const guest = path.join(folder.path, `guest-${++guests}`);
  fs.mkdirSync(path.join(guest, "boot"), { recursive: true });
  fs.writeFileSync(path.join(guest, "boot/vmlinuz"), "kernel");
  fs.writeFileSync(path.join(guest, "boot/initrd.img"), "initrd");
  fs.writeFileSync(path.join(guest, "config.json"), JSON.stringify(shown));
  return { path: guest, result: () => JSON.parse(fs.readFileSync(path.join(guest, "result.json"), "utf8")) as unknown };
}

const THREE = config([entry("Debian"), entry("Wörter 漢字"), entry("rescue", { submenu: ["Advanced options"] })], {
  timeout: 60,
});
const COOKED = { canonical: true, echo: true };
const RAW = { canonical: false, echo: false };

describe("on a pseudo terminal", () => {
  it("is raw while it is shown, boots what was chosen, and leaves the terminal as it was", async () => {
    const guest = makeGuest(THREE);
    using pty = startPty(driverCommand(guest.path));
    await pty.see("any key stops it");
    await expect.poll(() => pty.mode(), { timeout: 10_000 }).toEqual(RAW);
    pty.send("\x1b[B\r");
    expect(await pty.ended()).toEqual({ status: 0, mode: COOKED });
    expect(guest.result()).toMatchObject({ chosen: { title: "Wörter 漢字" } });
    expect(pty.output).toMatch(/\x1b\[H\x1b\[JBooting "Wörter 漢字"\r+\n$/);
  });

  it("counts down, and boots the default when nobody is there", async () => {
    const guest = makeGuest({ ...THREE, timeout: 2 });
    using pty = startPty(driverCommand(guest.path));
    await pty.see("Boots in 2 s");
    await pty.see("1 s;");
    expect((await pty.ended()).mode).toEqual(COOKED);
    expect(guest.result()).toEqual({ chosen: null });
  });

  it("waits for ever with -i, also where the config does not wait", async () => {
    const guest = makeGuest({ ...THREE, timeout: 0 });
    using pty = startPty(driverCommand(guest.path, "-i"));
    await pty.see("Enter boots");
    expect(pty.output).not.toContain("Boots in");
    pty.send("\r");
    await pty.ended();
    expect(guest.result()).toMatchObject({ chosen: { title: "Debian" } });
  });

  it.each([[0], [null], [-1]])("is not shown where the config's timeout is %j", async (timeout) => {
    const guest = makeGuest({ ...THREE, timeout });
    using pty = startPty(driverCommand(guest.path));
    await pty.ended();
    expect(pty.output).toBe("");
    expect(guest.result()).toEqual({ chosen: null });
  });

  it("that is hidden writes nothing until a key is pressed", async () => {
    const guest = makeGuest({ ...THREE, timeoutStyle: "hidden", timeout: 2 });
    using silent = startPty(driverCommand(guest.path));
    await silent.ended();
    // Neither a row nor an escape sequence.
    expect(silent.output).not.toMatch(/\x1b|Boot|Debian/);
    expect(guest.result()).toEqual({ chosen: null });
    const other = makeGuest({ ...THREE, timeoutStyle: "hidden", timeout: 60 });
    using pty = startPty(driverCommand(other.path));
    await expect.poll(() => pty.mode(), { timeout: 10_000 }).toEqual(RAW);
    pty.send("\x1b");
    await pty.see("Enter boots");
    pty.send("\x1b[B\r");
    await pty.ended();
    expect(other.result()).toMatchObject({ chosen: { title: "Wörter 漢字" } });
  });

  it("takes a terminal that knows no size for 80 × 24", async () => {
    using pty = startPty(driverCommand(makeGuest(THREE).path), { rows: 0, columns: 0 });
    await pty.see("\x1b[24;1H Boots in");
  });

  it("understands keys whose bytes come one by one, and a lone Esc", async () => {
    const guest = makeGuest(THREE);
    using pty = startPty(driverCommand(guest.path));
    await pty.see("any key stops it");
    for (const byte of "\x1b[B\x1b[B\r") {
      pty.send(byte);
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    await pty.see("rescue");
    pty.send("\x1b");
    await pty.see("Wörter");
    pty.send("\x1b[A\r");
    await pty.ended();
    expect(guest.result()).toMatchObject({ chosen: { title: "Wörter 漢字" } });
  });

  it("is drawn anew for a new size", async () => {
    using pty = startPty(driverCommand(makeGuest(THREE).path));
    await pty.see("\x1b[24;1H Boots in");
    pty.resize(10, 40);
    await pty.see("\x1b[H\x1b[J");
    await pty.see("\x1b[10;1H Boots in");
  });

  it("writes a step in the list in fewer than 200 bytes", async () => {
    using pty = startPty(driverCommand(makeGuest(THREE).path), { set: { TERM: "vt100" } });
    await pty.see("any key stops it");
    pty.send("x");
    await pty.see("\x1b[K");
    await new Promise((resolve) => setTimeout(resolve, 200));
    const before = pty.output.length;
    pty.send("\x1b[B");
    await pty.see("漢字");
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(pty.output.length - before).toBeLessThan(200);
  });

  it("writes no escape sequence to a dumb terminal", async () => {
    const guest = makeGuest(THREE);
    using pty = startPty(driverCommand(guest.path), { set: { TERM: "dumb" } });
    await pty.see("any key stops it");
    pty.send("d\r");
    await pty.ended();
    expect(pty.output).not.toContain("\x1b");
    expect(guest.result()).toMatchObject({ chosen: { title: "Wörter 漢字" } });
  });

  it.each([
    ["SIGINT", 2],
    ["SIGTERM", 15],
    ["SIGHUP", 1],
  ])("gives the terminal back when it is ended by %s", async (name, number) => {
    const guest = makeGuest(THREE);
    using pty = startPty(driverCommand(guest.path));
    await pty.see("any key stops it");
    pty.signal(number);
    expect((await pty.ended()).mode).toEqual(COOKED);
    expect(guest.result()).toMatchObject({ code: "START_CANCELLED", message: expect.stringContaining(name) as string });
  });

  it("is ended by Ctrl-C", async () => {
    const guest = makeGuest(THREE);
    using pty = startPty(driverCommand(guest.path));
    await pty.see("any key stops it");
    pty.send("\x03");
    expect((await pty.ended()).mode).toEqual(COOKED);
    expect(guest.result()).toMatchObject({ code: "START_CANCELLED" });
  });

  it("ends with the terminal when that is hung up", async () => {
    const guest = makeGuest(THREE);
    using pty = startPty(driverCommand(guest.path));
    await pty.see("any key stops it");
    pty.hangUp();
    await pty.ended();
    expect(guest.result()).toMatchObject({ code: "START_CANCELLED" });
  });

  it("is not shown without a terminal", async () => {
    const guest = makeGuest(THREE);
    using pty = startPty(["/bin/sh", "-c", '"$@" < /dev/null', "sh", ...driverCommand(guest.path)]);
    await pty.ended();
    expect(guest.result()).toEqual({ terminal: false });
  });

  it("goes to standard error with -i when standard output goes elsewhere", async () => {
    const guest = makeGuest(THREE);
    const shell = (more: readonly string[]) => [
      "/bin/sh",
      "-c",
      '"$@" > /dev/null',
      "sh",
      ...driverCommand(guest.path, ...more),
    ];
    using unasked = startPty(shell([]));
    await unasked.ended();
    expect(guest.result()).toEqual({ terminal: false });
    using asked = startPty(shell(["-i"]));
    await asked.see("Enter boots");
  });
});

describe("what a person sees", () => {
  it("is the list, a submenu, and the list again", async () => {
    using tmux = startTmux(driverCommand(makeGuest(THREE).path));
    const first = await tmux.see(/any key stops it/);
    const rows = first.split("\n");
    expect(rows[0]).toBe(" Boot menu");
    expect(rows.slice(2, 5)).toEqual([" > Debian", "   Wörter 漢字", "   Advanced options ->"]);
    expect(rows).toHaveLength(24);
    tmux.keys("End", "Enter");
    expect((await tmux.see(/> rescue/)).split("\n")[0]).toBe(" Boot menu > Advanced options");
    tmux.keys("Escape");
    await tmux.see(/> Advanced options ->/);
  });

  it("is an entry's lines, changed and booted", async () => {
    const guest = makeGuest(THREE);
    using tmux = startTmux(driverCommand(guest.path));
    await tmux.see(/any key stops it/);
    tmux.keys("e", "Enter", " single", "Enter");
    await tmux.see(/^ > linux \/boot\/vmlinuz root=\/dev\/xvda1 ro single$/m);
    tmux.keys("C-x");
    await tmux.see(/^Booting "Debian"$/m);
    expect(guest.result()).toMatchObject({ chosen: { arguments: "root=/dev/xvda1 ro single" } });
  });

  it("is a command line that completes", async () => {
    const guest = makeGuest(THREE);
    using tmux = startTmux(driverCommand(guest.path));
    await tmux.see(/any key stops it/);
    tmux.keys("c", "lin", "Tab", "/bo", "Tab", "v", "Tab", "quiet", "Enter");
    await tmux.see(/^grub> linux \/boot\/vmlinuz quiet\ngrub>$/m);
    tmux.keys("boot", "Enter");
    await tmux.see(/^Booting "from the command line"$/m);
    expect(guest.result()).toMatchObject({ chosen: { arguments: "quiet" } });
  });

  it("is the same after the window was made small and large again", async () => {
    using tmux = startTmux(driverCommand(makeGuest(THREE).path));
    await tmux.see(/any key stops it/);
    tmux.keys("Down");
    const before = await tmux.see(/> Wörter/);
    tmux.resize(12, 3);
    await tmux.see(/^ > Wörter > *$/m);
    tmux.resize(80, 24);
    await tmux.see(/a its arguments/);
    expect(tmux.screen()).toBe(before);
  });

  it("is a password question that shows nothing of the password", async () => {
    const locked = { ...THREE, passwords: [{ user: null, form: "plain", value: "sesame" }] } satisfies BootConfig;
    using tmux = startTmux(driverCommand(makeGuest(locked).path), { term: "vt100" });
    await tmux.see(/any key stops it/);
    tmux.keys("e");
    await tmux.see(/Password:/);
    tmux.keys("sesame");
    expect(tmux.screen()).not.toContain("sesame");
    tmux.keys("Enter");
    await tmux.see(/> linux/);
  });
});
