import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { memorySource } from "../../src/base/byte-source.ts";
import { openFilesystem } from "../../src/filesystem/detect.ts";
import { noise, seeded } from "../base/seeded.ts";
import { explore } from "./explore.ts";
import { makeFatImage, mtools } from "./fat-image.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-fat-hostile-"));
const image = path.join(folder, "disk.img");
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const KINDS = [12, 16, 32] as const;
const SIZES_KIB = { 12: 1440, 16: 8192, 32: 40_960 } as const;
const pristine = new Map<number, Buffer>();

beforeAll(() => {
  const content = path.join(folder, "content");
  fs.mkdirSync(path.join(content, "boot/a long name of a folder"), { recursive: true });
  fs.writeFileSync(path.join(content, "boot/VMLINUZ"), noise(30_000, 1));
  fs.writeFileSync(path.join(content, "boot/initrd.img-6.1.0-18-amd64"), noise(20_000, 2));
  for (const bits of KINDS) {
    makeFatImage(image, SIZES_KIB[bits], ["-F", String(bits), "-s", "1"]);
    mtools("mcopy", image, "-s", path.join(content, "boot"), "::/");
    pristine.set(bits, fs.readFileSync(image));
  }
});

/** The bytes of an image, and where its parts begin. */
function forge(bits: 12 | 16 | 32) {
  const bytes = Buffer.from(pristine.get(bits) ?? Buffer.alloc(0));
  const table = bytes.readUInt16LE(0x0e) * 512;
  const tableSectors = bytes.readUInt16LE(0x16) || bytes.readUInt32LE(0x24);
  const root = table + bytes.readUInt8(0x10) * tableSectors * 512;
  return { bytes, table, root, entryOf: (name: string) => bytes.indexOf(name.padEnd(11), root, "latin1") };
}

const open = (bytes: Buffer) => openFilesystem(memorySource(bytes));
const ours = (code: string): unknown => expect.objectContaining({ name: "GuestbootError", code });
const damaged = ours("FILESYSTEM_DAMAGED");
const FIRST_CLUSTER = 26;

describe("a boot sector whose numbers cannot be", () => {
  it.each([
    ["sectors of 100 bytes", 0x0b, 100, 2],
    ["sectors of 8192 bytes", 0x0b, 8192, 2],
    ["clusters of no sectors", 0x0d, 0, 1],
    ["clusters of 3 sectors", 0x0d, 3, 1],
    ["no reserved sectors", 0x0e, 0, 2],
    ["no tables", 0x10, 0, 1],
    ["no room in its root folder", 0x11, 0, 2],
    ["an unknown medium", 0x15, 0x11, 1],
    ["a table that is longer than the disk", 0x16, 65535, 2],
    ["fewer sectors than its tables have", 0x13, 5, 2],
  ])("(%s) is damage", (_what, offset, value, width) => {
    const { bytes } = forge(12);
    bytes.writeUIntLE(value, offset, width);
    expect(() => open(bytes)).toThrow(damaged);
  });

  it("(a table in use that is not there) is damage", () => {
    const { bytes } = forge(32);
    bytes.writeUInt16LE(0x85, 0x28);
    expect(() => open(bytes)).toThrow(damaged);
  });
});

describe.each(KINDS)("FAT%i", (bits) => {
  it("with a file whose clusters go round in a circle is damage, and only that file", () => {
    const { bytes, table, entryOf } = forge(bits);
    const first = bytes.readUInt16LE(entryOf("VMLINUZ") + FIRST_CLUSTER);
    const next = first + 3;
    if (bits === 12) {
      const at = table + next + (next >> 1);
      const pair = bytes.readUInt16LE(at);
      bytes.writeUInt16LE((next & 1) === 1 ? (pair & 0xf) | (first << 4) : (pair & 0xf000) | first, at);
    } else bytes.writeUIntLE(first, table + (next * bits) / 8, bits / 8);
    const filesystem = open(bytes);
    expect(() => filesystem.open("/boot/vmlinuz").read(0, 100)).toThrow(damaged);
    const intact = filesystem.open("/boot/initrd.img-6.1.0-18-amd64");
    expect(Buffer.from(intact.read(0, intact.size)).equals(noise(20_000, 2))).toBe(true);
  });

  it.each([1, 0xff0, 60_000])("with a file that begins in cluster %i is damage", (cluster) => {
    const { bytes, entryOf } = forge(bits);
    bytes.writeUInt16LE(cluster, entryOf("VMLINUZ") + FIRST_CLUSTER);
    const file = () => open(bytes).open("/boot/vmlinuz").read(0, 30_000);
    expect(file).toThrow(damaged);
  });

  it("with a file that is longer than its clusters is damage", () => {
    const { bytes, entryOf } = forge(bits);
    bytes.writeUInt32LE(0xffffffff, entryOf("VMLINUZ") + 28);
    expect(() => open(bytes).open("/boot/vmlinuz").read(0, 1)).toThrow(damaged);
  });

  it("with a folder that is its own parent's child for ever ends", () => {
    const { bytes, entryOf } = forge(bits);
    const boot = entryOf("BOOT");
    const inside = entryOf("VMLINUZ");
    bytes.copy(bytes, inside + 20, boot + 20, boot + 32);
    bytes.writeUInt8(0x10, inside + 11);
    expect(open(bytes).find(`/boot${"/vmlinuz".repeat(400)}`)?.kind).toBe("directory");
  });

  it("that was damaged in any way gives results or our own errors", () => {
    const { bytes, table, root } = forge(bits);
    const original = pristine.get(bits) ?? Buffer.alloc(0);
    const random = seeded(bits);
    const seen: Record<string, number> = {};
    let slowest = 0;
    for (let round = 0; round < 400; round++) {
      const [start, length] = [
        [0, 90],
        [table, 300],
        [root, 2048],
        [root, 2048],
      ][round % 4] ?? [0, 90];
      const at = (start ?? 0) + (random() % (length ?? 90));
      bytes[at] = random() % 3 === 0 ? 0xff : random();
      const explored = explore(memorySource(bytes));
      slowest = Math.max(slowest, explored.milliseconds);
      for (const [code, count] of Object.entries(explored.errors)) seen[code] = (seen[code] ?? 0) + count;
      original.copy(bytes, at, at, at + 1);
    }
    expect(seen["FILESYSTEM_DAMAGED"]).toBeGreaterThan(10);
    expect(slowest).toBeLessThan(5000);
  });
});
