import { gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { cpioArchive, cpioRecord } from "./cpio-bytes.ts";
import { failureOf, filesOf, membersOf } from "./initrd-files.ts";

const one = cpioArchive({ name: "one", content: "1" });
const two = cpioArchive({ name: "two", content: "22" });
const zeros = (length: number) => Buffer.alloc(length);
const paths = async (bytes: Uint8Array) => (await filesOf(bytes)).map((file) => file.path);

describe("an initrd of several members", () => {
  it("is read in order, each member with its own compression", async () => {
    const initrd = Buffer.concat([one, gzipSync(two), zstdCompressSync(cpioArchive({ name: "three" }))]);
    expect(await paths(initrd)).toEqual(["one", "two", "three"]);
    expect((await membersOf(initrd)).map(({ offset, compression }) => [offset, compression])).toEqual([
      [0, null],
      [one.length, "gzip"],
      [one.length + gzipSync(two).length, "zstd"],
    ]);
  });

  it.each([1, 2, 3, 4, 511, 4096])("may have %i zeros between compressed members", async (count) => {
    expect(await paths(Buffer.concat([gzipSync(one), zeros(count), gzipSync(two), zeros(count)]))).toEqual([
      "one",
      "two",
    ]);
  });

  it("may have several archives in one compressed member, with zeros between them", async () => {
    const initrd = gzipSync(Buffer.concat([one, zeros(512), two, zeros(7 * 4)]));
    expect(await paths(initrd)).toEqual(["one", "two"]);
    expect(await membersOf(initrd)).toMatchObject([{ archives: 2, records: 2, length: initrd.length }]);
  });

  it("may begin with zeros", async () => {
    expect(await paths(Buffer.concat([zeros(8), one]))).toEqual(["one"]);
  });
});

describe("an initrd that is damaged", () => {
  it("with something else behind a member is refused", async () => {
    const initrd = Buffer.concat([gzipSync(one), Buffer.from("garbage!")]);
    expect(await failureOf(() => filesOf(initrd))).toBe("ARCHIVE_DAMAGED");
  });

  it("with a wrong magic number in the middle is refused", async () => {
    const initrd = Buffer.concat([cpioRecord({ name: "a" }), Buffer.from("07070X"), cpioArchive({}).subarray(6)]);
    expect(await failureOf(() => filesOf(initrd))).toBe("ARCHIVE_DAMAGED");
    expect(await failureOf(() => filesOf(gzipSync(initrd)))).toBe("ARCHIVE_DAMAGED");
  });

  it("with an uncompressed archive that is not on a multiple of four is refused, as the kernel does", async () => {
    expect(await failureOf(() => filesOf(Buffer.concat([zeros(2), one])))).toBe("ARCHIVE_DAMAGED");
  });

  it("is refused wherever it is cut off", async () => {
    const whole = Buffer.concat([cpioArchive({ name: "a", content: "12345" }), gzipSync(two)]);
    const first = whole.length - gzipSync(two).length;
    for (let length = 0; length < whole.length; length++) {
      // At the end of the first member it is a whole initrd of one member.
      const expected = length === first ? ["none"] : ["ARCHIVE_DAMAGED", "DATA_DAMAGED"];
      expect(expected, `cut off at ${length}`).toContain(await failureOf(() => filesOf(whole.subarray(0, length))));
    }
  });

  it("that holds nothing is refused", async () => {
    expect(await failureOf(() => filesOf(zeros(0)))).toBe("ARCHIVE_DAMAGED");
    expect(await failureOf(() => filesOf(zeros(1024)))).toBe("ARCHIVE_DAMAGED");
  });

  it("that grows past the limit is refused", async () => {
    const bomb = gzipSync(cpioArchive({ name: "zeros", content: zeros(3_000_000) }));
    expect(await failureOf(() => filesOf(bomb, { maximumBytes: 2_000_000 }))).toBe("BUDGET_EXCEEDED");
  });
});

describe("a ramdisk that is an image", () => {
  /** The superblock's magic number at its place. */
  const image = zeros(4096);
  image.writeUInt16LE(0xef53, 1024 + 56);

  it("of ext2 is told as such, compressed or not", async () => {
    expect(await membersOf(image)).toMatchObject([{ content: "ext2", compression: null, size: 4096 }]);
    expect(await membersOf(gzipSync(image))).toMatchObject([{ content: "ext2", compression: "gzip", size: 4096 }]);
  });

  it("of something unknown is refused", async () => {
    expect(await failureOf(() => filesOf(gzipSync(Buffer.from("no archive at all"))))).toBe("ARCHIVE_DAMAGED");
  });
});
