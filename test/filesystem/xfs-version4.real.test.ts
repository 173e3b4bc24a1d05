import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openDisk } from "../../src/disk/open-disk.ts";
import { openFilesystem } from "../../src/filesystem/detect.ts";
import { openXfs } from "../../src/filesystem/xfs/xfs-driver.ts";
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
import { makeXfsImageOf } from "./xfs-image.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-xfs4-"));
const tree = path.join(folder, "tree");
const image = path.join(folder, "disk.img");
let source: Manifest = {};

beforeAll(() => {
  makeGuestTree(tree, { many: 3000, far: false, special: true });
  // A description for mkfs.xfs has no words for these.
  for (const name of [" space ", "new\nline"]) fs.rmSync(path.join(tree, "names", name));
  fs.mkdirSync(path.join(tree, "upper"));
  for (const name of ["VMLINUZ", "Initrd.Img", "k\u00e4se"]) fs.writeFileSync(path.join(tree, "upper", name), name);
  source = manifestOfFolder(tree);
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

/** Version 4 as guests of 2001 to 2015 have it. No kernel here mounts it any more: mkfs.xfs fills it, GRUB reads it. */
const KINDS: readonly (readonly [what: string, sizeMiB: number, options: string])[] = [
  ["blocks of 512 bytes", 64, "-b size=512"],
  ["blocks of 512 bytes, inodes of 256, the first log format", 64, "-b size=512 -i size=256,attr=1 -l version=1"],
  ["blocks of 1 KiB, a type byte", 64, "-b size=1024 -n ftype=1"],
  ["blocks of 2 KiB, folders of 16 KiB", 64, "-b size=2048 -n size=16384"],
  ["as mkfs.xfs makes it", 96, ""],
  ["inodes of 2 KiB, a type byte, folders of 64 KiB", 96, "-i size=2048 -n size=65536,ftype=1"],
  ["sectors of 4 KiB, old counters", 96, "-s size=4096 -l lazy-count=0 -i projid32bit=0"],
  ["blocks of 16 KiB", 320, "-b size=16384"],
  ["blocks of 64 KiB", 512, "-b size=65536 -n ftype=0"],
];

const SAMPLES = [
  "/five-megabytes",
  "/sparse/hole-in-the-middle",
  ...[0, 1, 160, 1024, 4095, 4096, 4097].map((size) => `/sizes/${size}`),
  `/deep/${Array.from({ length: 100 }, (_, level) => `level-${level}`).join("/")}/bottom`,
  "/links/relative",
  "/links/of-1000-bytes",
];

describe.each(KINDS)("XFS of version 4: %s", (_what, sizeMiB, options) => {
  beforeAll(() => {
    makeXfsImageOf(image, sizeMiB, ["-m", "crc=0", "-L", "old", ...options.split(" ").filter(Boolean)], tree);
  });

  it("is read whole as it was made", () => {
    using disk = openDisk(image);
    const driver = openXfs(disk.source);
    expect([driver.type, driver.label, driver.notes]).toEqual(["xfs", "old", []]);
    expect(driver.uuid).toBe(call("blkid", ["-p", "-o", "value", "-s", "UUID", image], "util-linux").trim());
    expect(differences(source, manifestOfDriver(driver))).toEqual([]);
  });

  it("is read as GRUB reads it", () => {
    using disk = openDisk(image);
    const filesystem = openFilesystem(disk.source);
    const ours = Object.fromEntries(SAMPLES.map((name) => [name, fileOf(filesystem.open(name))]));
    expect(differencesWithin(readByGrub(image, SAMPLES), ours)).toEqual([]);
  });

  it("has every name found through the index, and none that is not there", () => {
    using disk = openDisk(image);
    const filesystem = openFilesystem(disk.source);
    for (const name of ["/many", "/names", "/few", "/some", "/sizes"]) {
      for (const { name: child, node } of filesystem.list(name)) {
        expect([child, filesystem.find(`${name}/${child}`)]).toEqual([child, node]);
      }
      for (const missing of ["x", "entry-", "entry-3000", "ENTRY-1", "y".repeat(255)]) {
        expect(filesystem.find(`${name}/${missing}`)).toBeNull();
      }
    }
  });
});

describe.each(["-m crc=0 -n version=ci", "-m crc=1 -n version=ci"])("XFS whose names have no case: %s", (options) => {
  beforeAll(() => {
    // mkfs.xfs 6.1 forgets the header that the block of a long link has in version 5.
    for (const name of ["of-1000-bytes", "folder"]) fs.rmSync(path.join(tree, "links", name), { force: true });
    source = manifestOfFolder(tree);
    makeXfsImageOf(image, 320, options.split(" "), tree);
  });

  it("finds a name whatever its case, and shows it as it is", () => {
    using disk = openDisk(image);
    const filesystem = openFilesystem(disk.source);
    const text = (name: string) => Buffer.from(filesystem.open(name).read(0, 7)).toString();
    expect(text("/upper/VMLINUZ")).toBe("VMLINUZ");
    expect(text("/Upper/vmlinuz")).toBe("VMLINUZ");
    expect(text("/UPPER/INITRD.IMG")).toBe("Initrd.");
    expect(filesystem.find("/upper/k\u00e4se")).not.toBeNull();
    expect(filesystem.find("/many/ENTRY-2999")?.kind).toBe("file");
    expect(filesystem.find("/many/ENTRY-3000")).toBeNull();
    expect(filesystem.list("/upper").map(({ name }) => name)).toContain("VMLINUZ");
  });

  it("is read whole as it was made", () => {
    using disk = openDisk(image);
    expect(differences(source, manifestOfDriver(openXfs(disk.source)))).toEqual([]);
  });
});
