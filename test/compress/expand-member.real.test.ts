import { describe, expect, it } from "vitest";
import { expandAtOnce } from "../../src/compress/block.ts";
import { expand, machineCode, pipe, randomBytes, textBytes } from "./tools.ts";

/** Each packer with the options that change what its format holds. */
const PACKERS = [
  ["gzip", "gzip -1nc"],
  ["gzip", "gzip -9c"],
  ["bzip2", "bzip2 -1c"],
  ["bzip2", "bzip2 -9c"],
  ["xz", "xz -0 --check=none -c"],
  ["xz", "xz -6 --check=crc32 -c"],
  ["xz", "xz -6 --check=crc64 -c"],
  ["xz", "xz -9e --check=sha256 -c"],
  ["xz", "xz -T2 --block-size=300000 -c"],
  ["xz", "xz --x86 --lzma2=preset=2,dict=1MiB,lc=0,lp=4,pb=0 -c"],
  ["xz", "xz --delta=dist=4 --lzma2=preset=3,lc=4,lp=0,pb=4 -c"],
  ["xz", "xz --delta=dist=1 --x86 --lzma2=dict=4KiB -c"],
  ["xz", "xz --arm --lzma2=preset=1 -c"],
  ["xz", "xz --armthumb --lzma2=preset=1 -c"],
  ["xz", "xz --arm64 --lzma2=preset=1 -c"],
  ["xz", "xz --arm64=start=64KiB --lzma2=preset=1 -c"],
  ["xz", "xz --powerpc --lzma2=preset=1 -c"],
  ["xz", "xz --sparc --lzma2=preset=1 -c"],
  ["lzma", "xz --format=lzma -6 -c"],
  ["lzma", "xz --format=lzma --lzma1=preset=9,lc=1,lp=2,pb=1,dict=4KiB -c"],
  ["lz4", "lz4 -l -c"],
  ["lz4", "lz4 -l -9 -c"],
  ["lz4", "lz4 -B4 -BD -BX -c"],
  ["lz4", "lz4 -B5 -9 --no-frame-crc -c"],
  ["lz4", "lz4 -B7 -c"],
  ["lzo", "lzop -1 -CC -c"],
  ["lzo", "lzop -9 --crc32 -c"],
  ["lzo", "lzop -F -c"],
  ["lzo", "lzop --crc32 -CC -c"],
  ["zstd", "zstd -1 -c"],
  ["zstd", "zstd -19 --long=27 --no-check -c"],
] as const;

/** Between them: nothing, less than a word, noise, runs past every window, code whose jumps the filters change. */
const INPUTS: Readonly<Record<string, Buffer>> = {
  nothing: Buffer.alloc(0),
  "one byte": Buffer.from("x"),
  noise: randomBytes(300_001),
  "text and zeros": Buffer.concat([textBytes(300_000), Buffer.alloc(1024 * 1024), textBytes(100_003, 3)]),
  code: machineCode().subarray(0, 1_200_001),
};

/** What comes after a member in an initrd: padding, and a cpio archive. */
const AFTER = Buffer.concat([Buffer.alloc(512), Buffer.from("070701"), randomBytes(100)]);

describe("what the packers of Debian pack comes out as it went in", () => {
  it.each(PACKERS)("%s: %s", async (compression, command) => {
    for (const [name, input] of Object.entries(INPUTS)) {
      const packed = pipe(command, input);
      const whole = await expand(packed, { as: compression });
      expect(whole.bytes.equals(input), name).toBe(true);
      expect(whole.length, name).toBe(packed.length);
      const inside = await expand(Buffer.concat([randomBytes(7), packed, AFTER]), { offset: 7 });
      expect(inside.compression, name).toBe(compression);
      expect(inside.length, `${name}: where the member ends`).toBe(packed.length);
      expect(inside.bytes.equals(input), name).toBe(true);
      expect(Buffer.from(expandAtOnce(packed, compression, input.length)).equals(input), `${name}, at once`).toBe(true);
    }
  });

  it("lz4: blocks of exactly 8 MiB, which do not tell that they are the last", async () => {
    const input = Buffer.concat([textBytes(3_000_000), Buffer.alloc(16 * 1024 * 1024 - 3_000_000)]);
    const packed = pipe("lz4 -l -c", input);
    const found = await expand(Buffer.concat([packed, AFTER]));
    expect(found.length).toBe(packed.length);
    expect(found.bytes.equals(input)).toBe(true);
  });

  it("gzip: a header with every field, which gzip -t accepts", async () => {
    const input = textBytes(5000);
    const plain = pipe("gzip -nc", input);
    const fields = Buffer.from("\x1f\x8b\x08\x1e\0\0\0\0\x02\x03\x04\0abcdname\0comment\0", "latin1");
    const crc = Buffer.alloc(2);
    crc.writeUInt16LE(process.getBuiltinModule("node:zlib").crc32(fields) & 0xffff);
    const packed = Buffer.concat([fields, crc, plain.subarray(10)]);
    pipe("gzip -t", packed);
    expect((await expand(packed)).bytes.equals(input)).toBe(true);
  });

  it("lzma: a known size, with and without an end marker, which xz accepts", async () => {
    const input = textBytes(60_000);
    const header = Buffer.alloc(13);
    header[0] = 0x5d;
    header.writeUInt32LE(1 << 20, 1);
    header.writeBigUInt64LE(BigInt(input.length), 5);
    const marked = pipe("xz --format=lzma --lzma1=dict=1MiB -c", input).subarray(13);
    // The one chunk of an .xz is such a stream, without a marker: 12 bytes of header, 12 of the block's, 6 of its own.
    const chunk = pipe("xz --lzma2=dict=1MiB --block-size=65536 -T1 -c", input);
    const start = 12 + ((chunk[12] ?? 0) + 1) * 4;
    const size = chunk.readUInt16BE(start + 3) + 1;
    for (const body of [marked, chunk.subarray(start + 6, start + 6 + size)]) {
      const packed = Buffer.concat([header, body]);
      expect(pipe("xz --format=lzma -dc", packed).equals(input)).toBe(true);
      const found = await expand(Buffer.concat([packed, AFTER]));
      expect(found.bytes.equals(input)).toBe(true);
      expect(found.length).toBe(packed.length);
    }
  });

  it("zstd: skippable frames before the frame count as part of the member", async () => {
    const input = textBytes(5000);
    const skippable = Buffer.from("\x5f\x2a\x4d\x18\x03\0\0\0abc", "latin1");
    const packed = Buffer.concat([skippable, skippable, pipe("zstd -c", input)]);
    expect(pipe("zstd -dc", packed).equals(input)).toBe(true);
    expect(await expand(packed, { as: "zstd" })).toMatchObject({ bytes: input, length: packed.length });
  });

  it.each(["gzip -c", "bzip2 -c", "xz -c", "zstd -c", "lzop -c", "lz4 -l -c", "lz4 -c"])(
    "%s: of two members in a row, each is found",
    async (command) => {
      const [first, second] = [textBytes(40_000), textBytes(30_000, 5)];
      const packed = pipe(command, first);
      const both = Buffer.concat([packed, pipe(command, second)]);
      const one = await expand(both);
      expect(one).toMatchObject({ bytes: first, length: packed.length });
      expect(await expand(both, { offset: one.length })).toMatchObject({ bytes: second });
    },
  );
});
