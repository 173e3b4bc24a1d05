import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ArgumentPiece, OutputFormat } from "../../src/toolstack/answer.ts";
import { formatAnswer } from "../../src/toolstack/format.ts";

const UPSTREAM = "/usr/lib/xen-4.17/bin/pygrub";
const PYTHON = "/usr/bin/python3";
const ARGUMENTS = "root=/dev/xvda1 ro quiet";
let folder = "";

beforeAll(() => {
  if (!existsSync(UPSTREAM)) throw new Error(`${UPSTREAM} is missing: apt-get install xen-utils-4.17`);
  if (!existsSync("/sbin/mkfs.ext4")) throw new Error("/sbin/mkfs.ext4 is missing: apt-get install e2fsprogs");
  if (!existsSync(PYTHON)) throw new Error(`${PYTHON} is missing: apt-get install python3`);
  folder = mkdtempSync(join(tmpdir(), "guestboot-format-"));
  for (const [name, withRamdisk] of [
    ["two", true],
    ["one", false],
  ] as const) {
    const root = join(folder, name);
    mkdirSync(join(root, "boot/grub"), { recursive: true });
    writeFileSync(join(root, "boot/vmlinuz"), "kernel");
    writeFileSync(join(root, "boot/initrd.img"), "ramdisk");
    const initrd = withRamdisk ? "initrd /boot/initrd.img\n" : "";
    const config = `default 0\ntitle t\nroot (hd0)\nkernel /boot/vmlinuz ${ARGUMENTS}\n${initrd}`;
    writeFileSync(join(root, "boot/grub/menu.lst"), config);
    execFileSync("truncate", ["-s", "8M", `${root}.img`]);
    execFileSync("/sbin/mkfs.ext4", ["-q", "-F", "-d", root, `${root}.img`]);
  }
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function upstream(name: string, format: OutputFormat): { text: string; kernel: string; ramdisk: string | null } {
  const argv = ["-q", `--output-format=${format}`, `--output-directory=${folder}`, join(folder, `${name}.img`)];
  const text = execFileSync(UPSTREAM, argv, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  const kernel = /[^ ']*boot_kernel\.[^\0\n']*/.exec(text)?.[0];
  if (kernel === undefined) throw new Error(`upstream answered ${JSON.stringify(text)}`);
  return { text, kernel, ramdisk: /[^ ']*boot_ramdisk\.[^\0\n']*/.exec(text)?.[0] ?? null };
}

function ours(kernel: string, ramdisk: string | null, format: OutputFormat, ...pieces: ArgumentPiece[]): string {
  return new TextDecoder().decode(formatAnswer({ kernel, ramdisk, arguments: pieces }, format));
}

describe("an answer beside upstream pygrub's", () => {
  const piece = { text: ARGUMENTS, escaped: false };

  it.each(["simple", "simple0"] as const)("is the same, byte for byte, in %s", (format) => {
    for (const name of ["two", "one"]) {
      const { text, kernel, ramdisk } = upstream(name, format);
      expect(ours(kernel, ramdisk, format, piece)).toBe(text);
    }
  });

  it("differs in sxp only by the quotes and the newline at the end", () => {
    for (const name of ["two", "one"]) {
      const { text, kernel, ramdisk } = upstream(name, "sxp");
      expect(ours(kernel, ramdisk, "sxp", piece).replaceAll('"', "'")).toBe(
        `${text.replaceAll(/(kernel|ramdisk) '([^']*)'/g, "$1 $2")}\n`,
      );
    }
  });

  it("holds command lines in sxp that Python reads as the string literals they are", () => {
    const texts = ['a="b c"', "back\\slash\\", "it's", '\\"', "\t", 'é "\\\\"'];
    const literals = texts.map((text) => {
      const line = ours("/k", null, "sxp", { text, escaped: false });
      return /^linux \(kernel \/k\)\(args (".*")\)\n$/.exec(line)?.[1];
    });
    const program = "import ast, json, sys; json.dump([ast.literal_eval(x) for x in json.load(sys.stdin)], sys.stdout)";
    const read: unknown = JSON.parse(
      execFileSync(PYTHON, ["-c", program], { input: JSON.stringify(literals), encoding: "utf8" }),
    );
    expect(read).toEqual(texts);
  });
});
