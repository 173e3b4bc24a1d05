import { describe, expect, it } from "vitest";
import { config, entry, FILES, filesystem, session, volume, type SessionOptions } from "./session.ts";

const more = {
  ...FILES,
  "/boot/vmlinuz-6.1": "kernel",
  "/boot/grub/grub.cfg": "menuentry",
  "/a b/c": "blank",
  "/etc/evil\x1b[2J": "x",
};

function atCommandLine(options: SessionOptions = {}) {
  const volumes = [volume(1, filesystem(more)), volume(2, null), volume(3, filesystem({ "/data": "d" }, "xfs"))];
  const menu = session(config([entry("one")]), { volumes, ...options });
  menu.press("c");
  return menu;
}

describe("the command line", () => {
  it("boots what linux and initrd have named", () => {
    const menu = atCommandLine();
    menu.press("linux /boot/vmlinuz-6.1 root=/dev/xvda1  quiet", "enter", "initrd /boot/initrd.img", "enter");
    menu.press("boot", "enter");
    expect(menu.state.outcome).toEqual({
      kind: "boot",
      entry: {
        title: "from the command line",
        id: null,
        kernel: { device: null, path: "/boot/vmlinuz-6.1" },
        ramdisks: [{ device: null, path: "/boot/initrd.img" }],
        arguments: "root=/dev/xvda1  quiet",
      },
    });
  });

  it("takes several ramdisks in one line, and GRUB's other words", () => {
    const menu = atCommandLine();
    menu.press("kernel /boot/vmlinuz", "enter", "initrd16 /boot/initrd.img /etc/fstab", "enter", "boot", "enter");
    expect(menu.state.outcome).toMatchObject({
      entry: { ramdisks: [{ path: "/boot/initrd.img" }, { path: "/etc/fstab" }], arguments: "" },
    });
  });

  it.each([
    ["boot", "error: no kernel is named: linux /boot/vmlinuz ARGUMENTS"],
    ["linux /boot/gone", "error: /boot/gone does not exist in the guest"],
    ["linux", "error: linux names no file"],
    ["insmod ext2", 'error: "insmod" is no command here; help lists them'],
    ["constructor", 'error: "constructor" is no command here'],
    ["cat", "error: cat names no file"],
    ["cat /boot", "error: /boot in the guest is a folder, not a file"],
    ["ls /gone", "error: /gone does not exist in the guest"],
    ["ls (hd0,9)/", 'error: "(hd0,9)" is not there'],
    ["ls (hd0,gpt2)/", "error: no known filesystem"],
    ["find /nowhere", 'error: "/nowhere" is on no volume of the guest'],
    ["root (hd3)", 'error: "(hd3)" is not there'],
  ])("answers %j with %j, and goes on", (typed, answer) => {
    const menu = atCommandLine();
    menu.press(typed, "enter");
    expect(menu.text()).toContain(answer);
    expect(menu.state.outcome).toBeNull();
    menu.press("cat /etc/fstab", "enter");
    expect(menu.rows().slice(-3)).toEqual(["one", "two", "grub>"]);
  });

  it("lists devices, folders, and sizes with -l", () => {
    const menu = atCommandLine();
    menu.press("ls", "enter");
    expect(menu.text()).toContain("(hd0,gpt1)  partition 1: ext4");
    expect(menu.text()).toContain("(hd0,gpt2)  partition 2: no known filesystem");
    expect(menu.text()).toContain("(hd0,gpt3)  partition 3: xfs");
    menu.press("ls /boot", "enter");
    expect(menu.text()).toContain("vmlinuz  initrd.img  vmlinuz-6.1  grub/");
    menu.press("ls -l (hd0,gpt3)/", "enter");
    expect(menu.text()).toMatch(/ 1 data$/m);
    menu.press("ls /boot/vmlinuz", "enter");
    expect(menu.text()).toContain("/boot/vmlinuz  6 bytes");
  });

  it("looks where root points", () => {
    const menu = atCommandLine();
    menu.press("root (hd0,3)", "enter", "cat /data", "enter");
    expect(menu.rows().at(-2)).toBe("d");
    menu.press("find /data", "enter");
    expect(menu.rows().at(-2)).toBe("(hd0,gpt3)");
  });

  it("shows what a file holds harmlessly, the start of a long one first", () => {
    const lines = Array.from({ length: 100 }, (_, index) => `line ${index}`).join("\n");
    const files = filesystem({ "/long": lines, "/evil": "\x1b[2J\tx\r\n\x00" });
    const menu = atCommandLine({ volumes: [volume(1, files)] });
    menu.press("cat /evil", "enter");
    expect(menu.text()).toContain("\\x1b[2J        x\n\\x00\n");
    menu.press("cat /long", "enter");
    expect(menu.rows()[1]).toBe("line 0");
    menu.press("page down");
    expect(menu.text()).toContain("line 40\n");
    expect(menu.text()).not.toContain("line 0\n");
    menu.press("page down", "page down", "page down", "page down");
    expect(menu.text()).toContain("line 99\ngrub>");
    menu.press("page up", "x");
    expect(menu.text()).toContain("line 99\ngrub> x");
  });

  it("reads no more of a file than a person can", () => {
    const huge = filesystem({ "/huge": "x\n".repeat(100_000) });
    const menu = atCommandLine({ volumes: [volume(1, huge)] });
    menu.press("cat /huge", "enter", "x");
    expect(menu.text()).toContain("... and 134464 bytes more");
  });

  it("completes commands, devices and paths", () => {
    const menu = atCommandLine();
    menu.press("li", "tab", "(hd0,gpt1", "tab", "bo", "tab", "vm", "tab", "-", "tab", "x=1", "enter", "boot", "enter");
    expect(menu.state.outcome).toMatchObject({
      entry: { kernel: { device: null, path: "/boot/vmlinuz-6.1" }, arguments: "x=1" },
    });
  });

  it("shows the choices where there are several", () => {
    const menu = atCommandLine();
    menu.press("linux /boot/vm", "tab");
    expect(menu.rows().slice(-2)).toEqual(["vmlinuz  vmlinuz-6.1", "grub> linux /boot/vmlinuz"]);
  });

  it("completes a name with a blank so that it is one word, and one with control characters so that it does no harm", () => {
    const menu = atCommandLine();
    menu.press("cat /a", "tab", "tab", "enter");
    expect(menu.rows().slice(-3, -1)).toEqual(["grub> cat /a\\ b/c", "blank"]);
    menu.press("cat /etc/e", "tab", "enter");
    expect(menu.text()).toContain("cat /etc/evil\\x1b[2J");
    expect(menu.text()).not.toContain("\x1b");
  });

  it.each(["/gone/x", "(hd9,1)/x", "(hd0,gpt2)/x", "root=/dev/x", ""])("leaves %j as it is", (word) => {
    const menu = atCommandLine();
    menu.press(`cat ${word === "" ? "" : word}`);
    const before = menu.rows().at(-1);
    if (word !== "") menu.press("tab");
    expect(menu.rows().at(-1)).toBe(before);
  });

  it("brings typed lines back with the arrow keys", () => {
    const menu = atCommandLine();
    menu.press("help", "enter", "ls", "enter", "up", "up");
    expect(menu.rows().at(-1)).toBe("grub> help");
    menu.press("down");
    expect(menu.rows().at(-1)).toBe("grub> ls");
    menu.press("down");
    expect(menu.rows().at(-1)).toBe("grub>");
  });

  it.each([["escape"], ["ctrl-c"], ["ctrl-d"], ["exit", "enter"]])("goes back to the list by %j", (...keys) => {
    const menu = atCommandLine();
    menu.press(...keys);
    expect(menu.state.screen.kind).toBe("list");
  });

  it("says what help lists", () => {
    const menu = atCommandLine();
    menu.press("help", "enter");
    for (const word of ["linux", "initrd", "boot", "ls", "cat", "exit"]) {
      expect(menu.text()).toMatch(new RegExp(`^${word}\\b`, "m"));
    }
  });
});
