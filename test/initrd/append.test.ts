import { describe, expect, it } from "vitest";
import { memorySource } from "../../src/base/byte-source.ts";
import { appendedMember, whyRepack } from "../../src/initrd/append.ts";
import type { Overlay } from "../../src/initrd/overlay.ts";
import { call } from "../filesystem/call.ts";
import { filesOf, joined } from "./initrd-files.ts";
import { cpioArchive } from "./cpio-bytes.ts";

const LINE = "the same line again and again\n";
const CONTENT = LINE.repeat(500);
const overlayOf = (content: string): Overlay => [
  {
    path: "proof",
    kind: "file",
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime: 1,
    size: content.length,
    content: memorySource(Buffer.from(content)),
  },
];
const OVERLAY = overlayOf(CONTENT);
const member = (size: number, endsInLz4 = false, compression: "gzip" | "none" = "gzip", overlay = OVERLAY) =>
  joined(appendedMember(overlay, compression, { size, endsInLz4 }));
/** The most that is stored as it is. */
const SMALL = 256 * 1024;

/** Python's zlib is the original library. */
const EXPAND = "import sys, gzip; sys.stdout.buffer.write(gzip.decompress(sys.stdin.buffer.read()))";

/** What stored blocks hold (RFC 1951, 3.2.4): a byte, the length, its complement, and so many bytes. */
function storedIn(deflated: Buffer): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; ;) {
    const isLast = deflated.readUInt8(at) === 1;
    if (!isLast && deflated.readUInt8(at) !== 0) throw new Error("a block that is not stored");
    const length = deflated.readUInt16LE(at + 1);
    pieces.push(deflated.subarray(at + 5, at + 5 + length));
    at += 5 + length;
    if (isLast) return Buffer.concat(pieces);
  }
}

describe("an overlay that is appended", () => {
  it.each([
    [100, 0],
    [101, 3],
    [102, 2],
    [103, 1],
  ])("to %i bytes has %i zeros in front", async (size, zeros) => {
    const bytes = await member(size);
    expect(bytes.findIndex((byte) => byte !== 0)).toBe(zeros);
    expect(bytes.subarray(zeros, zeros + 4)).toEqual(Buffer.from([0x1f, 0x8b, 8, 0]));
  });

  it("to LZ4 has four more, by which a kernel's decompressor knows that it is at the end", async () => {
    expect((await member(102, true)).findIndex((byte) => byte !== 0)).toBe(6);
  });

  it("has no time and no name, and is deflated where it is large", async () => {
    const content = LINE.repeat(SMALL / 10);
    const bytes = await member(0, false, "gzip", overlayOf(content));
    expect(bytes.subarray(4, 8)).toEqual(Buffer.alloc(4));
    expect(bytes.length).toBeLessThan(content.length / 100);
    expect(call("python3", ["-c", EXPAND], "python3", bytes.toString("latin1"))).toContain(content);
  });

  it("is stored as it is where it is small", async () => {
    const content = "x".repeat(SMALL);
    const bytes = await member(0, false, "gzip", overlayOf(content));
    expect(storedIn(bytes.subarray(10, -8)).toString("latin1")).toContain(content);
    expect(call("python3", ["-c", EXPAND], "python3", bytes.toString("latin1"))).toContain(content);
  });

  it("is the last word of the whole initrd", async () => {
    const initrd = cpioArchive({ name: "proof", content: "the original" });
    const files = await filesOf(Buffer.concat([initrd, await member(initrd.length)]));
    expect(files.map((file) => [file.path, file.content])).toEqual([
      ["proof", "the original"],
      ["proof", CONTENT],
    ]);
  });

  it("may stay uncompressed", async () => {
    expect((await member(0, false, "none")).subarray(0, 6).toString()).toBe("070701");
  });
});

describe("a repack instead", () => {
  it.each([
    ["2.4.21-47.EL", false, "kernel before 2.6"],
    ["2.6.9-5.EL", false, null],
    ["6.1.0-44-amd64", false, null],
    [null, false, null],
    ["5.7.19", true, "LZ4 before Linux 5.8"],
    ["4.19.0", true, "LZ4 before Linux 5.8"],
    [null, true, "LZ4 before Linux 5.8"],
    ["5.8.0-rc1", true, null],
    ["5.10.0", true, null],
    ["6.1.0", true, null],
  ])("for kernel %s (LZ4: %s): %s", (version, isLz4, expected) => {
    expect(whyRepack(version, isLz4)).toBe(expected);
  });
});
