import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GuestbootError } from "../../src/base/errors.ts";
import type { OverlayEntry } from "../../src/initrd/overlay.ts";
import { noise, seeded } from "../base/seeded.ts";
import { call } from "../filesystem/call.ts";
import { temporaryFolder } from "../program.ts";
import { device, file, folder, hardLink, judgeByE2fsck, makeImage, symlink, write } from "./ext2-image.ts";

const temporary = temporaryFolder();
afterAll(() => temporary[Symbol.dispose]());

const at = (name: string) => path.join(temporary.path, name.replace(/\W+/g, "-"));
const good = at("good");
const KIB = 1024;
const OVERLAY = [file("new", noise(20 * KIB, 9)), folder("etc"), file("etc/new", Buffer.from("x"))];

beforeAll(() => {
  const source = at("source");
  for (const name of ["", "etc", "full", "full/deep"]) fs.mkdirSync(path.join(source, name));
  fs.writeFileSync(path.join(source, "loader"), noise(100 * KIB, 1));
  fs.writeFileSync(path.join(source, "etc/fstab"), "none\n");
  fs.writeFileSync(path.join(source, "full/file"), noise(2 * KIB, 2));
  fs.symlinkSync("loop", path.join(source, "loop"));
  fs.symlinkSync("nowhere/at/all", path.join(source, "dangling"));
  fs.symlinkSync("/".padEnd(100, "x"), path.join(source, "slow"));
  makeImage(good, { options: ["-t", "ext2", "-b", "1024", "-I", "128"], sizeKiB: 1024, folder: source });
  judgeByE2fsck(good);
});

/** What is thrown, and whether the image is as it was. */
function refused(image: string, overlay: readonly OverlayEntry[] = OVERLAY): { error: GuestbootError; same: boolean } {
  const before = fs.readFileSync(image);
  try {
    write(image, overlay);
  } catch (error) {
    if (error instanceof GuestbootError) return { error, same: fs.readFileSync(image).equals(before) };
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("features that a writer would break", () => {
  it.each([
    ["extents", ["-t", "ext2", "-O", "extents"]],
    ["64bit", ["-t", "ext2", "-O", "extents,64bit"]],
    ["flex_bg", ["-t", "ext2", "-O", "flex_bg"]],
    ["meta_bg", ["-t", "ext2", "-O", "meta_bg,^resize_inode"]],
    ["metadata_csum", ["-t", "ext2", "-O", "metadata_csum"]],
    ["uninit_bg", ["-t", "ext2", "-O", "uninit_bg"]],
    ["huge_file", ["-t", "ext2", "-O", "huge_file"]],
    ["dir_nlink", ["-t", "ext2", "-O", "dir_nlink"]],
    ["extra_isize", ["-t", "ext2", "-O", "extra_isize", "-I", "256"]],
    ["inline_data", ["-t", "ext2", "-O", "inline_data", "-I", "256"]],
    ["quota", ["-t", "ext2", "-O", "quota"]],
    ["mmp", ["-t", "ext2", "-O", "mmp"]],
    ["sparse_super2", ["-t", "ext2", "-O", "sparse_super2,^resize_inode,^sparse_super"]],
    ["bigalloc", ["-t", "ext4", "-O", "bigalloc,extents"]],
    ["encrypt", ["-t", "ext4", "-O", "encrypt"]],
    ["casefold", ["-t", "ext4", "-O", "casefold"]],
    ["ea_inode", ["-t", "ext4", "-O", "ea_inode"]],
    ["large_dir", ["-t", "ext4", "-O", "large_dir"]],
    ["project", ["-t", "ext4", "-O", "project,quota", "-I", "256"]],
    ["verity", ["-t", "ext4", "-O", "verity"]],
    ["orphan_file", ["-t", "ext4", "-O", "orphan_file"]],
    ["journal_dev", ["-O", "journal_dev"]],
  ])("are refused by name: %s", (name, options) => {
    const image = at(`feature ${name}`);
    makeImage(image, { options, sizeKiB: 8 * KIB });
    const { error, same } = refused(image);
    expect(error.code).toBe("FEATURE_UNSUPPORTED");
    expect(error.message).toContain(name);
    expect(same).toBe(true);
  });

  it("are refused by number when nobody knows them", () => {
    const image = damage("unknown feature", (bytes) => bytes.writeUInt32LE(0x0200_0002, 1024 + 0x60));
    expect(refused(image).error.message).toContain("0x2000000 (unknown, incompatible)");
  });

  it("are refused: blocks over 4 KiB, inodes of another operating system, another revision", () => {
    for (const [name, offset, value, words] of [
      ["large blocks", 0x18, 4, "blocks of 2^4 KiB"],
      ["hurd", 0x48, 1, "operating system 1"],
      ["revision", 0x4c, 2, "revision 2"],
      ["fragments", 0x1c, 1, "fragments"],
    ] as const) {
      const { error, same } = refused(damage(name, (bytes) => bytes.writeUInt32LE(value, 1024 + offset)));
      expect([error.code, same]).toEqual(["FEATURE_UNSUPPORTED", true]);
      expect(error.message).toContain(words);
    }
  });
});

/** A copy of the good image with some bytes changed. */
function damage(name: string, change: (bytes: Buffer) => void): string {
  const bytes = fs.readFileSync(good);
  change(bytes);
  const image = at(name);
  fs.writeFileSync(image, bytes);
  return image;
}

/** A copy that debugfs has changed, so that e2fsck finds it wrong. */
function damageByDebugfs(name: string, requests: readonly string[]): string {
  const image = at(`damage ${name}`);
  fs.copyFileSync(good, image);
  call("debugfs", ["-w", "-f", "-", image], "e2fsprogs", `${requests.join("\n")}\n`);
  expect(() => {
    judgeByE2fsck(image);
  }).toThrow();
  return image;
}

/** A block number, as debugfs tells it. */
const blockOf = (name: string, index = 0) => {
  const blocks = call("debugfs", ["-R", `blocks ${name}`, good], "e2fsprogs")
    .trim()
    .split(/\s+/);
  return blocks[index] ?? "missing";
};

describe("a damaged image", () => {
  it.each<readonly [string, () => readonly string[], RegExp]>([
    ["a file's block that the bitmap says is free", () => [`freeb ${blockOf("/loader", 3)}`], /is free, and belongs/],
    [
      "an indirect block that the bitmap says is free",
      () => [`freeb ${blockOf("/loader", 12)}`],
      /is free, and belongs/,
    ],
    ["a folder's block that the bitmap says is free", () => [`freeb ${blockOf("/etc")}`], /is free, and belongs/],
    ["the inode bitmap marked as free", () => ["freeb 8"], /is free, and belongs|belongs to/],
    ["a block in use that belongs to nothing", () => ["setb 1000"], /in use, and belongs to nothing/],
    ["an inode that the bitmap says is free", () => ["freei /loader"], /marked as free, and has 1 links/],
    ["an inode in use without links", () => ["sif /loader links_count 0"], /has no links/],
    ["a wrong link count", () => ["sif /loader links_count 2"], /has 2 links, and 1 names/],
    ["two files with one block", () => [`sif /etc/fstab block[0] ${blockOf("/loader", 2)}`], /belongs to two things/],
    ["a file over the inode table", () => ["sif /etc/fstab block[0] 10"], /belongs to two things/],
    ["a block outside the image", () => ["sif /etc/fstab block[0] 70000"], /block 70000 of 1024/],
    ["a block list outside the image", () => ["sif /loader block[IND] 70000"], /block 70000 of 1024/],
    ["a wrong count of sectors", () => ["sif /loader blocks 8"], /counts 8 sectors/],
    ["a group's wrong count of free blocks", () => ["set_bg 0 free_blocks_count 3"], /counts 3/],
    ["a group's wrong count of folders", () => ["set_bg 0 used_dirs_count 3"], /folders, and counts/],
    ["a bitmap outside its group", () => ["set_bg 0 block_bitmap 70000"], /outside its group/],
    ["an inode table outside its group", () => ["set_bg 0 inode_table 1020"], /outside its group/],
    ["a folder inside itself", () => ["ln /full /full/deep/again"], /two places|another one/],
    ["a name for an inode that is not in use", () => ["ln <100> /ghost"], /not in use/],
    ["a folder with holes", () => ["sif /full block[0] 0", `freeb ${blockOf("/full")}`], /holes|counts 2 sectors/],
    ["a folder of an odd size", () => ["sif /full size 1000"], /1000 bytes/],
    ["a root that is a file", () => ["sif / mode 0100644"], /root is no folder|folders/],
  ])("is refused and left as it was: %s", (name, requests, words) => {
    const { error, same } = refused(damageByDebugfs(name, requests()));
    expect(error.code).toBe("FILESYSTEM_DAMAGED");
    expect(error.message).toMatch(words);
    expect(same).toBe(true);
  });

  it.each([
    ["errors", "ssv state 2", /marked as having errors/],
    ["files being deleted", "ssv last_orphan 12", /inode 12/],
  ])("is refused when its superblock notes %s", (name, request, words) => {
    const image = at(`noted ${name}`);
    fs.copyFileSync(good, image);
    call("debugfs", ["-w", "-R", request, image], "e2fsprogs");
    const { error, same } = refused(image);
    expect([error.code, same]).toEqual(["FILESYSTEM_DAMAGED", true]);
    expect(error.message).toMatch(words);
  });

  it("is refused while its journal holds something", () => {
    const image = at("journal");
    makeImage(image, { options: ["-t", "ext3", "-J", "size=1", "-b", "1024"], sizeKiB: 4 * KIB });
    call("debugfs", ["-w", "-R", "feature needs_recovery", image], "e2fsprogs");
    const { error, same } = refused(image);
    expect([error.code, same]).toEqual(["FEATURE_UNSUPPORTED", true]);
    expect(error.message).toContain("needs_recovery");
  });

  it("is refused when it ends before its last block, or holds nothing at all", () => {
    for (const length of [0, 500, 1500, 2000, 4096, 500 * KIB, 1024 * KIB - 1]) {
      const image = at(`short ${length}`);
      fs.writeFileSync(image, fs.readFileSync(good).subarray(0, length));
      const { error, same } = refused(image);
      expect([length, error.code, same]).toEqual([
        length,
        length < 2048 ? "NO_FILESYSTEM" : "FILESYSTEM_DAMAGED",
        true,
      ]);
    }
  });

  it("ends in a typed error, or in a result as good as what was handed in, whatever its tables hold", () => {
    const next = seeded(20);
    const outcomes = new Map<string, number>();
    const bytes = fs.readFileSync(good);
    const image = at("forged");
    const isClean = () => spawnSync("e2fsck", ["-fn", image], { env: { PATH: "/usr/sbin:/sbin" } }).status === 0;
    for (let round = 0; round < 400; round++) {
      const forged = Buffer.from(bytes);
      for (let change = 0; change <= next() % 4; change++) {
        // The superblock, the descriptors, bitmaps and inodes of files, or a block of a folder.
        const place = [1024 + (next() % 0x68), 2048 + (next() % 32), next() % (40 * KIB), 1024 * (next() % 300)];
        const offset = place[next() % place.length] ?? 0;
        if (next() % 2 === 0) forged[offset] = next() & 0xff;
        else forged.writeUInt32LE([0, 0xffff_ffff, 1, next(), next() % 1024][next() % 5] ?? 0, offset & ~3);
      }
      fs.writeFileSync(image, forged);
      let outcome = "written";
      try {
        write(image, OVERLAY, 8 * 1024 * KIB);
        const isCleanAfter = isClean();
        fs.writeFileSync(image, forged);
        if (isClean()) expect(isCleanAfter).toBe(true);
      } catch (error) {
        if (!(error instanceof GuestbootError)) throw error;
        outcome = error.code;
        expect(fs.readFileSync(image).equals(forged)).toBe(true);
      }
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    expect(outcomes.get("written")).toBeGreaterThan(10);
    expect(outcomes.get("FILESYSTEM_DAMAGED")).toBeGreaterThan(50);
    expect(outcomes.has("INTERNAL")).toBe(false);
  });
});

describe("an entry that cannot be written", () => {
  const plain = file("a", Buffer.from("x"));
  it.each<readonly [string, OverlayEntry, string]>([
    ["a path that leaves the image", { ...plain, path: "etc/../../passwd" }, "OVERLAY_INVALID"],
    ["a NUL in a name", { ...plain, path: "a\0b" }, "OVERLAY_INVALID"],
    ["a name over 255 bytes", { ...plain, path: "x".repeat(256) }, "OVERLAY_INVALID"],
    ["a name over 255 bytes in UTF-8", { ...plain, path: "é".repeat(128) }, "OVERLAY_INVALID"],
    ["a file in place of the root", { ...plain, path: "/" }, "OVERLAY_INVALID"],
    ["a negative owner", { ...plain, uid: -1 }, "OVERLAY_INVALID"],
    ["a time of more than 32 bits", { ...plain, mtime: 2 ** 32 }, "OVERLAY_INVALID"],
    ["a device that Linux cannot have", device("a", "block device", 4096, 0), "OVERLAY_INVALID"],
    ["a minor number that Linux cannot have", device("a", "block device", 1, 2 ** 20), "OVERLAY_INVALID"],
    ["a link to nothing", symlink("a", ""), "OVERLAY_INVALID"],
    ["a link longer than a block", symlink("a", "x".repeat(1024)), "OVERLAY_INVALID"],
    ["a hard link to what is not there", hardLink("a", "missing"), "OVERLAY_INVALID"],
    ["a hard link to a folder", hardLink("a", "etc"), "OVERLAY_INVALID"],
    ["a hard link out of the image", hardLink("a", "../etc/fstab"), "OVERLAY_INVALID"],
    ["a file in place of a folder with files", { ...plain, path: "full" }, "NOT_A_FILE"],
    ["a file below a file", { ...plain, path: "loader/a" }, "NOT_A_FILE"],
    ["a file below a link to nowhere", { ...plain, path: "dangling/a" }, "FILE_MISSING"],
    ["a file below a link to itself", { ...plain, path: "loop/a" }, "LINK_LOOP"],
    ["a file of 2 GiB", { ...plain, content: { size: 2 ** 31, read: () => new Uint8Array() } }, "FILE_TOO_LARGE"],
  ])("is a typed error, and no image is left: %s", (name, entry, code) => {
    const image = at(`entry ${name}`);
    fs.copyFileSync(good, image);
    const { error } = refused(image, [entry]);
    expect(error.code).toBe(code);
    expect(() => call("dumpe2fs", ["-h", image], "e2fsprogs")).toThrow("Bad magic number");
  });
});

describe("what is no image", () => {
  it("is refused: a folder's descriptor, a device", () => {
    const fd = fs.openSync("/dev/null", "r+");
    fs.closeSync(fd);
    expect(() => write("/dev/null", OVERLAY)).toThrow(expect.objectContaining({ code: "DISK_UNREADABLE" }));
  });
});
