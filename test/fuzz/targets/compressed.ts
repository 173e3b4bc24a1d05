/** The decompressors, as initrds, kernels and filesystems use them. */
import { deflateSync } from "node:zlib";
import { memorySource } from "../../../src/base/byte-source.ts";
import { expandBlock, type BlockFormat } from "../../../src/compress/block.ts";
import { expandMember, recogniseCompression, type Compression } from "../../../src/compress/compression.ts";
import { GuestbootError } from "../../../src/base/errors.ts";
import { noise } from "../../base/seeded.ts";
import { pipe } from "../../compress/tools.ts";
import { bytesOf, drain, type FuzzTarget } from "../target.ts";

const MOST = 1 << 20;

/** Some that repeats, some that does not. */
const CONTENT = Buffer.concat([bytesOf("guestboot boots guests. ".repeat(40)), noise(700, 5), Buffer.alloc(500)]);

const member = (compression: Compression, ...commands: readonly string[]): FuzzTarget => ({
  name: compression,
  seeds: () => commands.map((command) => new Uint8Array(pipe(command, CONTENT))),
  largest: 8 * 1024,
  run: async (input) => {
    recogniseCompression(input.subarray(0, 16));
    await drain(expandMember(memorySource(input), 0, compression, { maximumBytes: MOST }));
  },
});

const block = (format: BlockFormat, pack: () => Uint8Array): FuzzTarget => ({
  name: `${format} block`,
  seeds: () => [pack()],
  largest: 8 * 1024,
  run: (input) => expandBlock(input, format, 64 * 1024),
});

export const compressedTargets: readonly FuzzTarget[] = [
  member("gzip", "gzip -9n", "gzip -1"),
  member("xz", "xz -0", "xz --check=crc32 --x86 --lzma2=preset=6", "xz --check=sha256 --delta --lzma2"),
  member("lzma", "xz --format=lzma -1", "xz --format=lzma -9 --lzma1=lc=0,lp=2,pb=0"),
  member("bzip2", "bzip2 -1", "bzip2 -9"),
  member("lz4", "lz4 -l -1", "lz4 -9 --content-size", "lz4 -B4 -BD --no-frame-crc"),
  member("lzo", "lzop -1", "lzop -9 -C"),
  member("zstd", "zstd -1", "zstd -19 --no-check"),
  block("zlib", () => deflateSync(CONTENT)),
  block("lzo1x", () => lzopBlock()),
  block("lz4-block", () => new Uint8Array(pipe("lz4 -l -9", CONTENT).subarray(8))),
];

/** The first block in a file of lzop: behind the header, two sizes and a checksum each of what is in and what is out. */
function lzopBlock(): Uint8Array {
  const file = pipe("lzop -1", CONTENT);
  const sizes = Buffer.alloc(4);
  sizes.writeUInt32BE(CONTENT.length);
  const at = file.indexOf(sizes);
  if (at === -1) throw new GuestbootError("INTERNAL", "lzop wrote no block of that size");
  const packedSize = file.readUInt32BE(at + 4);
  return new Uint8Array(file.subarray(at + 12, at + 12 + packedSize));
}
