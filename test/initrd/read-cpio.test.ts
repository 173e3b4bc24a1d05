import { describe, expect, it } from "vitest";
import { cpioArchive, cpioRecord, type CpioFields } from "./cpio-bytes.ts";
import { failureOf, filesOf } from "./initrd-files.ts";

const failure = (...records: readonly CpioFields[]) => failureOf(() => filesOf(cpioArchive(...records)));

describe("a cpio archive", () => {
  it("may name its files with ./ and / in front", async () => {
    const archive = cpioArchive({ name: "./etc/a" }, { name: "/etc/b" }, { name: ".", fields: { mode: 0o40755 } });
    expect((await filesOf(archive)).map((file) => file.path)).toEqual(["etc/a", "etc/b", ""]);
  });

  it("of the format crc has its checksums compared", async () => {
    const content = Buffer.from("\x01\x02\xff", "latin1");
    const record = (check: number) => ({ magic: "070702", content, fields: { check } });
    expect(await filesOf(cpioArchive(record(0x102)))).toMatchObject([{ content: "\x01\x02\xff" }]);
    expect(await failure(record(0x103))).toBe("ARCHIVE_DAMAGED");
  });

  it("may hold names of 4095 bytes, and none longer", async () => {
    const name = `${"d".repeat(200)}/`.repeat(20);
    expect(await failure({ name: name + "x".repeat(75) })).toBe("none");
    expect(await failure({ name: name + "x".repeat(76) })).toBe("ARCHIVE_DAMAGED");
  });

  it("may hold names that are not UTF-8", async () => {
    expect(await filesOf(cpioArchive({ name: Buffer.from([0x66, 0xff]) }))).toMatchObject([{ path: "f\udcff" }]);
  });
});

describe("a cpio archive is refused", () => {
  it.each(["..", "../etc/passwd", "a/../../b", "a/.."])("with the name %s", async (name) => {
    expect(await failure({ name })).toBe("ARCHIVE_DAMAGED");
  });

  it("with a name that holds a zero", async () => {
    expect(await failure({ name: "a\0b" })).toBe("ARCHIVE_DAMAGED");
  });

  it("with a name that does not end", async () => {
    expect(await failure({ name: "abc", fields: { namesize: 3 } })).toBe("ARCHIVE_DAMAGED");
  });

  it.each(["-0000001", "        ", "0x000001", "+0000001", "1 000000", "0000000g"])(
    "with the size %j",
    async (filesize) => {
      expect(await failure({ content: "x", fields: { filesize } })).toBe("ARCHIVE_DAMAGED");
    },
  );

  it.each(["ffffffff", "7fffffff", "00001000"])("with the size %s that is not there", async (filesize) => {
    expect(await failure({ content: "x", fields: { filesize } })).toBe("ARCHIVE_DAMAGED");
  });

  it.each(["00000000", "00000001", "ffffffff"])("with the length of a name %s", async (namesize) => {
    expect(await failure({ fields: { namesize } })).toBe("ARCHIVE_DAMAGED");
  });

  it("with a kind of file that does not exist", async () => {
    expect(await failure({ fields: { mode: 0o170644 } })).toBe("ARCHIVE_DAMAGED");
  });

  it("with a symbolic link longer than a path", async () => {
    expect(await failure({ content: "x".repeat(4096), fields: { mode: 0o120777 } })).toBe("ARCHIVE_DAMAGED");
  });

  it("without a trailer", async () => {
    expect(await failureOf(() => filesOf(cpioRecord({ content: "x" })))).toBe("ARCHIVE_DAMAGED");
  });
});
