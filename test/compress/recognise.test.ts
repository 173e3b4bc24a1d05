import { describe, expect, it } from "vitest";
import { recogniseCompression } from "../../src/compress/compression.ts";

const bytes = (hex: string) => Buffer.from(hex.replaceAll(" ", ""), "hex");

describe("the first bytes tell the compression", () => {
  it.each([
    ["1f8b 0800 0000 0000 0203", "gzip"],
    ["fd37 7a58 5a00 0001", "xz"],
    ["425a 6839 3141 5926", "bzip2"],
    ["0221 4c18", "lz4"],
    ["0422 4d18 6440", "lz4"],
    ["894c 5a4f 000d 0a1a 0a10", "lzo"],
    ["28b5 2ffd 0458", "zstd"],
    // lzma: properties, dictionary of 8 MiB, unknown size; of 64 KiB and a known size.
    ["5d 00008000 ffffffffffffffff 00 12 34", "lzma"],
    ["5d 00000100 0010000000000000 00 12 34", "lzma"],
    ["6c 00000003 ffffffffffffffff 00 12 34", "lzma"],
  ])("%s: %s", (head, compression) => {
    expect(recogniseCompression(bytes(head))).toBe(compression);
  });

  it.each([
    ["", "nothing"],
    ["1f", "the beginning of gzip's"],
    ["30373037 30313030 30303030 30303030", "a cpio archive"],
    ["00000000 00000000 00000000 00000000", "zeros"],
    ["4d5aea00 00000000 00000000 00000000", "a kernel"],
    ["7f454c46 02010100 00000000 00000000", "an ELF file"],
    ["ff 00008000 ffffffffffffffff 00 12 34", "lzma with impossible properties"],
    ["5d 12345678 ffffffffffffffff 00 12 34", "lzma with an odd dictionary"],
    ["5d 00008000 ffffffffffffffff 01 12 34", "lzma whose stream cannot begin so"],
    ["5d 00008000 ffffffffffff00ff 00 12 34", "lzma of an impossible size"],
  ])("%s is none: %s", (head) => {
    expect(recogniseCompression(bytes(head))).toBeNull();
  });
});
