import { describe, expect, it } from "vitest";
import { compressStream, type PackedCompression } from "../../src/compress/pack.ts";
import { pipe, randomBytes, textBytes } from "./tools.ts";

async function pack(input: Buffer, compression: PackedCompression, level?: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of compressStream(inPieces(input), compression, level)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** As a reader hands it on, in no particular sizes. */
async function* inPieces(input: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0, size = 1; at < input.length; at += size, size = (size * 7) % 300_007) {
    yield await Promise.resolve(input.subarray(at, at + size));
  }
}

const INPUTS = [Buffer.alloc(0), randomBytes(100_000), textBytes(3_000_000), Buffer.alloc(5_000_000)];

describe("what is packed", () => {
  it.each([
    ["gzip", undefined],
    ["gzip", 9],
    ["zstd", undefined],
    ["zstd", 19],
  ] as const)("with %s (level %s) is what the program of that name unpacks", async (compression, level) => {
    for (const input of INPUTS) {
      const packed = await pack(input, compression, level);
      pipe(`${compression} -t`, packed);
      expect(pipe(`${compression} -dc`, packed).equals(input)).toBe(true);
    }
  });

  it.each(["gzip", "zstd"] as const)("with %s is the same each time", async (compression) => {
    const input = textBytes(500_000);
    expect((await pack(input, compression)).equals(await pack(input, compression))).toBe(true);
  });

  it("with gzip has no time stamp and no name in its header", async () => {
    const packed = await pack(textBytes(100), "gzip");
    // RFC 1952: flags, then four bytes of time.
    expect(packed.subarray(3, 8)).toEqual(Buffer.alloc(5));
  });

  it("with zstd has a checksum that zstd checks", async () => {
    const packed = await pack(textBytes(100_000), "zstd");
    packed[packed.length - 1] = (packed[packed.length - 1] ?? 0) ^ 1;
    expect(() => pipe("zstd -t", packed)).toThrow(/checksum/i);
  });

  it("with nothing goes through as it is", async () => {
    const input = textBytes(100_000);
    expect((await pack(input, "none")).equals(input)).toBe(true);
  });

  it.each(["gzip", "zstd", "none"] as const)("with %s fails as its input fails", async (compression) => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield await Promise.resolve(randomBytes(300_000));
      throw new Error("the disk broke");
    }
    const work = async () => {
      for await (const chunk of compressStream(broken(), compression)) expect(chunk.length).toBeGreaterThan(0);
    };
    await expect(work()).rejects.toThrow("the disk broke");
  });
});
