import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { noise } from "../base/seeded.ts";
import { call } from "../filesystem/call.ts";
import { temporaryFolder } from "../program.ts";
import { file, judgeByE2fsck, listedByKernel, listedEntry, makeImage, write, type ImageOptions } from "./ext2-image.ts";

const temporary = temporaryFolder();
afterAll(() => temporary[Symbol.dispose]());

const at = (name: string) => path.join(temporary.path, name.replace(/\W+/g, "-"));
const KIB = 1024;
const MIB = 1024 * KIB;

/** What dumpe2fs says, from the superblock at a block or from the first. */
function told(image: string, superblock?: { readonly block: number; readonly size: number }): string {
  const options =
    superblock === undefined ? [] : ["-o", `superblock=${superblock.block}`, "-o", `blocksize=${superblock.size}`];
  return call("dumpe2fs", [...options, image], "e2fsprogs");
}

const field = (text: string, name: string) => new RegExp(`^${name}: +(.*)$`, "m").exec(text)?.[1] ?? "missing";

const many = (count: number) =>
  Array.from({ length: count }, (_, index) => file(`many/file-${index}`, Buffer.from(String(index))));

const SMALL: Readonly<Record<string, ImageOptions>> = {
  "revision 0": { options: ["-r", "0", "-b", "1024", "-I", "128", "-N", "2048"], sizeKiB: 600 },
  sparse_super: {
    options: ["-O", "none,filetype,sparse_super", "-b", "1024", "-I", "128", "-N", "2048"],
    sizeKiB: 600,
  },
  resize_inode: { options: ["-t", "ext2", "-b", "1024", "-I", "256", "-N", "1024"], sizeKiB: 2048 },
  "2 KiB blocks": { options: ["-O", "none,filetype", "-b", "2048", "-N", "2048"], sizeKiB: 1200 },
  "4 KiB blocks": { options: ["-t", "ext2", "-b", "4096", "-N", "2048"], sizeKiB: 2400 },
  genext2fs: { program: "genext2fs", options: ["-N", "2048"], sizeKiB: 600 },
};

/** Groups 1 to 4 without sparse_super, 1 and 3 with it; groups of 2 KiB blocks have 32 MiB, of 4 KiB blocks 128 MiB. */
const backupsOf: Readonly<Record<string, number>> = {
  "revision 0": 4,
  sparse_super: 2,
  resize_inode: 2,
  "2 KiB blocks": 1,
  "4 KiB blocks": 0,
  genext2fs: 4,
};

describe.each(Object.entries(SMALL))("a full image grows: %s", (title, options) => {
  const image = at(title);
  const files = [file("a", noise(3 * MIB, 1)), file("b", noise(30 * MIB + 5, 2)), file("c", noise(100, 3))];

  it("by as many blocks as it needs, and by groups", () => {
    makeImage(image, options);
    const { size, sizeBefore } = write(image, files);
    judgeByE2fsck(image);
    const after = listedByKernel(image);
    for (const entry of files) expect(after[entry.path]).toBe(listedEntry(entry, 1));
    expect(size).toBe(Number(field(told(image), "Block count")) * Number(field(told(image), "Block size")));
    expect(size).toBe(fs.statSync(image).size);
    expect(sizeBefore).toBe(options.sizeKiB * KIB);
    // The content, its block lists, and a group's tables for each 8 MiB; no reserve beyond that.
    expect(size).toBeLessThan(sizeBefore + 37 * MIB);
  });

  it("with copies of superblock and descriptors that say the same", () => {
    const first = told(image);
    const blockSize = Number(field(first, "Block size"));
    const backups = [...first.matchAll(/Backup superblock at (\d+)/g)].map(([, block]) => Number(block));
    expect(backups).toHaveLength(backupsOf[title] ?? -1);
    for (const block of backups) {
      const copy = told(image, { block, size: blockSize });
      for (const name of ["Block count", "Inode count", "Inodes per group", "Filesystem features"]) {
        expect(field(copy, name)).toBe(field(first, name));
      }
      expect(copy.slice(copy.indexOf("\nGroup 0"))).toBe(first.slice(first.indexOf("\nGroup 0")));
    }
  });

  it("and again", () => {
    const more = file("more", noise(9 * MIB, 4));
    write(image, [more]);
    judgeByE2fsck(image);
    expect(listedByKernel(image)["more"]).toBe(listedEntry(more, 1));
  });
});

describe("an image without free inodes", () => {
  it.each([
    ["1 KiB blocks", ["-O", "none,filetype", "-b", "1024", "-I", "128"]],
    ["revision 0", ["-r", "0", "-b", "1024", "-I", "128"]],
    ["inodes of 256 bytes", ["-t", "ext2", "-b", "1024", "-I", "256"]],
    ["4 KiB blocks", ["-t", "ext2", "-b", "4096"]],
  ])("of a single group gets a longer inode table, not another group: %s", (title, options) => {
    const image = at(title);
    makeImage(image, { options: [...options, "-N", "32"], sizeKiB: 1024 });
    const files = many(700);
    write(image, files);
    judgeByE2fsck(image);
    const after = listedByKernel(image);
    for (const entry of files) expect(after[entry.path]).toBe(listedEntry(entry, 1));
    expect(told(image)).not.toContain("Group 1:");
    expect(fs.statSync(image).size).toBeLessThan(4 * MIB + 700 * Number(field(told(image), "Block size")));
  });

  it("of several groups gets another group", () => {
    const image = at("several groups");
    makeImage(image, { options: ["-O", "none,filetype", "-b", "1024", "-I", "128", "-N", "32"], sizeKiB: 9000 });
    write(image, many(90));
    judgeByE2fsck(image);
    expect(Object.keys(listedByKernel(image)).filter((name) => name.startsWith("many/"))).toHaveLength(90);
  });

  it("gets another block of group descriptors where the blocks behind them are free", () => {
    const image = at("descriptors");
    makeImage(image, { options: ["-t", "ext2", "-b", "1024", "-I", "128", "-N", "256"], sizeKiB: 256 * KIB + 1 });
    expect(told(image)).not.toContain("Group 32:");
    write(image, many(400));
    judgeByE2fsck(image);
    expect(told(image)).toContain("Group 32:");
    expect(told(image)).not.toContain("resize_inode");
    expect(Object.keys(listedByKernel(image)).filter((name) => name.startsWith("many/"))).toHaveLength(400);
  });

  it("is refused as full where the blocks behind the group descriptors are in use", () => {
    const image = at("no descriptors");
    const options = ["-O", "none,filetype,sparse_super", "-b", "1024", "-I", "128", "-N", "256"];
    makeImage(image, { options, sizeKiB: 256 * KIB + 1 });
    const words = expect.stringContaining("group descriptors have no room") as string;
    expect(() => write(image, many(400))).toThrow(expect.objectContaining({ code: "NO_SPACE", message: words }));
  });
});

describe("an image that needs no growth", () => {
  it("keeps its length, and the blocks that resize2fs would use", () => {
    const image = at("no growth");
    makeImage(image, { options: ["-t", "ext2", "-b", "1024"], sizeKiB: 4096 });
    const { size, sizeBefore } = write(image, [file("a", noise(2 * MIB, 1))]);
    judgeByE2fsck(image);
    expect([size, sizeBefore, fs.statSync(image).size]).toEqual([4 * MIB, 4 * MIB, 4 * MIB]);
    expect(field(told(image), "Filesystem features")).toContain("resize_inode");
  });

  it("uses what a replaced file leaves", () => {
    const image = at("replaced");
    makeImage(image, { options: ["-O", "none", "-b", "1024"], sizeKiB: 4096 });
    for (let round = 0; round < 6; round++) write(image, [file("a", noise(3 * MIB, round))]);
    judgeByE2fsck(image);
    expect(fs.statSync(image).size).toBe(4 * MIB);
  });
});

describe("an image in a longer file", () => {
  it("grows over whatever lies behind it", () => {
    const image = at("longer");
    makeImage(image, { options: ["-O", "none,filetype", "-b", "1024", "-N", "1024"], sizeKiB: 8000 });
    fs.appendFileSync(image, Buffer.alloc(4 * MIB, 0xa5));
    const entry = file("a", noise(9 * MIB, 1));
    write(image, [entry]);
    judgeByE2fsck(image);
    expect(listedByKernel(image)["a"]).toBe(listedEntry(entry, 1));
  });
});

describe("the limit", () => {
  it("holds for the image itself too", () => {
    const image = at("over the limit");
    makeImage(image, { options: ["-O", "none", "-b", "1024"], sizeKiB: 4096 });
    const before = fs.readFileSync(image);
    expect(() => write(image, [], 2 * MIB)).toThrow(expect.objectContaining({ code: "FILE_TOO_LARGE" }));
    expect(fs.readFileSync(image).equals(before)).toBe(true);
  });

  it("ends the growth, and leaves nothing that could be taken for an image", () => {
    const image = at("limit");
    makeImage(image, { options: ["-O", "none", "-b", "1024"], sizeKiB: 1024 });
    expect(() => write(image, [file("a", noise(3 * MIB, 1))], 2 * MIB)).toThrow(
      expect.objectContaining({ code: "NO_SPACE", message: expect.stringContaining("2048 KiB") as string }),
    );
    expect(() => told(image)).toThrow("Bad magic number");
    expect(fs.statSync(image).size).toBe(2 * MIB);
  });
});
