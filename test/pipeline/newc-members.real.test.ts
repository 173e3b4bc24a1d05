/** A ramdisk that GRUB puts together from files under names of their own, as GNU cpio reads it. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { programPath } from "../program.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-newc-"));
afterAll(() => fs.rmSync(folder, { recursive: true }));

/** An archive of one file, made by GNU cpio. */
function archiveOf(name: string, text: string): Buffer {
  const from = fs.mkdtempSync(path.join(folder, "from-"));
  fs.writeFileSync(path.join(from, name), text);
  return execFileSync("cpio", ["-o", "-H", "newc", "--quiet"], { cwd: from, input: name });
}

/** The ramdisk that a guest gets whose only entry has that line. */
function ramdiskOf(initrd: string, files: Readonly<Record<string, string | Buffer>>): Buffer {
  const root = fs.mkdtempSync(path.join(folder, "guest-"));
  const all = {
    ...files,
    "/boot/grub/grub.cfg": `menuentry Linux {\n linux /boot/vmlinuz ro\n ${initrd}\n}\n`,
    "/boot/vmlinuz": "a kernel",
  };
  for (const [name, content] of Object.entries(all)) {
    fs.mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    fs.writeFileSync(path.join(root, name), content);
  }
  const output = fs.mkdtempSync(path.join(folder, "boot-"));
  execFileSync(programPath("pygrub"), ["-q", `--output-directory=${output}`, root], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ramdisk = fs.readdirSync(output).find((name) => name.includes("ramdisk"));
  return fs.readFileSync(path.join(output, ramdisk ?? "no ramdisk"));
}

/** What `cpio -tvn` lists of one archive: mode, links, owner, group, size and name of each member. */
function listed(archive: Uint8Array): string[] {
  return execFileSync("cpio", ["-tvn", "--quiet"], {
    input: archive,
    encoding: "utf8",
    env: { ...process.env, TZ: "UTC" },
  })
    .trim()
    .split("\n")
    .map((line) =>
      line
        .trim()
        .replace(/\s+/g, " ")
        .replace(/ Jan 1 1970/, ""),
    );
}

const contentOf = (archive: Uint8Array, name: string): string =>
  execFileSync("cpio", ["-i", "--to-stdout", "--quiet", name], { input: archive, encoding: "utf8" });

describe("initrd newc:NAME:FILE", () => {
  const files = { "/boot/conf": "a=1\n", "/boot/key": "secret" };

  it("gives a ramdisk with the file under that name, and the folders around it", () => {
    const ramdisk = ramdiskOf("initrd newc:etc/app/conf:/boot/conf newc:/etc/key:/boot/key", files);
    expect(listed(ramdisk)).toEqual([
      "drwxrwxrwx 1 0 0 0 etc",
      "drwxrwxrwx 1 0 0 0 etc/app",
      "-rwxrwxrwx 1 0 0 4 etc/app/conf",
      "-rwxrwxrwx 1 0 0 6 etc/key",
    ]);
    expect(contentOf(ramdisk, "etc/app/conf")).toBe("a=1\n");
    expect(contentOf(ramdisk, "etc/key")).toBe("secret");
  });

  it("stands between the other ramdisks in their order, as an archive that has its end", () => {
    const first = archiveOf("first", "1");
    const last = archiveOf("last", "12");
    const odd = Buffer.concat([first, Buffer.alloc(3)]);
    const ramdisk = ramdiskOf("initrd /boot/first newc:conf:/boot/conf /boot/last", {
      ...files,
      "/boot/first": odd,
      "/boot/last": last,
    });
    const start = odd.length + 1;
    const end = ramdisk.length - last.length;
    expect(start % 4).toBe(0);
    expect(end % 4).toBe(0);
    expect(ramdisk.subarray(0, odd.length)).toEqual(odd);
    expect(ramdisk.subarray(end)).toEqual(last);
    const between = ramdisk.subarray(start, end);
    expect(listed(between)).toEqual(["-rwxrwxrwx 1 0 0 4 conf"]);
    expect(
      Buffer.from(between)
        .toString("latin1")
        .match(/TRAILER!!!/g),
    ).toHaveLength(1);
  });

  it("boots nothing where the file is not there", () => {
    expect(() => ramdiskOf("initrd newc:conf:/boot/gone", files)).toThrow(/\/boot\/gone/);
  });
});
