import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { memorySource } from "../../src/base/byte-source.ts";
import { appendedMember, whyRepack } from "../../src/initrd/append.ts";
import type { Overlay } from "../../src/initrd/overlay.ts";
import { call } from "../filesystem/call.ts";
import { filesOf, joined } from "./initrd-files.ts";
import { cpioArchive } from "./cpio-bytes.ts";

const CONTENT = "the same line again and again\n".repeat(500);
const OVERLAY: Overlay = [
  {
    path: "proof",
    kind: "file",
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime: 1,
    size: CONTENT.length,
    content: memorySource(Buffer.from(CONTENT)),
  },
];
const member = (size: number, endsInLz4 = false, compression: "gzip" | "none" = "gzip") =>
  joined(appendedMember(OVERLAY, compression, { size, endsInLz4 }));

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

  it("is deflated as zlib does it, without a time and a name", async () => {
    const bytes = await member(0);
    // Python's zlib is the original library; the header's last two bytes say effort and system.
    const script =
      "import sys,zlib,binascii; c=zlib.compressobj(6,8,-15); d=sys.stdin.buffer.read(); sys.stdout.write(binascii.hexlify(c.compress(d)+c.flush()).decode())";
    const archive = gunzipSync(bytes);
    const deflated = call("python3", ["-c", script], "python3", archive.toString("latin1"));
    expect(bytes.subarray(10, -8).toString("hex")).toBe(deflated);
    expect(bytes.subarray(4, 8)).toEqual(Buffer.alloc(4));
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
