import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { memorySource, sliceSource } from "../../src/base/byte-source.ts";
import { GuestbootError } from "../../src/base/errors.ts";
import { readBlsMenu } from "../../src/bootconfig/bls-menu.ts";
import { readPeSections } from "../../src/bootconfig/pe-sections.ts";
import { readUki } from "../../src/bootconfig/uki.ts";
import { madeUpVolume, placeOn } from "./made-up-guest.ts";

const STUB = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-uki-"));
afterAll(() => {
  fs.rmSync(folder, { recursive: true, force: true });
});

/** A unified kernel image as ukify and dracut make it: sections added to systemd's stub. */
function makeUki(sections: Readonly<Record<string, string>>): Uint8Array {
  if (!fs.existsSync(STUB)) throw new Error(`${STUB} is missing: apt-get install systemd-boot-efi`);
  const output = path.join(folder, "image.efi");
  const args = Object.entries(sections).flatMap(([name, content], index) => {
    const file = path.join(folder, `section-${index}`);
    fs.writeFileSync(file, content);
    return [`--add-section`, `.${name}=${file}`, `--change-section-vma`, `.${name}=${0x2000000 + index * 0x1000000}`];
  });
  const done = spawnSync("objcopy", [...args, STUB, output], { encoding: "utf8" });
  if (done.error !== undefined) throw new Error("objcopy is missing: apt-get install binutils");
  if (done.status !== 0) throw new Error(`objcopy: ${done.stderr}`);
  return fs.readFileSync(output);
}

const IMAGE = makeUki({
  osrel: 'NAME="Fedora Linux"\nID=fedora\nVERSION_ID=40\nPRETTY_NAME="Fedora Linux 40 (Cloud Edition)"\n',
  cmdline: "root=/dev/xvda2 ro\n",
  uname: "6.8.5-301.fc40.x86_64\n",
  linux: "the kernel itself",
  initrd: "the initrd",
});

const textOf = (image: Uint8Array, part: { offset: number; length: number } | undefined): string =>
  part === undefined
    ? ""
    : Buffer.from(sliceSource(memorySource(image), part.offset, part.length, "part").read(0, part.length)).toString();

describe("a unified kernel image", () => {
  test("has its kernel, initrd, arguments and words as sections", () => {
    const uki = readUki(memorySource(IMAGE));
    expect(textOf(IMAGE, uki?.kernel)).toBe("the kernel itself");
    expect(uki?.ramdisks.map((part) => textOf(IMAGE, part))).toEqual(["the initrd"]);
    expect(uki).toMatchObject({ arguments: "root=/dev/xvda2 ro", kernelVersion: "6.8.5-301.fc40.x86_64" });
    expect(uki?.osRelease.get("PRETTY_NAME")).toBe("Fedora Linux 40 (Cloud Edition)");
  });

  test("its sections lie where objdump says they do", () => {
    const file = path.join(folder, "dump.efi");
    fs.writeFileSync(file, IMAGE);
    const dump = spawnSync("objdump", ["-h", file], { encoding: "utf8" });
    if (dump.error !== undefined) throw new Error("objdump is missing: apt-get install binutils");
    const theirs = [...dump.stdout.matchAll(/^\s+\d+ (\S+)\s+([0-9a-f]+)  \S+  \S+  ([0-9a-f]+)/gm)].map(
      ([, name, size, offset]) => [name, Number.parseInt(size ?? "", 16), Number.parseInt(offset ?? "", 16)],
    );
    const ours = readPeSections(memorySource(IMAGE))?.map(({ name, length, offset }) => [name, length, offset]);
    expect(theirs.length).toBeGreaterThan(5);
    expect(ours).toEqual(expect.arrayContaining(theirs.filter(([name]) => name === ".linux" || name === ".initrd")));
  });

  test("with one profile is read as that one", () => {
    const image = makeUki({ linux: "k", cmdline: "base", profile: "ID=main\n" });
    expect(readUki(memorySource(image))).toMatchObject({ arguments: "base", hasMoreProfiles: false });
  });

  test("microcode is unpacked before the initrd", () => {
    const image = makeUki({ linux: "k", initrd: "rest", ucode: "early" });
    expect(readUki(memorySource(image))?.ramdisks.map((part) => textOf(image, part))).toEqual(["early", "rest"]);
  });

  test("systemd's own boot loader is none, and text is no program at all", () => {
    expect(readUki(memorySource(fs.readFileSync(STUB)))).toBeNull();
    expect(readUki(memorySource(Buffer.from("MZ and nothing else".repeat(10))))).toBeNull();
    expect(readUki(memorySource(Buffer.from("")))).toBeNull();
  });

  test("every cut, and every changed byte of its headers, ends in a result or a typed error", () => {
    const attempt = (bytes: Uint8Array): void => {
      try {
        readUki(memorySource(bytes));
      } catch (error) {
        if (!(error instanceof GuestbootError)) throw error;
        expect(["IMAGE_DAMAGED", "OUT_OF_BOUNDS"]).toContain(error.code);
      }
    };
    for (let size = 0; size < 1_500; size += 7) attempt(IMAGE.subarray(0, size));
    for (let at = 0; at < 1_024; at++) {
      const changed = Buffer.from(IMAGE);
      changed[at] = (changed[at] ?? 0) ^ 0xff;
      attempt(changed);
    }
  });
});

describe("EFI/Linux", () => {
  test("its images are entries with slices of their file", () => {
    const own = madeUpVolume(1, {
      "/EFI/Linux/fedora-6.8+3.efi": IMAGE,
      "/EFI/Linux/shell.efi": fs.readFileSync(STUB),
    });
    const config = readBlsMenu("", placeOn("/EFI/Linux", own));
    const [entry] = config.entries;
    expect(entry).toMatchObject({
      title: "Fedora Linux 40 (Cloud Edition)",
      id: "fedora-6.8",
      kernel: { path: "/EFI/Linux/fedora-6.8+3.efi" },
      arguments: "root=/dev/xvda2 ro",
    });
    expect(textOf(IMAGE, entry?.kernel.section)).toBe("the kernel itself");
    expect(textOf(IMAGE, entry?.ramdisks[0]?.section)).toBe("the initrd");
    expect(config.notes.join()).toMatch(/"shell\.efi".*no unified kernel image/);
  });

  test("an entry file may name one, with options of its own in place of the image's", () => {
    const own = madeUpVolume(1, {
      "/loader/entries/a.conf": "title mine\nefi /EFI/x.efi\noptions single\n",
      "/EFI/x.efi": IMAGE,
    });
    const config = readBlsMenu("", placeOn("/loader/entries", own));
    expect(config.entries[0]).toMatchObject({ title: "mine", arguments: "single", kernel: { path: "/EFI/x.efi" } });
    expect(textOf(IMAGE, config.entries[0]?.kernel.section)).toBe("the kernel itself");
  });
});
