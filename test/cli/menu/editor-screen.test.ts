import { describe, expect, it } from "vitest";
import type { BootEntry } from "../../../src/bootconfig/boot-config.ts";
import { config, entry, FILES, filesystem, session, volume, type Session } from "./session.ts";

const ONE = config([entry("only")]);

/** The entry that the menu ended with. */
function booted(menu: Session): BootEntry | null {
  return menu.state.outcome?.kind === "boot" ? menu.state.outcome.entry : null;
}

describe("editing an entry", () => {
  it("shows its kernel with the arguments, and each ramdisk, as lines", () => {
    const menu = session(ONE);
    menu.press("e");
    expect(menu.rows().slice(0, 4)).toEqual([
      " only",
      "",
      " > linux /boot/vmlinuz root=/dev/xvda1 ro",
      "   initrd /boot/initrd.img",
    ]);
  });

  it("calls the kernel's line kernel in a GRUB legacy config", () => {
    const menu = session({ ...ONE, syntax: "grub-legacy" });
    menu.press("e");
    expect(menu.selected()).toBe("> kernel /boot/vmlinuz root=/dev/xvda1 ro");
  });

  it.each(["b", "ctrl-x", "f10"])("boots by %j what it is left as, arguments and files unchanged", (key) => {
    const menu = session(ONE);
    menu.press("e", key);
    expect(booted(menu)).toMatchObject(entry("only"));
  });

  it("boots changed arguments, to the letter", () => {
    const menu = session(ONE);
    menu.press("e", "e", ' init="/bin/sh -c"  x=\\1', "enter", "b");
    expect(booted(menu)?.arguments).toBe('root=/dev/xvda1 ro init="/bin/sh -c"  x=\\1');
  });

  it.each(["ctrl-x", "f10"])("boots by %j in the middle of a line, with what was typed", (key) => {
    const menu = session(ONE);
    menu.press("e", "e", " single", key);
    expect(booted(menu)?.arguments).toBe("root=/dev/xvda1 ro single");
  });

  it("leaves a line as it was on Esc, and the entry on a second Esc", () => {
    const menu = session(ONE);
    menu.press("e", "e", " single", "escape");
    expect(menu.selected()).toBe("> linux /boot/vmlinuz root=/dev/xvda1 ro");
    menu.press("escape", "enter");
    expect(booted(menu)).toEqual(ONE.entries[0]);
  });

  it("takes a line out with d", () => {
    const menu = session(ONE);
    menu.press("e", "down", "d", "b");
    expect(booted(menu)?.ramdisks).toEqual([]);
  });

  it("opens a line with o, and forgets it when it is abandoned", () => {
    const more = { ...FILES, "/boot/ucode.img": "microcode" };
    const menu = session(ONE, { volumes: [volume(1, filesystem(more))] });
    menu.press("e", "o", "initrd /boot/gone", "escape");
    expect(menu.text()).not.toContain("gone");
    menu.press("o", "initrd /boot/ucode.img", "enter", "b");
    expect(booted(menu)?.ramdisks.map((file) => file.path)).toEqual(["/boot/ucode.img", "/boot/initrd.img"]);
  });

  it("opens a line above with O, and one in an entry that has none left", () => {
    const menu = session(ONE);
    menu.press("e", "O", "# no command", "enter");
    expect(menu.selected()).toBe("> # no command");
    menu.press("d", "d", "d", "o", "linux /boot/vmlinuz quiet", "ctrl-x");
    expect(booted(menu)).toMatchObject({ arguments: "quiet", ramdisks: [] });
  });

  it.each([
    [["d"], "no kernel is named"],
    [["o", "boot now", "enter"], 'line 2: "boot" is not linux, initrd or root'],
    [["o", "initrd", "enter"], "line 2: initrd names no file"],
    [["o", "initrd boot/x", "enter"], "a file's path begins with a slash"],
    [["o", "initrd (hd7,3)/x", "enter"], '"(hd7,3)" is not there; there is (hd0,gpt1)'],
    [["o", "initrd (hd0/x", "enter"], "its parenthesis is not closed"],
    [["o", "initrd /boot/gone", "enter"], "/boot/gone does not exist in the guest"],
  ])("says what is wrong after %j, and goes back to the lines", (keys, words) => {
    const menu = session(ONE);
    menu.press("e", ...keys, "b");
    expect(menu.text()).toContain(words);
    menu.press("enter");
    expect(menu.state.screen.kind).toBe("editor");
    expect(menu.state.outcome).toBeNull();
  });

  it("names files of other volumes by their device, and finds them again", () => {
    const root = volume(1, filesystem({ "/etc/fstab": "" }));
    const boot = volume(2, filesystem({ "/vmlinuz": "kernel" }));
    const shown = config([entry("split", { kernel: { device: null, volume: boot, path: "/vmlinuz" }, ramdisks: [] })]);
    const unchanged = session(shown, { volumes: [root, boot] });
    unchanged.press("e");
    expect(unchanged.selected()).toBe("> linux (hd0,gpt2)/vmlinuz root=/dev/xvda1 ro");
    unchanged.press("b");
    expect(booted(unchanged)?.kernel.volume).toBe(boot);
    const typed = session(shown, { volumes: [root, boot] });
    typed.press("e", "e", "ctrl-a", "ctrl-k", "linux (hd0,2)/vmlinuz", "ctrl-x");
    expect(booted(typed)?.kernel).toEqual({ device: null, volume: boot, path: "/vmlinuz" });
  });

  it("counts partitions from 0 in a GRUB legacy config", () => {
    const volumes = [volume(1, filesystem({}), "mbr"), volume(2, filesystem({ "/k": "" }), "mbr")];
    const menu = session({ ...config([entry("x")]), syntax: "grub-legacy" }, { volumes });
    menu.press("e", "d", "e", "ctrl-u", "kernel (hd0,1)/k", "ctrl-x");
    expect(booted(menu)?.kernel.volume).toBe(volumes[1]);
  });

  it("shows a device that the disk does not have as the config counts it, and leaves it to the start what it means", () => {
    const kernel = { device: { disk: 0, partition: 1 }, path: "/boot/vmlinuz" };
    const whole = { ...volume(1, filesystem(FILES)), name: "whole disk", number: null, table: "none" };
    const menu = session({ ...config([entry("moved", { kernel })]), syntax: "grub-legacy" }, { volumes: [whole] });
    menu.press("e");
    expect(menu.selected()).toBe("> kernel (hd0,0)/boot/vmlinuz root=/dev/xvda1 ro");
    menu.press("e", " single", "ctrl-x");
    expect(booted(menu)).toMatchObject({ kernel, arguments: "root=/dev/xvda1 ro single" });
  });

  it("reads names without a device from where root points", () => {
    const volumes = [volume(1, filesystem({})), volume(2, filesystem({ "/k": "" }))];
    const menu = session(config([entry("x")]), { volumes });
    menu.press("e", "d", "e", "ctrl-u", "root (hd0,2)", "enter", "o", "linux /k", "ctrl-x");
    expect(booted(menu)?.kernel.volume).toBe(volumes[1]);
  });

  it("keeps the section of a unified kernel image when only the arguments are changed", () => {
    const section = { offset: 4096, length: 100 };
    const kernel = { device: null, path: "/boot/vmlinuz", section };
    const menu = session(config([entry("unified", { kernel })]));
    menu.press("e", "e", " debug", "ctrl-x");
    expect(booted(menu)?.kernel).toEqual(kernel);
  });

  it("completes a file's name", () => {
    const menu = session(ONE);
    menu.press("e", "o", "initrd /bo", "tab", "i", "tab", "ctrl-x");
    expect(booted(menu)?.ramdisks[0]?.path).toBe("/boot/initrd.img");
  });

  it("moves in a line that is wider than the screen", () => {
    const long = Array.from({ length: 60 }, (_, index) => `a${index}`).join(" ");
    const menu = session(config([entry("long", { arguments: long })]));
    menu.press("e", "e");
    expect(menu.text()).toContain("a59");
    menu.press("home");
    expect(menu.text()).toContain("> linux /boot/vmlinuz a0");
  });
});

describe("editing the arguments", () => {
  it("boots with them on Enter", () => {
    const menu = session(ONE);
    menu.press("a", " single", "enter");
    expect(booted(menu)?.arguments).toBe("root=/dev/xvda1 ro single");
  });

  it.each([
    [["ctrl-u", "new"], "new"],
    [["home", "x"], "xroot=/dev/xvda1 ro"],
    [["ctrl-a", "delete", "ctrl-e", "backspace"], "oot=/dev/xvda1 r"],
    [["left", "left", "ctrl-k"], "root=/dev/xvda1 "],
    [["ctrl-w"], "root=/dev/xvda1 "],
    [["ctrl-b", "ctrl-f", "ctrl-h"], "root=/dev/xvda1 r"],
    [[" ü漢😀", "left", "backspace"], "root=/dev/xvda1 ro ü😀"],
    [[" e\u0301", "left", "x", "right", "backspace"], "root=/dev/xvda1 ro x"],
  ])("edits by %j", (keys, expected) => {
    const menu = session(ONE);
    menu.press("a", ...keys, "enter");
    expect(booted(menu)?.arguments).toBe(expected);
  });

  it("changes nothing on Esc", () => {
    const menu = session(ONE);
    menu.press("a", "x", "escape", "enter");
    expect(booted(menu)).toEqual(ONE.entries[0]);
  });
});
