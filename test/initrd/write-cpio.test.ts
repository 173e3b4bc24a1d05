import { describe, expect, it } from "vitest";
import { memorySource, type ByteSource } from "../../src/base/byte-source.ts";
import type { OverlayEntry } from "../../src/initrd/overlay.ts";
import { packOverlay } from "../../src/initrd/write-cpio.ts";
import { cpioArchive } from "./cpio-bytes.ts";
import { failureOf, filesOf, joined } from "./initrd-files.ts";

const PLAIN = { mode: 0o644, uid: 0, gid: 0, mtime: 0, size: 0, content: null } as const;
const file = (path: string, content: string): OverlayEntry => {
  return { ...PLAIN, path, kind: "file", size: content.length, content: memorySource(Buffer.from(content)) };
};
const pack = (...overlay: OverlayEntry[]) => joined(packOverlay(overlay));
/** Says a size and has no bytes. */
const huge = (size: number): ByteSource => ({ size, read: () => new Uint8Array(0) });

describe("an overlay as an archive", () => {
  it("is what the format's description says, byte for byte", async () => {
    const expected = cpioArchive({
      name: "etc/motd",
      content: "hello",
      fields: { ino: 1, mode: 0o100640, uid: 7, gid: 8, mtime: 0x12345678 },
    });
    const entry = { ...file("etc/motd", "hello"), mode: 0o640, uid: 7, gid: 8, mtime: 0x12345678 };
    const lowerCase = (bytes: Buffer) => bytes.toString("latin1").toLowerCase();
    expect(lowerCase(await pack(entry))).toBe(lowerCase(expected));
  });

  it("keeps names that are not UTF-8", async () => {
    const bytes = await pack(file("f\udcff", "x"));
    expect(bytes.includes(Buffer.from([0x66, 0xff, 0]))).toBe(true);
    expect(await filesOf(bytes)).toMatchObject([{ path: "f\udcff", content: "x" }]);
  });

  it("of the format crc is read back with its checksums", async () => {
    const bytes = await joined(packOverlay([file("a", "\x7f".repeat(1000))], "crc"));
    expect(bytes.subarray(0, 6).toString()).toBe("070702");
    expect(await filesOf(bytes)).toMatchObject([{ path: "a" }]);
    const damaged = Buffer.from(bytes);
    damaged.writeUInt8(0, 200);
    expect(await failureOf(() => filesOf(damaged))).toBe("ARCHIVE_DAMAGED");
  });
});

describe("what eight hexadecimal digits cannot hold is refused", () => {
  it.each([
    ["a file of 4 GiB", { ...file("large", ""), content: huge(2 ** 32) }],
    ["a time after 2106", { ...file("late", ""), mtime: 2 ** 32 }],
    ["a time before 1970", { ...file("early", ""), mtime: -1 }],
    ["an owner above 4294967295", { ...file("owned", ""), uid: 2 ** 32 }],
    ["a name longer than a path", file("x".repeat(4096), "")],
  ])("%s", async (_what, entry) => {
    expect(await failureOf(() => pack(entry))).toBe("OVERLAY_INVALID");
  });

  it("and a file whose name would end the archive", async () => {
    expect(await failureOf(() => pack(file("TRAILER!!!", "")))).toBe("OVERLAY_INVALID");
  });

  it("and a hard link to nothing", async () => {
    const link: OverlayEntry = { ...PLAIN, path: "b", kind: "hard link", target: "a" };
    expect(await failureOf(() => pack(link))).toBe("OVERLAY_INVALID");
  });
});
