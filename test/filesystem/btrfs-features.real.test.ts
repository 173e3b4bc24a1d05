import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ByteSource } from "../../src/base/byte-source.ts";
import { openDisk } from "../../src/disk/open-disk.ts";
import { openBtrfs } from "../../src/filesystem/btrfs/btrfs-driver.ts";
import { openFilesystem } from "../../src/filesystem/detect.ts";
import { btrfs, COMPRESSIONS, fillBtrfs, makeBtrfsImage, superField, withBtrfs } from "./btrfs-image.ts";
import { noise } from "../base/seeded.ts";
import { call } from "./call.ts";
import { readByGrub } from "./ext-judges.ts";
import { makeGuestTree } from "./guest-tree.ts";
import {
  differences,
  differencesWithin,
  fileOf,
  manifestOfDriver,
  manifestOfFolder,
  type Manifest,
} from "./manifest.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-btrfs-"));
const tree = path.join(folder, "tree");
const image = path.join(folder, "disk.img");
let source: Manifest = {};

beforeAll(() => {
  makeGuestTree(tree, { many: 1500, far: false, special: true });
  source = manifestOfFolder(tree);
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const words = (text: string): string[] => (text === "" ? [] : text.split(" "));

interface Kind {
  readonly what: string;
  readonly options: string;
  readonly entries?: number;
  /** GRUB 2.06 knows no other checksums, and no other UUID of metadata. */
  readonly grub?: boolean;
  readonly tune?: readonly string[];
}

/** Filled by the kernel. Between them, every feature that mkfs.btrfs 6.2 can make for one device, on and off. */
const KINDS: readonly Kind[] = [
  { what: "as mkfs.btrfs makes it, with 100,000 names", options: "", entries: 100_000, grub: true },
  {
    what: "the features of 2013, blocks of 4 KiB",
    options: "-n 4096 -O ^no-holes,^skinny-metadata -R ^free-space-tree",
    entries: 5_000,
    grub: true,
  },
  { what: "blocks of 64 KiB, xxhash64, content twice", options: "-n 65536 --csum xxhash -d dup", entries: 5_000 },
  { what: "sha256, metadata once", options: "--csum sha256 -m single -d single" },
  { what: "blake2b, metadata and content mixed", options: "--csum blake2 --mixed -n 4096 -m dup -d dup" },
  { what: "blocks of 32 KiB, quotas", options: "-n 32768 -R quota", grub: true },
  { what: "another UUID of metadata", options: "", tune: ["-m"] },
];

describe.each(KINDS)("btrfs: $what", ({ options, entries = 0, grub = false, tune }) => {
  let kernel: Manifest = {};

  beforeAll(() => {
    makeBtrfsImage(image, 400, ["-L", "gr\u00fcn", ...words(options)]);
    if (tune !== undefined) call("btrfstune", [...tune, image], "btrfs-progs");
    withBtrfs(image, "rw", (mounted) => fillBtrfs(mounted, { folder: tree, entries }));
    btrfs("check", "--readonly", image);
    kernel = withBtrfs(image, "ro", manifestOfFolder);
  });

  it("is read whole as the kernel reads it", () => {
    using disk = openDisk(image);
    const driver = openBtrfs(disk.source);
    expect(driver.notes).toEqual([]);
    const ours = manifestOfDriver(driver);
    expect(differences(kernel, ours)).toEqual([]);
    expect(differencesWithin(source, ours)).toEqual([]);
    expect(Object.keys(ours).filter((name) => name.startsWith("/hundred-thousand/")).length).toBe(entries);
  });

  it("holds what it is meant to: extents inline, compressed in each way, preallocated, in a tree of some height", () => {
    const dump = execFileSync("btrfs", ["inspect-internal", "dump-tree", "-t", "5", image], {
      encoding: "latin1",
      maxBuffer: 512 * 1024 * 1024,
    });
    for (const [index, compression] of COMPRESSIONS.entries()) {
      expect(dump).toMatch(new RegExp(`inline extent data size \\d+ ram_bytes \\d+ compression ${index + 1}`));
      expect(dump).toMatch(new RegExp(`extent compression ${index + 1} \\(${compression}\\)`));
    }
    expect(dump).toMatch(/prealloc data disk byte/);
    expect(dump).toMatch(/level 1 /);
  });

  it("is told as blkid tells it", () => {
    const value = (tag: string) => call("blkid", ["-p", "-o", "value", "-s", tag, image], "util-linux").trim();
    using disk = openDisk(image);
    const filesystem = openFilesystem(disk.source);
    expect([filesystem.type, filesystem.uuid]).toEqual([value("TYPE"), value("UUID")]);
    expect(filesystem.label).toBe("grün");
  });

  it("has every name found by its hash, and none that is not there", () => {
    using disk = openDisk(image);
    const filesystem = openFilesystem(disk.source);
    for (const name of ["/many", "/names", "/few", "/links", "/sizes", "/zstd"]) {
      for (const { name: child, node } of filesystem.list(name)) {
        if (node.kind === "symlink") continue;
        expect([child, filesystem.find(`${name}/${child}`)]).toEqual([child, node]);
      }
      for (const missing of ["x", "entry-", "entry-1500", "\u{1f480}", "y".repeat(255), "y".repeat(256)]) {
        expect(filesystem.find(`${name}/${missing}`)).toBeNull();
      }
    }
  });

  it("has a name looked up in its largest folder by reading less than 1 MB", () => {
    using disk = openDisk(image);
    for (const name of ["entry-0", "entry-1499", "missing"]) {
      const { counted, bytes } = counting(disk.source);
      const found = openFilesystem(counted).find(`${entries > 0 ? "/hundred-thousand" : "/many"}/${name}`);
      expect(found?.kind).toBe(name === "missing" ? undefined : "file");
      expect(bytes()).toBeLessThan(1_000_000);
    }
  });

  it("is read as GRUB reads it, where it can", () => {
    using disk = openDisk(image);
    const filesystem = openFilesystem(disk.source);
    // GRUB 2.06 can read neither holes that are told by nothing, nor what is reserved and not written.
    const samples = [
      "/five-megabytes",
      "/sizes/4097",
      "/shared",
      ...COMPRESSIONS.flatMap((name) => ["2000", "131073", "mixed"].map((file) => `/${name}/${file}`)),
    ];
    const ours = Object.fromEntries(samples.map((name) => [name, fileOf(filesystem.open(name))]));
    if (grub) expect(differencesWithin(readByGrub(image, samples), ours)).toEqual([]);
  });

  it("says where on the disk a file lies, where it lies there once and as it is", () => {
    using disk = openDisk(image);
    const filesystem = openFilesystem(disk.source);
    const hasCopies = superField(image, "num_devices") === "1" && options.includes("-d dup");
    for (const name of ["/fragments", "/five-megabytes", "/shared", "/reserved", "/nodatacow/file", "/zstd/131072"]) {
      const content = filesystem.open(name);
      const onDisk = bytesOnDisk(content, disk.source);
      if (hasCopies || name === "/zstd/131072") expect([name, onDisk]).toEqual([name, 0]);
      else expect(onDisk).toBeGreaterThan(content.size / 20);
    }
  });

  it("is read at any place and length alike", () => {
    using disk = openDisk(image);
    const filesystem = openFilesystem(disk.source);
    for (const name of ["/sparse/hole-in-the-middle", "/shared", "/lzo/changed", "/zlib/2000"]) {
      const content = filesystem.open(name);
      const whole = content.read(0, content.size);
      let at = content.size;
      // Backwards, in pieces that end and begin in the middle of sectors.
      for (let length = 1; at > 0; length = (length * 7) % 50_021) {
        const start = Math.max(0, at - length);
        expect(Buffer.compare(content.read(start, at - start), whole.subarray(start, at))).toBe(0);
        at = start;
      }
    }
  });
});

/** Filled by mkfs.btrfs, since a kernel mounts only sectors of the size of its pages, or smaller. */
describe.each([
  { what: "sectors of 16 KiB", options: "-s 16384 -n 16384" },
  { what: "sectors of 8 KiB, blocks of 64 KiB", options: "-s 8192 -n 65536 --csum sha256" },
  { what: "sectors of 64 KiB", options: "-s 65536 -n 65536 --csum xxhash" },
])("btrfs of mkfs.btrfs --rootdir: $what", ({ options }) => {
  it("is read whole", () => {
    makeBtrfsImage(image, 400, ["--rootdir", tree, ...words(options)]);
    using disk = openDisk(image);
    const driver = openBtrfs(disk.source);
    expect(driver.notes).toEqual([]);
    expect(differences(source, manifestOfDriver(driver))).toEqual([]);
  });
});

describe("btrfs", () => {
  it("has a file of more than 4 GiB read at any place", () => {
    makeBtrfsImage(image, 200, []);
    const places = [0, 2 ** 31 - 5000, 2 ** 32 - 5000, 2 ** 32 + 70_001];
    withBtrfs(image, "rw", (mounted) => {
      const fd = fs.openSync(path.join(mounted, "file"), "w");
      for (const [index, at] of places.entries()) fs.writeSync(fd, noise(10_000, index + 1), 0, 10_000, at);
      fs.closeSync(fd);
    });
    using disk = openDisk(image);
    const file = openFilesystem(disk.source).open("/file");
    expect(file.size).toBe(2 ** 32 + 80_001);
    for (const [index, at] of places.entries()) {
      expect(Buffer.compare(file.read(at, 10_000), noise(10_000, index + 1))).toBe(0);
    }
    for (const hole of [2 ** 30, 2 ** 32 + 10_000]) {
      expect(file.read(hole, 50_000).every((byte) => byte === 0)).toBe(true);
    }
  });
});

function counting(source: ByteSource): { readonly counted: ByteSource; readonly bytes: () => number } {
  let bytes = 0;
  const read = (offset: number, length: number, into?: Uint8Array) => {
    bytes += length;
    return source.read(offset, length, into);
  };
  return { counted: { size: source.size, read }, bytes: () => bytes };
}

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
