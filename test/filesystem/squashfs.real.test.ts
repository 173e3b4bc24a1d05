import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { memorySource, type ByteSource } from "../../src/base/byte-source.ts";
import { openDisk } from "../../src/disk/open-disk.ts";
import { openFilesystem } from "../../src/filesystem/detect.ts";
import { openSquashfs } from "../../src/filesystem/squashfs/squashfs-driver.ts";
import { noise, seeded } from "../base/seeded.ts";
import { call } from "./call.ts";
import { explore } from "./explore.ts";
import { makeGuestTree } from "./guest-tree.ts";
import { differences, fileOf, manifestOfDriver, manifestOfFolder, type Manifest } from "./manifest.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-squashfs-"));
const tree = path.join(folder, "tree");
const image = path.join(folder, "disk.img");
let source: Manifest = {};

beforeAll(() => {
  makeGuestTree(tree, { many: 3000, far: true, special: true });
  fs.writeFileSync(path.join(tree, "compressible"), Buffer.alloc(700_001, "what compresses well "));
  fs.writeFileSync(path.join(tree, "same"), fs.readFileSync(path.join(tree, "five-megabytes")));
  source = manifestOfFolder(tree);
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

function make(content: string, options: readonly string[]): void {
  fs.rmSync(image, { force: true });
  call("mksquashfs", [content, image, "-quiet", "-no-progress", ...options], "squashfs-tools");
}

function readByKernel<T>(work: (mounted: string) => T): T {
  const mounted = path.join(folder, "mounted");
  fs.mkdirSync(mounted);
  call("mount", ["-t", "squashfs", "-o", "loop,ro", image, mounted], "mount");
  try {
    return work(mounted);
  } finally {
    call("umount", [mounted], "mount");
    fs.rmdirSync(mounted);
  }
}

/** No kernel reads LZMA: that is for unsquashfs to say. */
function readByUnsquashfs(): Manifest {
  const unpacked = path.join(folder, "unpacked");
  call("unsquashfs", ["-quiet", "-no-progress", "-dest", unpacked, image], "squashfs-tools");
  try {
    return manifestOfFolder(unpacked);
  } finally {
    fs.rmSync(unpacked, { recursive: true });
  }
}

describe.each([
  { what: "gzip, as mksquashfs makes it", options: [] },
  { what: "gzip, blocks of 4 KiB", options: ["-b", "4096"] },
  { what: "gzip, nothing compressed", options: ["-noI", "-noD", "-noF", "-noX"] },
  { what: "gzip, no fragments, nothing shared", options: ["-no-fragments", "-no-duplicates", "-no-sparse"] },
  { what: "gzip, fragments of all files", options: ["-always-use-fragments", "-b", "32768"] },
  { what: "xz", options: ["-comp", "xz"] },
  { what: "xz, with filters, blocks of 1 MiB", options: ["-comp", "xz", "-Xbcj", "x86", "-b", "1048576"] },
  { what: "zstd, blocks of 1 MiB", options: ["-comp", "zstd", "-b", "1048576"] },
  { what: "lz4", options: ["-comp", "lz4"] },
  { what: "lz4, high compression", options: ["-comp", "lz4", "-Xhc", "-no-exports", "-no-xattrs"] },
  { what: "lzo", options: ["-comp", "lzo"] },
  { what: "lzma", options: ["-comp", "lzma"] },
])("squashfs: $what", ({ what, options }) => {
  it("is read whole as the kernel reads it", () => {
    make(tree, options);
    const judge = what === "lzma" ? readByUnsquashfs() : readByKernel(manifestOfFolder);
    using disk = openDisk(image);
    const driver = openSquashfs(disk.source);
    expect(driver.notes).toEqual([]);
    const ours = manifestOfDriver(driver);
    expect(differences(judge, ours)).toEqual([]);
    expect(differences(source, ours)).toEqual([]);

    const filesystem = openFilesystem(disk.source);
    expect([filesystem.type, filesystem.uuid, filesystem.label]).toEqual(["squashfs", null, null]);
    for (const name of ["/many", "/names", "/few"]) {
      for (const { name: child, node } of filesystem.list(name)) {
        expect([child, filesystem.find(`${name}/${child}`)]).toEqual([child, node]);
      }
      for (const missing of ["", "a", "entry-", "entry-3000", "zzz", "y".repeat(256), "y".repeat(257)]) {
        if (missing !== "") expect(filesystem.find(`${name}/${missing}`)).toBeNull();
      }
    }
    const content = filesystem.open("/compressible");
    const whole = content.read(0, content.size);
    let at = content.size;
    for (let length = 1; at > 0; length = (length * 7) % 50_021) {
      const start = Math.max(0, at - length);
      expect(Buffer.compare(content.read(start, at - start), whole.subarray(start, at))).toBe(0);
      at = start;
    }
    expect(bytesOnDisk(filesystem.open("/five-megabytes"), disk.source)).toBeGreaterThan(
      // Noise does not compress; but every file that fits wholly or with its end goes into fragments.
      4 * 1024 * 1024,
    );
  });
});

/** How many bytes are told to lie on the disk. @throws Error when they do not lie there */
function bytesOnDisk(content: ByteSource, disk: ByteSource): number {
  let total = 0;
  for (let at = 0; at < content.size;) {
    const range = content.onDisk?.(at, content.size - at) ?? null;
    const length = range?.length ?? Math.min(4096 - (at % 4096), content.size - at);
    if (range !== null) {
      total += length;
      const there = disk.read(range.offset, length);
      if (Buffer.compare(content.read(at, length), there) !== 0) throw new Error(`other bytes at ${at}`);
    }
    at += length;
  }
  return total;
}

describe("a squashfs filesystem", () => {
  it("with a folder of 100,000 names has one looked up by reading less than 1 MB, and is listed whole", () => {
    const content = path.join(folder, "hundred-thousand");
    fs.mkdirSync(content);
    const names = Array.from({ length: 100_000 }, (_, index) => `entry-${index}`);
    // Hard links: ext4, on which this may be made, allows 65,000 of one inode.
    for (const [index, name] of names.entries()) {
      if (index % 10_000 === 0) fs.writeFileSync(path.join(content, name), String(index));
      else fs.linkSync(path.join(content, `entry-${index - (index % 10_000)}`), path.join(content, name));
    }
    make(content, []);
    using disk = openDisk(image);
    for (const name of ["entry-0", "entry-49999", "entry-99999", "a", "missing", "entry-"]) {
      let bytes = 0;
      const read = (offset: number, length: number, into?: Uint8Array) => {
        bytes += length;
        return disk.source.read(offset, length, into);
      };
      const found = openFilesystem({ size: disk.source.size, read }).find(`/${name}`);
      expect([name, found?.kind]).toEqual([name, /\d/.test(name) ? "file" : undefined]);
      expect(bytes).toBeLessThan(1_000_000);
    }
    const listed = openFilesystem(disk.source).list("/");
    expect(listed.map(({ name }) => name).sort()).toEqual(names.sort());
  });

  it("with a file of more than 4 GiB is read at its end", () => {
    const content = path.join(folder, "far");
    fs.mkdirSync(content);
    const fd = fs.openSync(path.join(content, "file"), "w");
    for (const at of [0, 2 ** 31 - 5000, 2 ** 32 - 5000, 2 ** 32 + 70_001])
      fs.writeSync(fd, noise(10_000, 5), 0, 10_000, at);
    fs.closeSync(fd);
    make(content, ["-comp", "lz4", "-b", "1048576", "-no-duplicates"]);
    using disk = openDisk(image);
    const file = openFilesystem(disk.source).open("/file");
    expect(file.size).toBe(2 ** 32 + 80_001);
    for (const at of [0, 2 ** 31 - 5000, 2 ** 32 - 5000, 2 ** 32 + 70_001]) {
      expect(Buffer.compare(file.read(at, 10_000), noise(10_000, 5))).toBe(0);
    }
    expect(file.read(2 ** 32 + 10_000, 1000).every((byte) => byte === 0)).toBe(true);
  });

  it("inside another one is read through it", () => {
    const content = path.join(folder, "outer");
    fs.mkdirSync(content);
    make(tree, ["-comp", "xz"]);
    fs.renameSync(image, path.join(content, "inner.img"));
    make(content, ["-comp", "zstd"]);
    using disk = openDisk(image);
    const inner = openFilesystem(openFilesystem(disk.source).open("/inner.img"));
    expect(fileOf(inner.open("/five-megabytes"))).toBe(source["/five-megabytes"]);
  });
});

describe("a forged squashfs image", () => {
  const content = path.join(folder, "small");
  let pristine = Buffer.alloc(0);
  let bytes = Buffer.alloc(0);

  beforeAll(() => {
    fs.mkdirSync(path.join(content, "folder"), { recursive: true });
    fs.writeFileSync(path.join(content, "plain"), noise(300_000, 1));
    fs.writeFileSync(path.join(content, "packed"), Buffer.alloc(300_000, "packed "));
    fs.writeFileSync(path.join(content, "short"), "short");
    fs.symlinkSync("folder/name-7", path.join(content, "link"));
    for (let index = 0; index < 1500; index++) {
      fs.writeFileSync(path.join(content, `folder/a-name-of-some-length-${index}`), String(index));
    }
    // Tables as they are, so that what is changed in them stays readable.
    make(content, ["-noI", "-noF", "-b", "65536"]);
    pristine = fs.readFileSync(image);
    bytes = Buffer.from(pristine);
  });
  afterEach(() => pristine.copy(bytes));

  const refused = (...codes: readonly string[]): unknown =>
    expect.objectContaining({
      name: "GuestbootError",
      code: expect.stringMatching(new RegExp(`^(${codes.join("|")})$`)) as unknown,
    });
  const damaged = refused("FILESYSTEM_DAMAGED", "OUT_OF_BOUNDS");
  const open = () => openFilesystem(memorySource(bytes));

  it.each([
    ["version 3.1", () => (bytes.writeUInt16LE(3, 28), bytes.writeUInt16LE(1, 30)), "version 3.1"],
    ["big-endian", () => bytes.write("sqsh", 0), "big-endian"],
    ["an unknown compression", () => bytes.writeUInt16LE(9, 20), "(9)"],
  ] as const)("is refused by name: %s", (_what, change, words) => {
    change();
    expect(open).toThrow(
      expect.objectContaining({ code: "FEATURE_UNSUPPORTED", message: expect.stringContaining(words) as unknown }),
    );
  });

  it.each([
    ["blocks of no bytes", () => bytes.writeUInt32LE(0, 12)],
    ["blocks of 3000 bytes", () => bytes.writeUInt32LE(3000, 12)],
    ["blocks of 2 MiB", () => (bytes.writeUInt32LE(2 ** 21, 12), bytes.writeUInt16LE(21, 22))],
    ["blocks of two sizes", () => bytes.writeUInt16LE(20, 22)],
    ["a root past the end", () => bytes.writeBigUInt64LE(2n ** 40n, 32)],
    ["a root past all numbers", () => bytes.writeBigUInt64LE(2n ** 64n - 1n, 32)],
    ["a root past its block", () => bytes.writeBigUInt64LE(0xffffn, 32)],
    ["inodes past the end", () => bytes.writeBigUInt64LE(2n ** 40n, 64)],
    ["inodes where the superblock is", () => bytes.writeBigUInt64LE(0n, 64)],
    ["folders past the end", () => bytes.writeBigUInt64LE(2n ** 40n, 72)],
    ["folders where inodes are", () => bytes.writeBigUInt64LE(bytes.readBigUInt64LE(64), 72)],
    ["fragments past the end", () => bytes.writeBigUInt64LE(2n ** 40n, 80)],
    ["fewer fragments than files have", () => bytes.writeUInt32LE(0, 16)],
  ] as const)("is refused where its superblock tells of %s", (_what, change) => {
    change();
    expect(() => {
      const filesystem = open();
      filesystem.list("/");
      filesystem.list("/folder");
      filesystem.open("/short").read(0, 5);
    }).toThrow(damaged);
  });

  it("is refused where a block of metadata says that it is empty, or longer than it can be", () => {
    const table = Number(bytes.readBigUInt64LE(64));
    for (const header of [0x8000, 0xa001, 0xffff, 0x0000, 0x7fff]) {
      bytes.writeUInt16LE(header, table);
      expect(() => open().list("/folder")).toThrow(damaged);
    }
  });

  it("is told as cut off when it is", () => {
    const cut = bytes.subarray(0, bytes.length - 50_000);
    expect(explore(memorySource(cut)).errors["INTERNAL"]).toBeUndefined();
    expect(() => openFilesystem(memorySource(cut)).list("/folder")).toThrow(damaged);
  });

  it.each([[["-noI", "-noF"]], [[]], [["-comp", "xz"]], [["-comp", "zstd"]], [["-comp", "lzo"]], [["-comp", "lz4"]]])(
    "that was damaged in many ways gives results or our own errors, soon, and in little memory: %j",
    (options) => {
      make(content, ["-b", "65536", ...options]);
      const forged = fs.readFileSync(image);
      expect(explore(memorySource(forged)).errors).toEqual({});
      const tables = Number(forged.readBigUInt64LE(64));
      const random = seeded(2026);
      const residentBefore = process.memoryUsage.rss();
      let errors = 0;
      let slowest = 0;
      for (let round = 0; round < 400; round++) {
        const before = Buffer.from(forged);
        for (let left = 1 + (random() % 4); left > 0; left--) {
          const [start, length] = random() % 4 === 0 ? [4, 92] : [tables, forged.length - tables];
          const at = start + (random() % (length - 8));
          if (random() % 2 === 0) forged[at] = random();
          else forged.writeUInt32LE([0, 1, 0xff, 0x8000, 0xffff, 0x1000000, 0xffffffff][random() % 7] ?? 0, at);
        }
        const explored = explore(memorySource(forged));
        slowest = Math.max(slowest, explored.milliseconds);
        errors += Object.values(explored.errors).length;
        before.copy(forged);
      }
      expect(slowest).toBeLessThan(5000);
      expect(process.memoryUsage.rss() - residentBefore).toBeLessThan(256 * 1024 * 1024);
      expect(errors).toBeGreaterThan(40);
    },
  );
});
