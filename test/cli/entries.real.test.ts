/** `guestboot entries` as a person and a program run it, on folders that stand for a guest's disk. */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { programPath, run } from "../program.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-entries-"));
afterAll(() => fs.rmSync(folder, { recursive: true }));

beforeAll(() => {
  const write = (name: string, text: string): void => {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    fs.writeFileSync(path.join(folder, name), text);
  };
  write("boot/grub/grub.cfg", "set prefix=($root)/boot/other\nexport prefix\nconfigfile $prefix/grub.cfg\n");
  write(
    "boot/other/grub.cfg",
    `load_env
set default="\${saved_entry}"
set timeout=3
menuentry 'First' --id first { linux /vmlinuz-1 root=/dev/xvda1 ro; initrd /initrd-1 /extra }
submenu 'More' --id more {
  menuentry 'Second' --id second { linux /vmlinuz-2 root=/dev/xvda1 ro }
}
`,
  );
  write("boot/other/grubenv", "# GRUB Environment Block\nsaved_entry=more>second\n".padEnd(1024, "#"));
  write("boot/grub/menu.lst", "title Old\nkernel /vmlinuz-0\n");
  fs.utimesSync(path.join(folder, "boot/grub/menu.lst"), 1_000_000, 1_000_000);
});

const EXPLANATION = [
  "/boot/grub/grub.cfg (GRUB 2) decides: it is the first place in the loader's order that boots a kernel",
  "/boot/grub/menu.lst (GRUB legacy) is there too, and older: not read",
  "the config reads (hd0)/boot/other/grub.cfg",
  "the menu is that of (hd0)/boot/other/grub.cfg",
  'default is "more>second"',
];

describe("guestboot entries", () => {
  it("explains which file decided, and why, after the table", () => {
    const done = run(programPath("guestboot"), ["entries", folder, "--explain"]);
    expect(done.stderr).toBe("");
    expect(done.status).toBe(0);
    const [before = "", after] = done.stdout.split("\n* boots by default\n");
    expect(before).toContain("* 1  More > Second\n       kernel     /vmlinuz-2\n");
    expect(after?.trim().split("\n")).toEqual(EXPLANATION);
  });

  it("explains it to programs too, and only when asked", () => {
    const explained = run(programPath("guestboot"), ["entries", folder, "--explain", "--json"]);
    expect(JSON.parse(explained.stdout)).toMatchObject({ explanation: EXPLANATION });
    const plain = run(programPath("guestboot"), ["entries", folder, "--json"]);
    expect(JSON.parse(plain.stdout)).toEqual({
      config: { path: "/boot/grub/grub.cfg", syntax: "grub2", volume: "folder", filesystem: "folder" },
      default: 1,
      timeout: 3,
      entries: [
        {
          title: "First",
          id: "first",
          kernel: "/vmlinuz-1",
          ramdisks: ["/initrd-1", "/extra"],
          arguments: "root=/dev/xvda1 ro",
        },
        { title: "Second", id: "second", kernel: "/vmlinuz-2", ramdisks: [], arguments: "root=/dev/xvda1 ro" },
      ],
    });
  });
});
