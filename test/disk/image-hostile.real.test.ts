import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { memorySource } from "../../src/base/byte-source.ts";
import { GuestbootError } from "../../src/base/errors.ts";
import { openImage } from "../../src/disk/image/open-image.ts";
import { noise, seeded } from "../base/seeded.ts";
import { call } from "../filesystem/call.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-image-hostile-"));
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));
const MIB = 1024 * 1024;

/** The bytes of an image of a disk of 2 MiB that is half noise, half zeros. */
function made(...args: readonly string[]): Buffer {
  const raw = path.join(folder, "raw");
  const image = path.join(folder, "image");
  fs.writeFileSync(raw, Buffer.concat([noise(MIB, 9), Buffer.alloc(MIB)]));
  call("qemu-img", ["convert", "-f", "raw", raw, image, ...args], "qemu-utils");
  return fs.readFileSync(image);
}

function readAll(bytes: Uint8Array): number {
  const { source } = openImage(memorySource(bytes));
  const length = Math.min(source.size, 4 * MIB);
  for (let at = 0; at < length; at += 64 * 1024) source.read(at, Math.min(64 * 1024, length - at));
  return length;
}

const failing = (code: string, words: string): unknown =>
  expect.objectContaining({ code, message: expect.stringContaining(words) as string });

const VHD = made("-O", "vpc", "-o", "subformat=dynamic");
const QCOW2 = made("-O", "qcow2");
const COMPRESSED = made("-O", "qcow2", "-c");
const ZSTD = made("-O", "qcow2", "-c", "-o", "compression_type=zstd");

/** With fields of the footer, in both its copies, changed, and its checksum made to fit again. */
function withFooter(change: (footer: Buffer) => void): Buffer {
  const image = Buffer.from(VHD);
  for (const at of [0, image.length - 512]) {
    const footer = image.subarray(at, at + 512);
    change(footer);
    fitChecksum(footer, 64);
  }
  return image;
}

function withHeader(change: (header: Buffer) => void): Buffer {
  const image = Buffer.from(VHD);
  const header = image.subarray(512, 512 + 1024);
  change(header);
  fitChecksum(header, 36);
  return image;
}

function fitChecksum(bytes: Buffer, at: number): void {
  bytes.writeUInt32BE(0, at);
  let sum = 0;
  for (const byte of bytes) sum += byte;
  bytes.writeUInt32BE(~sum >>> 0, at);
}

const withQcow2 = (change: (image: Buffer) => void, from = QCOW2) => {
  const image = Buffer.from(from);
  change(image);
  return image;
};

describe("a VHD image", () => {
  it("that differs from a parent is refused by the parent's name", () => {
    const image = withFooter((footer) => footer.writeUInt32BE(4, 60));
    const name = Buffer.from("parent\x1b[2J.vhd", "utf16le").swap16();
    name.copy(image, 512 + 64);
    expect(() => readAll(image)).toThrow(failing("FEATURE_UNSUPPORTED", 'its parent "parent\\x1b[2J.vhd"'));
  });

  it("whose last footer was cut off is read by the copy at its start", () => {
    expect(readAll(VHD.subarray(0, VHD.length - 512))).toBe(readAll(VHD));
  });

  it("whose block is stored past its end is damaged", () => {
    const image = Buffer.from(VHD);
    image.writeUInt32BE(0xfffffff0, 1536);
    expect(() => readAll(image)).toThrow(failing("OUT_OF_BOUNDS", "ends at byte"));
  });

  it.each<[string, Buffer]>([
    ["a type that there is not", withFooter((footer) => footer.writeUInt32BE(7, 60))],
    ["a size that its table does not cover", withFooter((footer) => footer.writeBigUInt64BE(1n << 45n, 48))],
    ["a header elsewhere", withFooter((footer) => footer.writeBigUInt64BE(4096n, 16))],
    ["no size of a block", withHeader((header) => header.writeUInt32BE(0, 32))],
    ["a size of a block that is no power of two", withHeader((header) => header.writeUInt32BE(5000, 32))],
    ["blocks of 2 GiB", withHeader((header) => header.writeUInt32BE(0x80000000, 32))],
    ["more blocks than the file has bytes", withHeader((header) => header.writeUInt32BE(0xffffffff, 28))],
    ["a wrong checksum of its header", withQcow2((image) => image.writeUInt8(1, 512 + 700), VHD)],
    [
      "wrong checksums of both footers",
      withQcow2((image) => {
        for (const at of [0, image.length - 512]) image.writeUInt8(99, at + 30);
      }, VHD),
    ],
  ])("with %s is damaged", (_what, image) => {
    expect(() => readAll(image)).toThrow(failing("IMAGE_DAMAGED", "VHD image"));
  });

  it("with a size past 2^53 is damaged", () => {
    const image = withFooter((footer) => footer.writeBigUInt64BE(1n << 60n, 48));
    expect(() => readAll(image)).toThrow(failing("OUT_OF_BOUNDS", "current size"));
  });

  it("that is fixed and claims more than the file has is cut at the file's end", () => {
    const image = withFooter((footer) => {
      footer.writeUInt32BE(2, 60);
      footer.writeBigUInt64BE(1n << 45n, 48);
    });
    expect(openImage(memorySource(image)).source.size).toBe(image.length - 512);
  });
});

describe("a QCOW2 image", () => {
  const L1 = Number(QCOW2.readBigUInt64BE(40));
  const L2 = Number(QCOW2.readBigUInt64BE(L1) & 0xffffffn);

  it.each<[string, string, (image: Buffer) => void]>([
    ["IMAGE_DAMAGED", "a cluster of 2^31 bytes", (image) => image.writeUInt32BE(31, 20)],
    ["IMAGE_DAMAGED", "a cluster of 1 byte", (image) => image.writeUInt32BE(0, 20)],
    ["IMAGE_DAMAGED", "a size that its L1 table does not cover", (image) => image.writeBigUInt64BE(1n << 50n, 24)],
    ["IMAGE_DAMAGED", "an L1 table larger than the file", (image) => image.writeUInt32BE(0xffffffff, 36)],
    ["IMAGE_DAMAGED", "an L1 table past its end", (image) => image.writeBigUInt64BE(1n << 40n, 40)],
    ["IMAGE_DAMAGED", "an L2 table past its end", (image) => image.writeBigUInt64BE(1n << 50n, L1)],
    ["IMAGE_DAMAGED", "a cluster past its end", (image) => image.writeBigUInt64BE(1n << 50n, L2)],
    [
      "IMAGE_DAMAGED",
      "a compressed cluster past its end",
      (image) => image.writeBigUInt64BE((1n << 62n) | (1n << 50n), L2),
    ],
    ["OUT_OF_BOUNDS", "a size past 2^53", (image) => image.writeBigUInt64BE(1n << 60n, 24)],
    ["FEATURE_UNSUPPORTED", "an unknown feature", (image) => image.writeUInt32BE(1 << 9, 76)],
    ["FEATURE_UNSUPPORTED", "an unknown feature above 2^32", (image) => image.writeUInt32BE(1, 72)],
    ["FEATURE_UNSUPPORTED", "version 4", (image) => image.writeUInt32BE(4, 4)],
    ["FEATURE_UNSUPPORTED", "an encryption with LUKS", (image) => image.writeUInt32BE(2, 32)],
    ["FEATURE_UNSUPPORTED", "an unknown encryption", (image) => image.writeUInt32BE(9, 32)],
    ["FEATURE_UNSUPPORTED", "a backing file's name past its end", (image) => image.writeBigUInt64BE(1n << 50n, 8)],
    [
      "FEATURE_UNSUPPORTED",
      "an unknown compression",
      (image) => {
        image.writeUInt32BE(8, 76);
        image.writeUInt8(9, 104);
      },
    ],
  ])("fails as %s: %s", (code, _what, change) => {
    expect(() => readAll(withQcow2(change))).toThrow(expect.objectContaining({ code }));
  });

  it("whose L1 and L2 tables are the same table ends", () => {
    const image = withQcow2((bytes) => bytes.writeBigUInt64BE(BigInt(L1), L1));
    expect(readAll(image)).toBe(2 * MIB);
  });

  it("whose L2 table is its own first cluster ends", () => {
    const image = withQcow2((bytes) => bytes.writeBigUInt64BE(BigInt(L2), L2));
    expect(readAll(image)).toBe(2 * MIB);
  });

  it("that is marked as corrupt is read, with a note", () => {
    const image = withQcow2((bytes) => bytes.writeUInt32BE(2, 76));
    expect(openImage(memorySource(image)).notes).toEqual([expect.stringContaining("corrupt")]);
  });

  it.each([
    ["deflate", COMPRESSED],
    ["zstd", ZSTD],
  ])("whose compressed cluster (%s) is damaged fails", (_what, from) => {
    const l2 = Number(from.readBigUInt64BE(Number(from.readBigUInt64BE(40))) & 0xffffffn);
    // The packed half of the disk: a cluster of zeros is none at all.
    const image = withQcow2((bytes) => bytes.writeBigUInt64BE(1n << 62n, l2), from);
    expect(() => readAll(image)).toThrow(failing("DATA_DAMAGED", "compressed cluster"));
  });
});

describe("an image with bytes changed by chance", () => {
  it.each<[string, Buffer]>([
    ["VHD", VHD],
    ["QCOW2", QCOW2],
    ["QCOW2, deflate", COMPRESSED],
    ["QCOW2, zstd", ZSTD],
  ])("(%s) is read or fails with a reason", (_what, from) => {
    const random = seeded(21);
    const tables = [0, 8, 16, 24, 32, 40, 60, 76, 512, 1536, 65536, 131072, 196608, 262144].filter(
      (at) => at < from.length - 64,
    );
    for (let round = 0; round < 150; round++) {
      const image = Buffer.from(from);
      for (let change = random() % 4; change >= 0; change--) {
        image.writeUInt8(random() & 0xff, (tables[random() % tables.length] ?? 0) + (random() % 64));
      }
      try {
        readAll(image.subarray(0, random() % 3 === 0 ? random() % image.length : image.length));
      } catch (error) {
        expect(error).toBeInstanceOf(GuestbootError);
        expect((error as GuestbootError).code).not.toBe("INTERNAL");
      }
    }
  });
});
