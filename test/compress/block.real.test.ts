import { deflateSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { GuestbootError } from "../../src/base/errors.ts";
import { expandBeginning, expandBlock, type BlockFormat } from "../../src/compress/block.ts";
import { machineCode, pipe, randomBytes, randomNumbers, textBytes } from "./tools.ts";

const BLOCK = 128 * 1024;
const INPUTS = [
  textBytes(BLOCK),
  textBytes(1000, 9),
  Buffer.alloc(BLOCK),
  machineCode().subarray(BLOCK, 2 * BLOCK),
  Buffer.concat([randomBytes(300), Buffer.alloc(70_000), randomBytes(300), textBytes(20_000)]),
];

/** The one block in what `lz4 -l` writes: after magic and size. */
const lz4Block = (input: Buffer) => pipe("lz4 -l -9 -c", input).subarray(8);

/** The first block in what `lzop` writes: after 38 bytes of header with an empty name, two sizes, and a checksum. */
function lzo1x(input: Buffer): Buffer {
  const packed = pipe("lzop -9 -c", input);
  const start = 38 + packed.readUInt8(33);
  expect(packed.readUInt32BE(start)).toBe(input.length);
  return packed.subarray(start + 12, start + 12 + packed.readUInt32BE(start + 4));
}

const FORMATS: Readonly<Record<BlockFormat, (input: Buffer) => Buffer>> = {
  zlib: (input) => deflateSync(input),
  xz: (input) => pipe("xz --x86 --lzma2=dict=128KiB --check=crc32 -c", input),
  lzma: (input) => pipe("xz --format=lzma -c", input),
  lzo1x,
  "lz4-block": lz4Block,
  zstd: (input) => pipe("zstd -c", input),
};

function isBeginning(work: () => Uint8Array, input: Buffer): boolean {
  try {
    const found = work();
    return found.length < input.length && input.subarray(0, found.length).equals(found);
  } catch {
    return false;
  }
}

const formats = Object.entries(FORMATS) as [BlockFormat, (input: Buffer) => Buffer][];

describe.each(formats)("a block of %s", (format, pack) => {
  it("comes out as it went in", () => {
    for (const input of INPUTS) {
      expect(Buffer.from(expandBlock(pack(input), format, BLOCK)).equals(input)).toBe(true);
      expect(Buffer.from(expandBlock(pack(input), format, input.length)).equals(input)).toBe(true);
    }
  });

  it("that holds more than asked for is refused", () => {
    const packed = pack(textBytes(1001));
    expect(() => expandBlock(packed, format, 1000)).toThrow(expect.objectContaining({ code: "BUDGET_EXCEEDED" }));
  });

  it("that is cut off is refused", () => {
    const input = textBytes(5000);
    const packed = pack(input);
    for (let end = packed.length - 1; end >= 0; end -= 53) {
      const cut = packed.subarray(0, end);
      const work = () => expandBlock(cut, format, BLOCK);
      // An LZ4 block may end after any literals: then the beginning of the input comes out.
      if (format === "lz4-block" && isBeginning(work, input)) continue;
      expect(work, `at ${end}`).toThrow(expect.objectContaining({ code: "DATA_DAMAGED" }));
    }
  });

  it("that was changed ends in bytes or in a typed error", () => {
    const packed = pack(textBytes(5000));
    const random = randomNumbers(21);
    for (let round = 0; round < 2000; round++) {
      const changed = Buffer.from(packed);
      for (let count = 0; count < 3; count++)
        changed[Math.floor(random() * packed.length)] = Math.floor(random() * 256);
      try {
        expect(expandBlock(changed, format, 10_000).length).toBeLessThanOrEqual(10_000);
      } catch (error) {
        expect(error).toBeInstanceOf(GuestbootError);
      }
    }
  });
});

describe("the beginning of a member that is cut off", () => {
  it.each(["xz", "lzma"] as const)("%s gives what there is of it", (compression) => {
    const input = textBytes(1_000_000);
    const packed = pipe(`xz --format=${compression} -c`, input);
    const beginning = expandBeginning(packed.subarray(0, packed.length / 2), compression, 70_000);
    expect(beginning.length).toBe(70_000);
    expect(input.subarray(0, 70_000).equals(beginning)).toBe(true);
    expect(expandBeginning(packed.subarray(0, 20), compression, 70_000).length).toBe(0);
  });
});
