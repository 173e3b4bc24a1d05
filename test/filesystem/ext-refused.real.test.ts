import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeFilesystemImage } from "../../fixtures/disk-images.ts";
import { openDisk } from "../../src/disk/open-disk.ts";
import { openFilesystem } from "../../src/filesystem/detect.ts";
import { call } from "./call.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-ext-refused-"));
const content = path.join(folder, "content");
const image = path.join(folder, "disk.img");

beforeAll(() => {
  fs.mkdirSync(path.join(content, "boot"), { recursive: true });
  fs.writeFileSync(path.join(content, "boot/vmlinuz"), "a kernel");
  fs.symlinkSync("vmlinuz", path.join(content, "boot/link"));
  fs.writeFileSync(path.join(content, "plain"), "plain");
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

/** An ext4 image on which debugfs has then done what `requests` say. */
function imageWith(options: readonly string[], ...requests: readonly string[]): void {
  makeFilesystemImage({ path: image, type: "ext4", sizeMiB: 8, folder: content, options });
  for (const request of requests) call("debugfs", ["-w", "-R", request, image], "e2fsprogs");
}

function open() {
  const disk = openDisk(image);
  return { filesystem: openFilesystem(disk.source), [Symbol.dispose]: () => disk[Symbol.dispose]() };
}

const unsupported = (words: string): unknown =>
  expect.objectContaining({ code: "FEATURE_UNSUPPORTED", message: expect.stringContaining(words) as unknown });

describe("an ext filesystem whose features change what its bytes mean", () => {
  it.each([
    ["0x1", "compression"],
    ["0x1000", "dirdata"],
    ["0x800000", "0x800000 (not known)"],
    ["0x80000000", "0x80000000 (not known)"],
    ["0x20", "0x20 (not known)"],
    ["0x200001", "compression"],
  ])("(s_feature_incompat has %s) is refused by name: %s", (bit, name) => {
    imageWith([]);
    setIncompatible(Number(bit));
    expect(() => open()).toThrow(unsupported(name));
  });

  it("is refused with every reason at once", () => {
    imageWith([]);
    setIncompatible(0x200001);
    expect(() => open()).toThrow(unsupported("0x200000 (not known)"));
  });

  it("is refused when it is the journal of another filesystem", () => {
    call("mkfs.ext4", ["-q", "-F", "-O", "journal_dev", "-b", "4096", image, "8M"], "e2fsprogs");
    expect(() => open()).toThrow(unsupported("journal_dev"));
  });

  it("is read in spite of features that only a writer needs to know", () => {
    imageWith(["-O", "project,quota,verity,stable_inodes"]);
    setReadOnlyCompatible(0x40000000);
    using opened = open();
    expect(opened.filesystem.open("/plain").size).toBe(5);
  });
});

describe("an encrypted file", () => {
  const ENCRYPTED = "0x80800";

  it("is refused by name, and only it", () => {
    imageWith(["-O", "encrypt"], `set_inode_field /boot/vmlinuz flags ${ENCRYPTED}`);
    using opened = open();
    expect(() => opened.filesystem.open("/boot/vmlinuz")).toThrow(unsupported("an encrypted file"));
    expect(Buffer.from(opened.filesystem.open("/plain").read(0, 5)).toString()).toBe("plain");
  });

  it("that is a folder is not looked into", () => {
    imageWith(["-O", "encrypt"], `set_inode_field /boot flags ${ENCRYPTED}`);
    using opened = open();
    expect(() => opened.filesystem.open("/boot/vmlinuz")).toThrow(unsupported("an encrypted directory"));
    expect(() => opened.filesystem.list("/boot")).toThrow(unsupported("an encrypted directory"));
  });

  it("that is a link is not followed", () => {
    imageWith(["-O", "encrypt"], "set_inode_field /boot/link flags 0x800");
    using opened = open();
    expect(() => opened.filesystem.open("/boot/link")).toThrow(unsupported("an encrypted symlink"));
  });
});

/** Sets bits of the superblock's features: incompatible at 0x60, read-only compatible at 0x64. */
const setIncompatible = (bits: number) => setBits(1024 + 0x60, bits);
const setReadOnlyCompatible = (bits: number) => setBits(1024 + 0x64, bits);

function setBits(offset: number, bits: number): void {
  const bytes = fs.readFileSync(image);
  bytes.writeUInt32LE((bytes.readUInt32LE(offset) | bits) >>> 0, offset);
  fs.writeFileSync(image, bytes);
}
