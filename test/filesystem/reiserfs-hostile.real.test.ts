import { describe, expect, it } from "vitest";
import { memorySource } from "../../src/base/byte-source.ts";
import { openFilesystem } from "../../src/filesystem/detect.ts";
import { noise, seeded } from "../base/seeded.ts";
import { explore } from "./explore.ts";
import { forge, oldFormatImage, sampleImage, SUPERBLOCK, type Forged } from "./reiserfs-image.ts";

const pristine = sampleImage("tea");
const pristineCrashed = sampleImage("crashed");
const forged = (): Forged => forge("tea", pristine);

const ours = (code: string): unknown => expect.objectContaining({ name: "GuestbootError", code });
const damaged = ours("FILESYSTEM_DAMAGED");
const outOfBounds = ours("OUT_OF_BOUNDS");

const [STAT, INDIRECT, DIRECTORY] = [0, 1, 3];
const OLD_KERNEL = "/boot/vmlinuz-2.6.16.60-0.21-xen";
const OLD_INITRD = "/boot/initrd-2.6.16.60-0.21-xen";

describe("a superblock whose numbers cannot be", () => {
  it.each([
    ["blocks of no bytes", 44, 0, 2],
    ["blocks of 100 bytes", 44, 100, 2],
    ["blocks of 32 KiB", 44, 32_768, 2],
    ["no blocks", 0, 0, 4],
    ["its root in block 0", 8, 0, 4],
    ["its root behind its end", 8, 0xfffffff0, 4],
    ["a tree without height", 68, 0, 2],
    ["a tree of 8 levels", 68, 9, 2],
    ["a tree that is being rebuilt", 68, 0xffff, 2],
    ["a journal without blocks", 20, 0, 4],
    ["a journal of 2^32 blocks", 20, 0xffffffff, 4],
    ["a journal in block 0", 12, 0, 4],
    ["a journal behind its end", 12, 0xffffff00, 4],
  ])("(%s) is damage", (_what, offset, value, width) => {
    const { bytes, open } = forged();
    bytes.writeUIntLE(value, SUPERBLOCK + offset, width);
    expect(open).toThrow(damaged);
  });

  it("(more blocks than its disk has, the root there) is out of bounds", () => {
    const { bytes, open } = forged();
    bytes.writeUInt32LE(0xffffffff, SUPERBLOCK);
    bytes.writeUInt32LE(0xfffffff0, SUPERBLOCK + 8);
    expect(open).toThrow(outOfBounds);
  });

  it("(a journal on another device, and not unmounted) is refused by name, and read when it was unmounted", () => {
    const { bytes, open } = forged();
    bytes.writeUInt32LE(0x801, SUPERBLOCK + 16);
    expect(open().find(OLD_KERNEL)?.size).toBe(1_500_000);
    bytes.writeUInt16LE(2, SUPERBLOCK + 50);
    expect(open).toThrow(ours("FEATURE_UNSUPPORTED"));
  });

  it("(a hash that nobody knows) only makes looking slower", () => {
    const { bytes, open } = forged();
    bytes.writeUInt32LE(99, SUPERBLOCK + 64);
    expect(open().find(OLD_KERNEL)?.size).toBe(1_500_000);
    expect(open().find("/many/entry-with-a-usual-name-499")?.kind).toBe("file");
    expect(open().find("/many/missing")).toBeNull();
  });

  it("(marked as damaged) is read, with a note", () => {
    const { bytes, open } = forged();
    bytes.writeUInt16LE(1, SUPERBLOCK + 62);
    expect(open().notes).toEqual([expect.stringContaining("marked as damaged")]);
  });
});

describe("a tree", () => {
  const pointers = ({ bytes, root }: Forged) => root + 24 + bytes.readUInt16LE(root + 2) * 16;

  it("whose root is its own child is damage", () => {
    const image = forged();
    expect(image.bytes.readUInt16LE(image.root)).toBeGreaterThan(1);
    image.bytes.writeUInt32LE(image.root / image.blockSize, pointers(image));
    expect(image.open).toThrow(damaged);
  });

  it("all of whose branches are the same one is damage, and soon so", () => {
    const image = forged();
    const first = image.bytes.readUInt32LE(pointers(image));
    const count = image.bytes.readUInt16LE(image.root + 2);
    for (let index = 0; index <= count; index++) image.bytes.writeUInt32LE(first, pointers(image) + index * 8);
    const { errors } = explore(memorySource(image.bytes));
    expect(errors["FILESYSTEM_DAMAGED"]).toBeGreaterThan(0);
  });

  it.each([0xffffffff, 0])("that leads to block %i is damage", (block) => {
    const image = forged();
    image.bytes.writeUInt32LE(block, pointers(image));
    expect(image.open).toThrow(damaged);
  });

  it("with more keys in a node than there is room is damage", () => {
    const { bytes, open, root } = forged();
    bytes.writeUInt16LE(0xffff, root + 2);
    expect(open).toThrow(damaged);
  });

  it("with keys that are not sorted is damage", () => {
    const { bytes, open, root } = forged();
    bytes.copy(bytes, root + 24 + 16, root + 24, root + 24 + 16);
    expect(open).toThrow(damaged);
  });
});

describe("a leaf", () => {
  const first = (image: Forged) => {
    const [item] = image.itemsOf(STAT);
    if (item === undefined) throw new Error("the sample has no stat data");
    return item;
  };

  it.each([
    ["no items", -24 + 2, 0, damaged],
    ["65,535 items", -24 + 2, 0xffff, damaged],
    ["another level", -24, 2, damaged],
    ["an item over its headers", 20, 10, damaged],
    ["an item behind its end", 20, 0xfff0, outOfBounds],
    ["an item that is longer than the block", 18, 0xffff, outOfBounds],
    ["stat data of 43 bytes", 18, 43, damaged],
    ["an item whose key sorts behind the next", 8, 0xffff, damaged],
  ])("with %s fails as its bytes do", (_what, offset, value, error) => {
    const image = forged();
    image.bytes.writeUInt16LE(value, first(image).header + offset);
    expect(image.open).toThrow(error);
  });

  it("with a key whose offset is past 2^53 is damage", () => {
    const image = forged();
    const { header } = image.itemsOf(INDIRECT)[0] ?? first(image);
    image.bytes.writeUInt32LE(0x1fffffff, header + 12);
    expect(explore(memorySource(image.bytes)).errors["FILESYSTEM_DAMAGED"]).toBeGreaterThan(0);
  });

  it("in which the root is a file is damage", () => {
    const image = forged();
    image.bytes.writeUInt16LE(0x81a4, first(image).body);
    expect(image.open).toThrow(damaged);
  });
});

/** The item of the folder whose first real entry has that name. */
function folderWith(image: Forged, name: string) {
  const found = image
    .itemsOf(DIRECTORY)
    .map((item) => {
      const count = image.bytes.readUInt16LE(item.header + 16);
      const heads = Array.from({ length: count }, (_, index) => item.body + index * 16);
      const head = heads.find((at) => {
        const start = item.body + image.bytes.readUInt16LE(at + 12);
        return image.bytes.toString("latin1", start, start + name.length) === name;
      });
      return { ...item, head };
    })
    .find(({ head }) => head !== undefined);
  if (found?.head === undefined) throw new Error(`no folder of the sample has ${name}`);
  return { ...found, head: found.head };
}

describe("a folder", () => {
  it.each([
    ["65,535 entries in an item", 16, 0xffff],
    ["more entries than its item has room for", 16, 500],
  ])("with %s fails", (_what, offset, value) => {
    const image = forged();
    const { header } = folderWith(image, "fifo");
    image.bytes.writeUInt16LE(value, header + offset);
    expect(() => image.open().list("/special")).toThrow(ours("FILESYSTEM_DAMAGED"));
    expect(image.open().find(OLD_KERNEL)?.size).toBe(1_500_000);
  });

  it.each([0, 1, 0xffff])("with a name at %i of its item is damage", (location) => {
    const image = forged();
    image.bytes.writeUInt16LE(location, folderWith(image, "fifo").head + 12);
    expect(() => image.open().list("/special")).toThrow(damaged);
  });

  it("with an entry for an object that is not there is damage", () => {
    const image = forged();
    image.bytes.writeUInt32LE(0xfffffff0, folderWith(image, "fifo").head + 8);
    expect(() => image.open().list("/special")).toThrow(damaged);
    expect(image.open().find("/special/null")?.kind).toBe("other");
  });

  it("that holds the root ends where the path does", () => {
    const image = forged();
    const { head } = folderWith(image, "fifo");
    image.bytes.writeUInt32LE(1, head + 4);
    image.bytes.writeUInt32LE(2, head + 8);
    expect(image.open().find(`${"/special/fifo".repeat(200)}/boot`)?.kind).toBe("directory");
  });

  it("does not show an entry that is marked as invisible", () => {
    const image = forged();
    image.bytes.writeUInt16LE(0, folderWith(image, "fifo").head + 14);
    expect(image.open().find("/special/fifo")).toBeNull();
    expect(
      image
        .open()
        .list("/special")
        .map(({ name }) => name),
    ).toEqual(["null"]);
  });

  it("shows nobody what Linux keeps extended attributes in", () => {
    const withFile = (name: string) => {
      const bytes = oldFormatImage([{ name, hash: 0x4600, mode: 0x81a4, content: noise(10, 1) }]);
      // The hash is that of another name: whoever knows no hash reads all names.
      bytes.writeUInt32LE(99, SUPERBLOCK + 64);
      return openFilesystem(memorySource(bytes));
    };
    expect(withFile(".reiserfs_publ").find("/.reiserfs_publ")?.size).toBe(10);
    expect(withFile(".reiserfs_priv").find("/.reiserfs_priv")).toBeNull();
    expect(withFile(".reiserfs_priv").list("/")).toEqual([]);
  });
});

describe("a file", () => {
  const statOf = (image: Forged, name: string) => {
    const folder = folderWith(image, name);
    const [directoryId, objectId] = [4, 8].map((at) => image.bytes.readUInt32LE(folder.head + at));
    const stat = image
      .itemsOf(STAT)
      .find(
        ({ header }) =>
          image.bytes.readUInt32LE(header) === directoryId && image.bytes.readUInt32LE(header + 4) === objectId,
      );
    if (stat === undefined) throw new Error(`${name} has no stat data`);
    return stat;
  };

  it("with a block behind the end of the filesystem is damage, and only that file", () => {
    const image = forged();
    const stat = statOf(image, OLD_KERNEL.slice(6));
    const item = image
      .itemsOf(INDIRECT)
      .find(({ header }) => image.bytes.compare(image.bytes, header, header + 8, stat.header, stat.header + 8) === 0);
    image.bytes.writeUInt32LE(0xfffffff0, (item?.body ?? 0) + 8);
    const filesystem = image.open();
    expect(() => filesystem.open(OLD_KERNEL).read(0, 10)).toThrow(damaged);
    expect(filesystem.open(OLD_INITRD).read(0, 10).length).toBe(10);
  });

  it("two of whose items hold the same bytes is damage", () => {
    const image = forged();
    const stat = statOf(image, OLD_KERNEL.slice(6));
    const items = image
      .itemsOf(INDIRECT)
      .filter(({ header }) => image.bytes.compare(image.bytes, header, header + 8, stat.header, stat.header + 8) === 0);
    const [, second] = items;
    expect(items.length).toBeGreaterThan(1);
    image.bytes.writeUInt32LE(image.blockSize + 1, (second?.header ?? 0) + 8);
    expect(() => image.open().open(OLD_KERNEL).read(0, 10)).toThrow(damaged);
  });

  it("of 2^62 bytes is out of bounds", () => {
    const image = forged();
    image.bytes.writeUInt32LE(0x40000000, statOf(image, OLD_KERNEL.slice(6)).body + 12);
    expect(() => image.open().open(OLD_KERNEL)).toThrow(outOfBounds);
  });

  it("of 2^50 bytes is zeros behind what there is", () => {
    const image = forged();
    image.bytes.writeUInt32LE(0x40000, statOf(image, OLD_KERNEL.slice(6)).body + 12);
    const content = image.open().open(OLD_KERNEL);
    expect(content.read(2 ** 49, 1000).every((byte) => byte === 0)).toBe(true);
  });

  it("that is a link of a gigabyte is damage", () => {
    const image = forged();
    image.bytes.writeUInt32LE(0x40000000, statOf(image, "relative").body + 8);
    expect(() => image.open().find("/links/relative")).toThrow(damaged);
  });
});

describe("a journal", () => {
  const NEW_KERNEL = "/boot/vmlinuz-2.6.16.60-0.99-xen";

  /** Where the transactions that were not flushed begin. */
  const crashed = () => {
    const image = forge("crashed", pristineCrashed);
    const { bytes, blockSize } = image;
    const first = bytes.readUInt32LE(SUPERBLOCK + 12) * blockSize;
    const size = bytes.readUInt32LE(SUPERBLOCK + 20);
    const header = first + size * blockSize;
    const at = bytes.readUInt32LE(header + 4);
    const description = first + at * blockSize;
    const length = bytes.readUInt32LE(description + 4);
    return { ...image, header, description, commit: first + ((at + length + 1) % size) * blockSize };
  };
  const noted = (image: Forged) => image.open().notes.length;

  it("is replayed as it is", () => {
    expect(crashed().open().find(NEW_KERNEL)?.size).toBe(900_000);
    expect(noted(crashed())).toBe(1);
  });

  it.each([
    ["is of another number", 0, 4],
    ["tells another length", 4, 4],
  ])("ends before a transaction whose commit %s", (_what, offset) => {
    const image = crashed();
    image.bytes.writeUInt32LE(0x7ffffff0, image.commit + offset);
    expect(noted(image)).toBe(0);
  });

  it.each([
    ["has no magic number", (image: ReturnType<typeof crashed>) => image.description + image.blockSize - 12, 0],
    ["has no blocks", (image: ReturnType<typeof crashed>) => image.description + 4, 0],
    ["has 2^32 blocks", (image: ReturnType<typeof crashed>) => image.description + 4, 0xffffffff],
    ["is of an older mount", (image: ReturnType<typeof crashed>) => image.description + 8, 0],
  ])("ends before a transaction that %s", (_what, place, value) => {
    const image = crashed();
    image.bytes.writeUInt32LE(3, image.header + 8);
    image.bytes.writeUInt32LE(value, place(image));
    expect(noted(image)).toBe(0);
  });

  it.each([
    ["nothing", 0],
    ["behind the end", 0xfffffff0],
    ["over itself", 20],
  ])("that writes %s is damage", (_what, block) => {
    const image = crashed();
    image.bytes.writeUInt32LE(block, image.description + 12);
    expect(image.open).toThrow(damaged);
  });

  it("that begins behind its own end is damage", () => {
    const image = crashed();
    image.bytes.writeUInt32LE(513, image.header + 4);
    expect(image.open).toThrow(damaged);
  });
});

describe.each([
  ["tea", pristine],
  ["crashed", pristineCrashed],
] as const)("the image %s", (sample, original) => {
  it("damaged in any way gives results or our own errors, and soon", () => {
    const image = forge(sample, original);
    const { bytes, root, blockSize } = image;
    const items = [STAT, INDIRECT, DIRECTORY].flatMap((type) => image.itemsOf(type));
    const random = seeded(7);
    const seen: Record<string, number> = {};
    let slowest = 0;
    for (let round = 0; round < 150; round++) {
      const item = items[random() % items.length] ?? { header: root, body: root, length: blockSize };
      const places = [
        SUPERBLOCK + (random() % 120),
        root + (random() % 400),
        item.header + (random() % 24),
        item.body + (random() % Math.max(1, item.length)),
        item.header - (item.header % blockSize) + (random() % 24),
      ];
      const at = places[round % places.length] ?? root;
      bytes[at] = random() % 3 === 0 ? 0xff : random();
      const explored = explore(memorySource(bytes));
      slowest = Math.max(slowest, explored.milliseconds);
      for (const [code, count] of Object.entries(explored.errors)) seen[code] = (seen[code] ?? 0) + count;
      original.copy(bytes, at, at, at + 1);
    }
    expect(seen["FILESYSTEM_DAMAGED"]).toBeGreaterThan(2);
    expect(slowest).toBeLessThan(60_000);
  });
});
