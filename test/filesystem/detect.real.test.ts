import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { memorySource } from "../../src/base/byte-source.ts";
import { openDisk } from "../../src/disk/open-disk.ts";
import { openFilesystem } from "../../src/filesystem/detect.ts";
import { noise } from "../base/seeded.ts";
import { call } from "./call.ts";

const MIB = 1024 * 1024;
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-detect-"));
const content = path.join(folder, "content");
const image = path.join(folder, "disk.img");
fs.mkdirSync(content);
fs.writeFileSync(path.join(content, "file"), "content");
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

beforeEach(() => fs.rmSync(image, { force: true }));

const namedAs = (words: string): unknown =>
  expect.objectContaining({ code: "NO_FILESYSTEM", message: expect.stringContaining(words) as unknown });

describe("a volume that a tool made", () => {
  it.each([
    ["Linux swap space", 1, "mkswap", [image], "util-linux"],
    ["a partition table (GPT)", 8, "sfdisk", ["-q", image], "fdisk"],
    [
      "an encrypted volume (LUKS)",
      32,
      "cryptsetup",
      ["luksFormat", "-q", "--type", "luks1", "--pbkdf-force-iterations", "1000", "--key-file", "-", image],
      "cryptsetup-bin",
    ],
  ] as const)("is named: %s (of %i MiB)", (words, sizeMiB, program, args, debianPackage) => {
    if (sizeMiB > 0) fs.writeFileSync(image, "");
    if (sizeMiB > 0) fs.truncateSync(image, sizeMiB * MIB);
    call(program, args, debianPackage, program === "sfdisk" ? "label: gpt\nsize=1MiB\n" : "a pass phrase");
    using disk = openDisk(image);
    expect(() => openFilesystem(disk.source)).toThrow(namedAs(`${words}, which cannot be read yet`));
  });
});

/** Bytes of `size`, all zero but for `text` at `offset`. */
function bytesWith(size: number, offset: number, text: string | Uint8Array): Buffer {
  const bytes = Buffer.alloc(size);
  bytes.set(typeof text === "string" ? Buffer.from(text, "latin1") : text, offset);
  return bytes;
}

/** Where a format has its magic: from the format's description, not from what our table says. */
const BY_HAND: readonly (readonly [words: string, what: string, bytes: Buffer])[] = [
  ["a ReiserFS filesystem", "from before Linux 2.4, superblock at 8 KiB", bytesWith(MIB, 8192 + 52, "ReIsErFs")],
  ["an LVM physical volume", "its label in sector 1", bytesWith(MIB, 512, "LABELONE\x01")],
  ["an LVM physical volume", "its label in sector 3", bytesWith(MIB, 1536, "LABELONE\x03")],
  ["a member of a Linux RAID", "metadata 1.1, at the start", bytesWith(MIB, 0, "\xfc\x4e\x2b\xa9\x01")],
  ["a member of a Linux RAID", "metadata 1.2, at 4 KiB", bytesWith(MIB, 4096, "\xfc\x4e\x2b\xa9\x01")],
  ["an encrypted volume (LUKS)", "version 2", bytesWith(MIB, 0, "LUKS\xba\xbe\x00\x02")],
  ["an NTFS filesystem", "its OEM name", bytesWith(MIB, 0, "\xeb\x52\x90NTFS    ")],
];

describe("a volume with the bytes of", () => {
  it.each(BY_HAND)("%s (%s) is named", (words, _what, bytes) => {
    expect(() => openFilesystem(memorySource(bytes))).toThrow(namedAs(words));
  });

  it.each([
    ["nothing but zeros", Buffer.alloc(MIB), "empty"],
    ["noise", Buffer.from(noise(MIB, 9)), "no filesystem that is known"],
    ["zeros, very small", Buffer.alloc(10), "empty"],
    ["noise, very small", Buffer.from(noise(10, 9)), "no filesystem that is known"],
    ["nothing at all", Buffer.alloc(0), ""],
  ])("%s is told as what it is", (_what, bytes, words) => {
    expect(() => openFilesystem(memorySource(bytes))).toThrow(namedAs(words));
  });
});
