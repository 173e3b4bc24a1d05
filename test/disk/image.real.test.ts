import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ByteSource } from "../../src/base/byte-source.ts";
import { openImage } from "../../src/disk/image/open-image.ts";
import { openDisk } from "../../src/disk/open-disk.ts";
import { readVolumes } from "../../src/disk/volumes.ts";
import { noise, seeded } from "../base/seeded.ts";
import { call } from "../filesystem/call.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-image-"));
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));
const raw = path.join(folder, "raw");
const image = path.join(folder, "image");
const MIB = 1024 * 1024;
const SIZE = 24 * MIB;

const qemuImg = (...args: readonly string[]) => call("qemu-img", args, "qemu-utils");

/** What packs well, what does not, what is zero, and what is less than a cluster, in places that the seed chooses. */
beforeAll(() => {
  const disk = Buffer.alloc(SIZE);
  const random = seeded(77);
  for (let piece = 0; piece < 60; piece++) {
    const at = random() % (SIZE - 300_000);
    const length = 1 + (random() % ([200, 5000, 70_000, 300_000][random() % 4] ?? 1));
    if (piece % 2 === 0) disk.set(noise(length, piece + 1), at);
    else disk.fill(`words of piece ${piece} `, at, at + length);
  }
  disk.write("the last bytes", SIZE - 14, "latin1");
  fs.writeFileSync(raw, disk);
});

function bytesOf(source: ByteSource): Buffer {
  const bytes = Buffer.alloc(source.size);
  const random = seeded(3);
  // In pieces that do not fit those of the image.
  for (let at = 0; at < source.size;) {
    const length = Math.min(1 + (random() % 400_000), source.size - at);
    source.read(at, length, bytes.subarray(at));
    at += length;
  }
  return bytes;
}

/** @param format as qemu-img names it; it takes a fixed VHD for a raw disk unless told */
function expectSameDisk(format: string): void {
  using disk = openDisk(image);
  const judge = path.join(folder, "judge");
  qemuImg("convert", "-f", format, "-O", "raw", image, judge);
  const expected = fs.readFileSync(judge);
  const opened = openImage(disk.source);
  expect(opened.source.size).toBe(expected.length);
  const ours = bytesOf(opened.source);
  expect(ours.equals(expected)).toBe(true);
  expect(expected.subarray(0, SIZE).equals(fs.readFileSync(raw))).toBe(true);
  expectTruePlaces(opened.source, expected, disk.source);
}

/** What is said to lie on the disk as it is must lie there. */
function expectTruePlaces(source: ByteSource, expected: Buffer, file: ByteSource): void {
  for (let at = 0; at < source.size; at += 37_000) {
    const range = source.onDisk?.(at, Math.min(100_000, source.size - at)) ?? null;
    if (range === null) continue;
    expect(range.length).toBeGreaterThan(0);
    expect(Buffer.from(file.read(range.offset, range.length)).equals(expected.subarray(at, at + range.length))).toBe(
      true,
    );
  }
}

describe("an image that qemu-img made holds the disk that qemu-img reads from it", () => {
  it.each<[string, readonly string[]]>([
    ["raw", ["-O", "raw"]],
    ["VHD, fixed", ["-O", "vpc", "-o", "subformat=fixed"]],
    ["VHD, fixed, exact size", ["-O", "vpc", "-o", "subformat=fixed,force_size=on"]],
    ["VHD, dynamic", ["-O", "vpc", "-o", "subformat=dynamic"]],
    ["VHD, dynamic, exact size", ["-O", "vpc", "-o", "subformat=dynamic,force_size=on"]],
    ["QCOW2 version 2", ["-O", "qcow2", "-o", "compat=0.10"]],
    ["QCOW2 version 3", ["-O", "qcow2", "-o", "compat=1.1"]],
    ["QCOW2 with clusters of 512 bytes", ["-O", "qcow2", "-o", "cluster_size=512"]],
    ["QCOW2 with clusters of 2 MiB", ["-O", "qcow2", "-o", "cluster_size=2M"]],
    ["QCOW2 version 2, compressed", ["-O", "qcow2", "-c", "-o", "compat=0.10"]],
    ["QCOW2 compressed with zlib", ["-O", "qcow2", "-c", "-o", "compression_type=zlib"]],
    ["QCOW2 compressed with zstd", ["-O", "qcow2", "-c", "-o", "compression_type=zstd"]],
    ["QCOW2 compressed in clusters of 4 KiB", ["-O", "qcow2", "-c", "-o", "cluster_size=4k,compression_type=zstd"]],
    ["QCOW2 compressed in clusters of 2 MiB", ["-O", "qcow2", "-c", "-o", "cluster_size=2M"]],
    ["QCOW2 with subclusters", ["-O", "qcow2", "-o", "extended_l2=on,cluster_size=128k"]],
    ["QCOW2 with subclusters of 512 bytes", ["-O", "qcow2", "-o", "extended_l2=on,cluster_size=16k"]],
    ["QCOW2 with subclusters, compressed", ["-O", "qcow2", "-c", "-o", "extended_l2=on,compression_type=zstd"]],
    ["QCOW2 with preallocated metadata", ["-O", "qcow2", "-o", "preallocation=metadata"]],
    ["QCOW2 with lazy reference counts", ["-O", "qcow2", "-o", "lazy_refcounts=on,refcount_bits=64"]],
  ])("%s", (_what, args) => {
    qemuImg("convert", "-f", "raw", raw, image, ...args);
    expectSameDisk(args[1] ?? "");
  });

  it.each(["qcow2", "vpc"])("%s that was written to in place", (format) => {
    qemuImg("create", "-q", "-f", format, image, String(SIZE));
    qemuImg("convert", "-n", "-f", "raw", "-O", format, raw, image);
    using disk = openDisk(image);
    const opened = openImage(disk.source);
    expect(bytesOf(opened.source).subarray(0, SIZE).equals(fs.readFileSync(raw))).toBe(true);
  });

  it("QCOW2 with subclusters that were written, zeroed and left alone side by side", () => {
    qemuImg("create", "-q", "-f", "qcow2", "-o", "extended_l2=on,cluster_size=64k", image, "1M");
    const commands = ["write -P 1 0 2k", "write -P 2 6k 2k", "write -z 8k 4k", "write -P 3 62k 8k", "write -z 64k 2k"];
    call("qemu-io", ["-f", "qcow2", ...commands.flatMap((command) => ["-c", command]), image], "qemu-utils");
    const judge = path.join(folder, "judge");
    qemuImg("convert", "-O", "raw", image, judge);
    using disk = openDisk(image);
    expect(bytesOf(openImage(disk.source).source).equals(fs.readFileSync(judge))).toBe(true);
  });

  it("QCOW2 that holds a snapshot, as it is now", () => {
    qemuImg("convert", "-f", "raw", "-O", "qcow2", raw, image);
    qemuImg("snapshot", "-c", "before", image);
    call("qemu-io", ["-f", "qcow2", "-c", "write -P 7 100k 300k", image], "qemu-utils");
    const judge = path.join(folder, "judge");
    qemuImg("convert", "-O", "raw", image, judge);
    using disk = openDisk(image);
    expect(bytesOf(openImage(disk.source).source).equals(fs.readFileSync(judge))).toBe(true);
  });
});

describe("an image leads to the partitions of the disk in it", () => {
  it.each([
    ["vhd", "vpc"],
    ["qcow2", "qcow2"],
    ["raw", "raw"],
  ])("(%s)", (name, format) => {
    const partitioned = path.join(folder, "partitioned");
    fs.writeFileSync(partitioned, "");
    fs.truncateSync(partitioned, SIZE);
    call("sfdisk", ["-q", partitioned], "fdisk", "label: gpt\nsize=10MiB\nsize=4MiB, name=second\n");
    qemuImg("convert", "-f", "raw", "-O", format, partitioned, image);
    using disk = openDisk(image);
    const table = readVolumes(disk.source);
    expect([table.image, table.table, table.notes]).toEqual([name, "gpt", []]);
    expect(table.volumes.map((volume) => [volume.name, volume.source.size, volume.partitionLabel])).toEqual([
      ["partition 1", 10 * MIB, null],
      ["partition 2", 4 * MIB, "second"],
    ]);
  });
});

/** QEMU times its key derivation by the processor's clock, which one run in ten finds too coarse. */
function retrying(work: () => unknown, failure: RegExp): void {
  for (let attempt = 1; ; attempt += 1) {
    try {
      work();
      return;
    } catch (error) {
      if (attempt === 20 || !(error instanceof Error) || !failure.test(error.message)) throw error;
    }
  }
}

describe("an image that cannot be read by itself", () => {
  const refusal = () => {
    using disk = openDisk(image);
    openImage(disk.source);
  };
  const unsupported = (words: string): unknown =>
    expect.objectContaining({ code: "FEATURE_UNSUPPORTED", message: expect.stringContaining(words) as string });

  it("is refused by name: QCOW2 with a backing file", () => {
    qemuImg("create", "-q", "-f", "qcow2", "-b", raw, "-F", "raw", image);
    expect(refusal).toThrow(unsupported(`backing file ("${raw}"`));
  });

  it("is refused by name: QCOW2 encrypted with AES", () => {
    const options = "encrypt.format=aes,encrypt.key-secret=key";
    qemuImg("create", "-q", "--object", "secret,id=key,data=word", "-f", "qcow2", "-o", options, image, "1M");
    expect(refusal).toThrow(unsupported("encrypted QCOW2 image (AES)"));
  });

  it("is refused by name: QCOW2 encrypted with LUKS", () => {
    const options = "encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10";
    const create = ["create", "-q", "--object", "secret,id=key,data=word", "-f", "qcow2", "-o", options, image, "1M"];
    retrying(() => qemuImg(...create), /Unable to get accurate CPU usage/);
    expect(refusal).toThrow(unsupported("encrypted QCOW2 image (LUKS)"));
  });

  it.each([
    ["VMDK", "vmdk", []],
    ["VMDK", "vmdk", ["-o", "subformat=monolithicFlat"]],
    ["VDI", "vdi", []],
    ["VHDX", "vhdx", []],
    ["QED", "qed", []],
    ["Parallels", "parallels", []],
  ])("is refused by name: %s (%s %j)", (name, format, options) => {
    qemuImg("create", "-q", "-f", format, ...options, image, "8M");
    expect(refusal).toThrow(unsupported(`a disk image of the format ${name} cannot be read`));
  });

  it("is refused by name: QCOW2 with an external data file", () => {
    qemuImg("create", "-q", "-f", "qcow2", "-o", `data_file=${path.join(folder, "data")}`, image, "1M");
    expect(refusal).toThrow(unsupported("external data file"));
  });
});
