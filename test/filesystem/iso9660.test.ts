import { describe, expect, it } from "vitest";
import { memorySource } from "../../src/base/byte-source.ts";
import type { DirectoryEntry, FilesystemDriver } from "../../src/filesystem/filesystem.ts";
import { openIso9660 } from "../../src/filesystem/iso9660/iso-driver.ts";
import {
  both32,
  CE,
  CL,
  directory,
  entry,
  ER,
  FILE_MODE,
  FLAG_ASSOCIATED,
  FLAG_DIRECTORY,
  FLAG_MULTI_EXTENT,
  isoImage,
  LINK_MODE,
  NM,
  PX,
  record,
  ROOT_BLOCK,
  SECTOR,
  SL,
  SP,
  type HandMade,
} from "./iso9660-bytes.ts";

const open = (made: HandMade) => openIso9660(memorySource(isoImage(made)));

/** A file of ten bytes in block 50, with more entries. */
const file = (name: string, ...systemUse: readonly Uint8Array[]) =>
  record({ name, block: 50, size: 10, systemUse: Buffer.concat(systemUse) });
const link = (...systemUse: readonly Uint8Array[]) => file("LINK;1", PX(LINK_MODE), NM("link"), ...systemUse);

const named = (driver: FilesystemDriver, name: string): DirectoryEntry["node"] => {
  const node = driver.lookup(driver.root, name);
  if (node === null) throw new Error(`no ${name} among ${names(driver).join(" ")}`);
  return node;
};
const names = (driver: FilesystemDriver) => driver.list(driver.root).map(({ name }) => name);
const targetOf = (...components: readonly (readonly [number, string])[]) => {
  const driver = open({ root: [link(SL(0, ...components))] });
  return driver.readLink(named(driver, "link"));
};
const text = (driver: FilesystemDriver, name: string) => {
  const content = driver.content(named(driver, name));
  return Buffer.from(content.read(0, content.size)).toString("latin1");
};

const block50 = { 50: Buffer.from("ten bytes.and more") };

describe("names without extensions", () => {
  const plain = (...records: readonly Uint8Array[]) => open({ root: records, rootSystemUse: new Uint8Array() });

  it("are in lower case, without version 1 and without a trailing dot, as Linux shows them", () => {
    const driver = plain(file("VMLINUZ.;1"), file("README.TXT;1"), file("OLD.TXT;2"), file("INITRD.GZ"));
    expect(names(driver)).toEqual(["vmlinuz", "readme.txt", "old.txt.2", "initrd.gz"]);
  });

  it("are found in either case", () => {
    const driver = plain(file("VMLINUZ.;1"));
    expect(driver.lookup(driver.root, "VMLINUZ")).not.toBeNull();
    expect(driver.lookup(driver.root, "vmlinuz")).not.toBeNull();
  });

  it("of associated files (resource forks) are not seen", () => {
    const fork = record({ name: "A.;1", block: 51, size: 5, flags: FLAG_ASSOCIATED });
    expect(names(plain(fork, file("A.;1")))).toEqual(["a"]);
  });
});

describe("names of Rock Ridge", () => {
  it("are put together from their parts", () => {
    const driver = open({ root: [file("A", NM("one", 1), NM("two", 1), NM("three"))] });
    expect(names(driver)).toEqual(["onetwothree"]);
  });

  it("are read from continuations, and from continuations of those", () => {
    const first = Buffer.concat([NM("-middle", 1), CE(46, 0, NM("-end").length)]);
    const driver = open({
      root: [file("A", NM("start", 1), CE(45, 100, first.length))],
      blocks: { 45: Buffer.concat([Buffer.alloc(100), first]), 46: NM("-end") },
    });
    expect(names(driver)).toEqual(["start-middle-end"]);
  });

  it("end at the terminator, and at padding", () => {
    const driver = open({
      root: [file("A", NM("a"), entry("ST"), Buffer.of(9, 9, 0, 9)), file("B", NM("b"), Buffer.of(0))],
    });
    expect(names(driver)).toEqual(["a", "b"]);
    expect(driver.list(driver.root).every(({ node }) => driver.content(node).size === 10)).toBe(true);
  });

  it("give way to the plain name where a record has none", () => {
    expect(names(open({ root: [file("README.TXT;1", PX(FILE_MODE))] }))).toEqual(["readme.txt"]);
  });

  it("that say . or .. are no names", () => {
    expect(names(open({ root: [file("A", NM("", 2)), file("B", NM("", 4)), file("C", NM(".."))] }))).toEqual([]);
  });

  it("are looked for behind what SP says is to be skipped", () => {
    const skipping = entry("SP", 0xbe, 0xef, 5);
    const driver = open({
      rootSystemUse: Buffer.concat([skipping, ER]),
      root: [file("A", Buffer.from("XXXXX"), NM("a-name"))],
    });
    expect(names(driver)).toEqual(["a-name"]);
  });

  it("are found where CD-ROM XA has 14 bytes of its own in front", () => {
    const attributes = Buffer.from("\0\0\0\0\x8d\x55XA\0\0\0\0\0\0", "latin1");
    const driver = open({
      rootSystemUse: Buffer.concat([attributes, entry("SP", 0xbe, 0xef, 14), ER]),
      root: [file("A", attributes, NM("a-name"))],
    });
    expect(names(driver)).toEqual(["a-name"]);
  });

  it("are not believed in without SP", () => {
    expect(names(open({ rootSystemUse: ER, root: [file("A", NM("name"))] }))).toEqual(["a"]);
  });
});

describe("a symbolic link", () => {
  it.each<[string, string, ...(readonly [number, string])[]]>([
    ["names", "boot/vmlinuz", [0, "boot"], [0, "vmlinuz"]],
    ["a root", "/boot/vmlinuz", [8, ""], [0, "boot"], [0, "vmlinuz"]],
    ["the root alone", "/", [8, ""]],
    ["here and above", "./../boot", [2, ""], [4, ""], [0, "boot"]],
    ["a component in two parts", "vmlinuz/x", [1, "vm"], [0, "linuz"], [0, "x"]],
    ["the volume's root", "/boot", [16, ""], [0, "boot"]],
    ["an empty component at its end", "boot/", [0, "boot"], [0, ""]],
    // As genisoimage writes two slashes.
    ["a root in the middle", "a//b", [0, "a"], [8, ""], [0, "b"]],
  ])("of %s leads to %s", (_what, target, ...components) => {
    expect(targetOf(...components)).toBe(target);
  });

  it("goes on in further entries, in the middle of a component too", () => {
    const driver = open({ root: [link(SL(1, [0, "a"], [1, "b"]), SL(1, [0, "c"]), SL(0, [0, "d"]))] });
    expect(driver.readLink(named(driver, "link"))).toBe("a/bc/d");
    expect(named(driver, "link")).toMatchObject({ kind: "symlink", size: 6 });
  });

  it("that names its host is refused by name", () => {
    expect(() => targetOf([32, ""], [0, "x"])).toThrow(expect.objectContaining({ code: "FEATURE_UNSUPPORTED" }));
  });

  it("whose components are longer than their entry is damaged, and the files beside it are not", () => {
    const broken = entry("SL", 0, 0, 200, "short");
    const driver = open({ root: [link(broken), file("B", NM("beside"))], blocks: block50 });
    expect(() => driver.readLink(named(driver, "link"))).toThrow(expect.objectContaining({ code: "OUT_OF_BOUNDS" }));
    expect(text(driver, "beside")).toBe("ten bytes.");
  });
});

describe("content", () => {
  it("in several extents is one file", () => {
    const part = (block: number, size: number, flags: number) => record({ name: "BIG.;1", block, size, flags });
    const driver = open({
      rootSystemUse: new Uint8Array(),
      root: [part(50, 6, FLAG_MULTI_EXTENT), part(51, 0, FLAG_MULTI_EXTENT), part(52, 4, 0), file("B.;1")],
      blocks: { 50: Buffer.from("first-"), 52: Buffer.from("last") },
    });
    expect(names(driver)).toEqual(["big", "b"]);
    expect(text(driver, "big")).toBe("first-last");
    expect(Buffer.from(driver.content(named(driver, "big")).read(4, 4)).toString()).toBe("t-la");
  });

  it("is not joined with another file's extent", () => {
    const driver = open({
      rootSystemUse: new Uint8Array(),
      root: [record({ name: "A.;1", block: 50, size: 6, flags: FLAG_MULTI_EXTENT }), file("B.;1")],
    });
    expect(() => names(driver)).toThrow(expect.objectContaining({ code: "FILESYSTEM_DAMAGED" }));
  });

  it("begins behind the extended attributes", () => {
    const driver = open({ root: [record({ name: "A", block: 49, size: 10, extendedBlocks: 1 })], blocks: block50 });
    expect(text(driver, "a")).toBe("ten bytes.");
  });

  it.each([512, 1024])("is found with logical blocks of %d bytes", (blockSize) => {
    const inside = directory(88, ROOT_BLOCK, [record({ name: "F.;1", block: 100, size: 10 })]);
    const driver = open({
      blockSize,
      root: [record({ name: "D", block: 88, size: SECTOR, flags: FLAG_DIRECTORY })],
      blocks: { 88: inside, 100: Buffer.from("ten bytes.") },
      rootSystemUse: new Uint8Array(),
      // The descriptors end at sector 18: block 40 of 512 bytes would be inside them.
      sectors: 64,
    });
    const [found] = driver.list(named(driver, "d"));
    expect(found?.name).toBe("f");
  });

  it.each([
    ["interleaved", record({ name: "A", block: 50, size: 10, unitSize: 1, gapSize: 1 }), "interleaved"],
    ["compressed", file("A", entry("ZF", "pz", 4, 15, both32(10))), "zisofs"],
    ["sparse", file("A", entry("SF", both32(0), both32(10), 1)), "sparse"],
  ])("that is %s is refused by name", (_what, bytes, word) => {
    const driver = open({ root: [bytes] });
    expect(names(driver)).toEqual(["a"]);
    expect(() => driver.content(named(driver, "a"))).toThrow(
      // eslint-disable-next-line @typescript-eslint/no-unsafe-assignment -- vitest's matcher is untyped
      expect.objectContaining({ code: "FEATURE_UNSUPPORTED", message: expect.stringContaining(word) }),
    );
  });

  it("past the end of the image is damaged, and a file of no bytes anywhere is empty", () => {
    const driver = open({
      root: [record({ name: "A", block: 63, size: SECTOR + 1 }), record({ name: "B", block: 0xffffffff, size: 0 })],
    });
    expect(() => driver.content(named(driver, "a"))).toThrow(expect.objectContaining({ code: "FILESYSTEM_DAMAGED" }));
    expect(driver.content(named(driver, "b")).size).toBe(0);
  });

  it("of which only one byte order was written is found", () => {
    const bytes = file("A");
    bytes.fill(0, 2, 6);
    bytes.fill(0, 10, 14);
    expect(text(open({ root: [bytes], blocks: block50 }), "a")).toBe("ten bytes.");
  });
});

describe("the volume", () => {
  it("has the label and the time of its descriptor, which is when it was made if it was not changed", () => {
    const driver = open({ root: [] });
    expect(driver).toMatchObject({ type: "iso9660", label: "HANDMADE", uuid: "2026-11-21-02-45-00-00", notes: [] });
  });

  it("that is longer than its image is noted", () => {
    const image = isoImage({ root: [] });
    const [note] = openIso9660(memorySource(image.subarray(0, 50 * SECTOR))).notes;
    expect(note).toContain("cut off");
  });

  it.each([
    ["no primary descriptor", (image: Buffer) => image.fill(0xff, 16 * SECTOR, 16 * SECTOR + 1)],
    ["a block size of 0", (image: Buffer) => image.fill(0, 16 * SECTOR + 128, 16 * SECTOR + 132)],
    ["a block size of 4096", (image: Buffer) => image.writeUInt16LE(4096, 16 * SECTOR + 128)],
    ["a root past the end", (image: Buffer) => image.writeUInt32LE(0xffffffff, 16 * SECTOR + 156 + 2)],
    ["a root that is no folder", (image: Buffer) => image.fill(0x41, 40 * SECTOR + 33, 40 * SECTOR + 34)],
  ])("with %s is damaged", (_what, damage) => {
    const image = isoImage({ root: [] });
    damage(image);
    expect(() => openIso9660(memorySource(image))).toThrow(expect.objectContaining({ code: "FILESYSTEM_DAMAGED" }));
  });
});

describe("a relocated folder", () => {
  it("is seen where it belongs and not where it lies", () => {
    const moved = record({
      name: "DEEP",
      block: 46,
      size: SECTOR,
      flags: FLAG_DIRECTORY,
      systemUse: Buffer.concat([NM("deep"), entry("RE")]),
    });
    const driver = open({
      root: [
        record({ name: "MOVED", block: 45, size: SECTOR, flags: FLAG_DIRECTORY, systemUse: NM("rr_moved") }),
        file("DEEP", NM("deep"), CL(46)),
      ],
      blocks: { 45: directory(45, ROOT_BLOCK, [moved]), 46: directory(46, 45, [file("X", NM("x"))]) },
    });
    expect(named(driver, "deep")).toMatchObject({ kind: "directory", size: SECTOR });
    expect(driver.list(named(driver, "deep")).map(({ name }) => name)).toEqual(["x"]);
    expect(driver.list(named(driver, "rr_moved"))).toEqual([]);
  });

  it.each([
    ["to the root", ROOT_BLOCK],
    ["to where no folder is", 50],
    ["past the end", 0xffffffff],
  ])("that points %s is damaged, and the files beside it are not", (_what, block) => {
    const driver = open({ root: [file("A", NM("folder"), CL(block)), file("B", NM("b"))], blocks: block50 });
    expect(() => driver.list(named(driver, "folder"))).toThrow(expect.objectContaining({ code: "FILESYSTEM_DAMAGED" }));
    expect(text(driver, "b")).toBe("ten bytes.");
  });

  it("that is inside itself over a plain folder is damaged", () => {
    const driver = open({
      root: [record({ name: "A", block: 45, size: SECTOR, flags: FLAG_DIRECTORY })],
      blocks: {
        45: directory(45, ROOT_BLOCK, [record({ name: "B", block: 45, size: SECTOR, flags: FLAG_DIRECTORY })]),
      },
    });
    const inner = driver.lookup(named(driver, "a"), "b");
    expect(inner?.kind).toBe("directory");
    expect(() => inner !== null && driver.list(inner)).toThrow(expect.objectContaining({ code: "FILESYSTEM_DAMAGED" }));
  });
});

/** The classes of XSA-497, and others of that kind. */
describe("hostile system use entries", () => {
  const circle = CE(45, 0, 28);
  const long = CE(45, 0, 60_000);
  it.each<[string, Uint8Array, Record<number, Uint8Array>]>([
    ["of length 0", Buffer.concat([Buffer.from("NM\0\x01")]), {}],
    ["of length 3", Buffer.concat([Buffer.from("NM\x03\x01")]), {}],
    ["that are longer than their area", Buffer.from("NM\x20\x01\0abc"), {}],
    ["of a name without flags", Buffer.from("NM\x04\x01"), {}],
    ["of a mode that is too short", Buffer.from("PX\x06\x01ab"), {}],
    ["that continue in a circle", circle, { 45: circle }],
    ["that continue in a circle of two", circle, { 45: CE(46, 0, 28), 46: CE(45, 0, 28) }],
    ["that continue past the end", CE(0xffffffff, 0, 28), {}],
    ["that continue at an offset past the end", CE(45, 0xffffffff, 28), {}],
    ["that continue for longer than there is", CE(45, 0, 0xffffffff), {}],
    ["that continue for longer than is sane", long, { 45: Buffer.alloc(SECTOR, "XX\x04\x01") }],
    ["whose continuation is too short", entry("CE", both32(45)), {}],
  ])("%s make their file unreadable, and no other", (_what, systemUse, blocks) => {
    const driver = open({ root: [file("A.;1", systemUse), file("B", NM("b"))], blocks: { ...blocks, ...block50 } });
    expect(names(driver)).toEqual(["a", "b"]);
    expect(() => driver.content(named(driver, "a"))).toThrow(
      expect.objectContaining({
        // eslint-disable-next-line @typescript-eslint/no-unsafe-assignment -- vitest's matcher is untyped
        code: expect.stringMatching(/^(FILESYSTEM_DAMAGED|OUT_OF_BOUNDS|BUDGET_EXCEEDED)$/),
      }),
    );
    expect(text(driver, "b")).toBe("ten bytes.");
  });

  it("in the root's own record keep the volume from being opened", () => {
    const rootSystemUse = Buffer.concat([SP, CE(45, 0, 28)]);
    const made = { root: [], rootSystemUse, blocks: { 45: CE(45, 0, 28) } };
    expect(() => open(made)).toThrow(expect.objectContaining({ code: "FILESYSTEM_DAMAGED" }));
  });

  it("of many records that all continue at the same long place cost bounded time", () => {
    const place = Buffer.alloc(30_000, "XX\x04\x01");
    const many = Array.from({ length: 16 }, () => file("A", CE(45, 0, place.length)));
    const folder = Buffer.concat(
      Array.from({ length: 1000 }, () => Buffer.concat([...many, Buffer.alloc(SECTOR)], SECTOR)),
    );
    const root = [record({ name: "D", block: 70, size: folder.length, flags: FLAG_DIRECTORY })];
    const driver = open({ root, sectors: 1100, blocks: { 45: place, 70: folder } });
    const started = performance.now();
    for (let round = 0; round < 3; round++) {
      expect(() => driver.list(named(driver, "d"))).toThrow(expect.objectContaining({ code: "BUDGET_EXCEEDED" }));
    }
    expect(performance.now() - started).toBeLessThan(15_000);
  });
});

describe("hostile directory records", () => {
  const short = (length: number) => Buffer.concat([Buffer.of(length), Buffer.alloc(Math.max(length, 40) - 1, 1)]);
  it.each<[string, Uint8Array]>([
    ["shorter than their fixed part", short(20)],
    ["with no room for a name", short(33)],
    ["with a name of no bytes", record({ name: "", block: 1, size: 1 })],
    ["whose name is longer than they are", Buffer.from(record({ name: "A", block: 1, size: 1 })).fill(200, 32, 33)],
  ])("%s are damage", (_what, bytes) => {
    expect(() => names(open({ root: [bytes] }))).toThrow(expect.objectContaining({ code: "FILESYSTEM_DAMAGED" }));
  });

  it("that reach past the end of their folder are damage", () => {
    const filled = Array.from({ length: 48 }, (_, index) => file(`NAME${String(index).padStart(4, "0")}`));
    const image = isoImage({ root: filled, rootSystemUse: new Uint8Array() });
    image[40 * SECTOR + SECTOR - 5] = 200;
    expect(() => names(openIso9660(memorySource(image)))).toThrow(
      expect.objectContaining({ code: "FILESYSTEM_DAMAGED" }),
    );
  });

  it("of a folder longer than the image are damage", () => {
    const driver = open({ root: [record({ name: "D", block: 45, size: 0x0fffffff, flags: FLAG_DIRECTORY })] });
    expect(() => driver.list(named(driver, "d"))).toThrow(expect.objectContaining({ code: "FILESYSTEM_DAMAGED" }));
  });
});
