import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeFilesystemImage } from "../../fixtures/disk-images.ts";
import { openDisk } from "../../src/disk/open-disk.ts";
import { guestFilesystem } from "../../src/filesystem/guest-filesystem.ts";
import { openExt } from "../../src/filesystem/ext/ext-driver.ts";
import { noise } from "../base/seeded.ts";
import { call } from "./call.ts";
import { makeExtImage } from "./ext-image.ts";
import { saidByUs, treeOfDebugfs, withoutReason } from "./ext-judges.ts";
import { makeGuestTree } from "./guest-tree.ts";
import { differences, differencesWithin, manifestOfDriver, manifestOfFolder } from "./manifest.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-ext-"));
const tree = path.join(folder, "tree");
const treeWithoutSpecial = path.join(folder, "tree-without-special");

beforeAll(() => {
  makeGuestTree(tree, { many: 1500, far: false, special: true });
  makeGuestTree(treeWithoutSpecial, { many: 300, far: false, special: false });
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

/** mkfs.ext4 with everything that it can be asked for and that changes where something lies, or may be thought to. */
const FEATURES: readonly (readonly string[])[] = [
  ["-O", "^64bit"],
  ["-O", "^64bit,^extent"],
  ["-O", "inline_data"],
  ["-O", "inline_data", "-I", "1024"],
  ["-O", "inline_data,^filetype"],
  ["-O", "metadata_csum_seed"],
  ["-O", "^metadata_csum,uninit_bg"],
  ["-O", "^metadata_csum,^uninit_bg"],
  ["-O", "meta_bg,^resize_inode"],
  ["-O", "meta_bg,^resize_inode", "-g", "1024"],
  ["-O", "meta_bg,^resize_inode,^sparse_super,^64bit", "-g", "512"],
  ["-O", "meta_bg,^resize_inode,^flex_bg", "-g", "512"],
  ["-O", "sparse_super2"],
  ["-O", "sparse_super2,meta_bg,^resize_inode", "-g", "1024"],
  ["-O", "^sparse_super,^resize_inode"],
  ["-O", "bigalloc"],
  ["-O", "bigalloc", "-C", "65536"],
  ["-O", "bigalloc,meta_bg,^resize_inode"],
  ["-O", "ea_inode,large_dir"],
  ["-O", "^filetype"],
  ["-O", "^dir_index"],
  ["-I", "128"],
  ["-I", "1024"],
  ["-O", "^has_journal"],
  ["-O", "orphan_file"],
  ["-O", "encrypt"],
  ["-O", "verity"],
  ["-O", "mmp"],
  ["-O", "^flex_bg"],
  ["-G", "4", "-g", "1024"],
];

const BLOCK_SIZES = [1024, 4096];

describe.each(FEATURES.map((options) => [options.join(" "), options] as const))("mkfs.ext4 %s", (_name, options) => {
  it.each(BLOCK_SIZES)("with blocks of %i bytes is read whole as the kernel reads it", (blockSize) => {
    const image = path.join(folder, "features.img");
    const kernel = makeExtImage({
      path: image,
      type: "ext4",
      blockSize,
      sizeMiB: 48,
      options,
      folder: tree,
      fragments: 1000,
    });
    using disk = openDisk(image);
    const driver = openExt(disk.source);
    const ours = manifestOfDriver(driver);
    expect(Object.keys(ours).length).toBeGreaterThan(1700);
    expect(differences(kernel.manifest, ours)).toEqual([]);
    expect([driver.type, driver.notes]).toEqual(["ext4", []]);
    const filesystem = guestFilesystem(driver);
    for (const [name, said] of Object.entries(kernel.paths)) {
      expect(`${name} ${saidByUs(filesystem, name)}`).toBe(`${name} ${withoutReason(said)}`);
    }
  });
});

describe("ext2 without any feature", () => {
  it.each([
    ["-O", "none"],
    ["-r", "0"],
  ])("(mkfs.ext2 %s %s) is read whole as the kernel reads it", (...options) => {
    const image = path.join(folder, "oldest.img");
    const made = { path: image, type: "ext2", blockSize: 1024, sizeMiB: 32, options } as const;
    const kernel = makeExtImage({ ...made, folder: tree, fragments: 1000 });
    using disk = openDisk(image);
    const driver = openExt(disk.source);
    expect(driver.type).toBe("ext2");
    expect(differences(kernel.manifest, manifestOfDriver(driver))).toEqual([]);
  });
});

/** What this or that kernel does not mount: filled by mkfs, and debugfs is the judge. */
const UNMOUNTED: readonly (readonly string[])[] = [
  ["-b", "65536"],
  ["-b", "65536", "-O", "^64bit,^extent"],
  ["-b", "16384"],
  ["-b", "32768"],
  ["-b", "8192", "-O", "^metadata_csum,^64bit"],
  ["-b", "4096", "-O", "casefold", "-E", "encoding=utf8"],
  ["-b", "1024", "-O", "quota"],
];

describe.each(UNMOUNTED.map((options) => [options.join(" "), options] as const))("mkfs.ext4 %s", (_name, options) => {
  it("is read whole as debugfs reads it, and as the folder was", () => {
    const image = path.join(folder, "unmounted.img");
    makeFilesystemImage({ path: image, type: "ext4", sizeMiB: 64, folder: treeWithoutSpecial, options });
    using disk = openDisk(image);
    const ours = manifestOfDriver(openExt(disk.source));
    expect(differences(treeOfDebugfs(image, path.join(folder, "dumped")), ours)).toEqual([]);
    const source = manifestOfFolder(treeWithoutSpecial);
    expect(differencesWithin(source, ours)).toEqual([]);
  });
});

describe("a file of more than 4 GiB", () => {
  it.each([
    ["ext4", "1024"],
    ["ext4", "4096"],
    ["ext3", "4096"],
    ["ext2", "1024"],
  ] as const)("on %s with blocks of %s bytes is read as the kernel reads it", (type, blockSize) => {
    const image = path.join(folder, "large.img");
    const mounted = path.join(folder, "large");
    const places = [0, 2 ** 31 - 7000, 2 ** 32 - 5000, 2 ** 32 + 70_000, 9 * 2 ** 30];
    const around = (place: number) => [Math.max(0, place - 3000), 30_000] as const;
    makeFilesystemImage({ path: image, type, sizeMiB: 32, options: ["-b", blockSize] });
    fs.mkdirSync(mounted, { recursive: true });
    call("mount", ["-o", "loop", image, mounted], "mount");
    const kernel: Buffer[] = [];
    try {
      const fd = fs.openSync(path.join(mounted, "large"), "w+");
      for (const place of places) fs.writeSync(fd, noise(20_000, place % 1000), 0, 20_000, place);
      for (const place of places) {
        const bytes = Buffer.alloc(30_000);
        kernel.push(bytes.subarray(0, fs.readSync(fd, bytes, 0, 30_000, around(place)[0])));
      }
      fs.closeSync(fd);
    } finally {
      call("umount", [mounted], "mount");
    }
    using disk = openDisk(image);
    const content = guestFilesystem(openExt(disk.source)).open("/large");
    expect(content.size).toBe(9 * 2 ** 30 + 20_000);
    for (const [index, place] of places.entries()) {
      const [from, length] = around(place);
      const ours = content.read(from, Math.min(length, content.size - from));
      expect(kernel[index]?.equals(ours)).toBe(true);
    }
  });
});

it("a file that lies in its inode ends where its size says, and may be longer than what lies there", () => {
  // debugfs 1.47 copies out 60 bytes of each. mke2fs 1.47 makes a file that is one large hole one of this kind, too,
  // and gives a file with a hole at its end a wrong size.
  const image = path.join(folder, "inline.img");
  const options = ["-b", "65536", "-O", "inline_data"];
  makeFilesystemImage({ path: image, type: "ext4", sizeMiB: 64, folder: treeWithoutSpecial, options });
  using disk = openDisk(image);
  const ours = manifestOfDriver(openExt(disk.source));
  const wrong = "/sparse/hole-at-the-end";
  const source = { ...manifestOfFolder(treeWithoutSpecial), [wrong]: ours[wrong] ?? "missing" };
  expect(differencesWithin(source, ours)).toEqual([]);
});
