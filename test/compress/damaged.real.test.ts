import { describe, expect, it } from "vitest";
import { memorySource } from "../../src/base/byte-source.ts";
import { expandMember } from "../../src/compress/compression.ts";
import { expand, failure, pipe, randomNumbers, textBytes } from "./tools.ts";

const TEXT = textBytes(30_000);

/** With a checksum over everything that comes out. */
const CHECKED = [
  ["gzip", "gzip -nc"],
  ["bzip2", "bzip2 -c"],
  ["xz", "xz --check=crc32 -c"],
  ["xz", "xz --check=crc64 -c"],
  ["xz", "xz --check=sha256 -c"],
  ["xz", "xz --x86 --lzma2 --check=crc32 -c"],
  ["lz4", "lz4 -c"],
  ["lzo", "lzop -c"],
  ["lzo", "lzop --crc32 -c"],
  ["zstd", "zstd -c"],
] as const;
const UNCHECKED = [
  ["lzma", "xz --format=lzma -c"],
  ["lz4", "lz4 -l -c"],
] as const;
const ALL = [...CHECKED, ...UNCHECKED];
/** What an error may be that damage is the reason of. */
const TYPED = ["DATA_DAMAGED", "FEATURE_UNSUPPORTED", "BUDGET_EXCEEDED"];

describe("a member that is cut off", () => {
  it.each(ALL)("%s (%s) is an error that says so, wherever it ends", async (compression, command) => {
    const packed = pipe(command, TEXT);
    // The legacy frame of LZ4 has no end mark: a magic alone is an empty one.
    const least = command === "lz4 -l -c" ? 8 : 0;
    const ends = Array.from({ length: 40 }, (_, index) => least + index).concat(
      Array.from({ length: 60 }, (_, index) => packed.length - 1 - index * 37).filter((end) => end >= least),
    );
    for (const end of ends) {
      const error = await failure(expand(packed.subarray(0, end), { as: compression }));
      expect(error?.code, `cut at ${end} of ${packed.length}`).toBe("DATA_DAMAGED");
      expect(error?.message).toContain(compression);
    }
  });
});

describe("a flipped bit", () => {
  it.each(CHECKED)("in %s (%s) never gives other bytes", async (compression, command) => {
    const packed = pipe(command, TEXT);
    const random = randomNumbers(11);
    let refused = 0;
    for (let round = 0; round < 400; round++) {
      const changed = Buffer.from(packed);
      const at = round < 60 ? round : Math.floor(random() * packed.length);
      changed[at] = (changed[at] ?? 0) ^ (1 << Math.floor(random() * 8));
      let bytes: Buffer | null = null;
      const error = await failure(
        expand(changed, { as: compression, maximumBytes: 2 ** 20 }).then((found) => (bytes = found.bytes)),
      );
      if (error === null) expect(bytes, `bit in byte ${at}`).toEqual(TEXT);
      else {
        refused++;
        expect(TYPED, `bit in byte ${at}: ${error.message}`).toContain(error.code);
      }
    }
    // A time stamp or an operating system's number may change without harm.
    expect(refused).toBeGreaterThan(380);
  });

  it.each(UNCHECKED)("in %s (%s) ends in bytes or in a typed error", async (compression, command) => {
    const packed = pipe(command, TEXT);
    const random = randomNumbers(12);
    for (let round = 0; round < 400; round++) {
      const changed = Buffer.from(packed);
      const at = Math.floor(random() * packed.length);
      changed[at] = Math.floor(random() * 256);
      const error = await failure(expand(changed, { as: compression, maximumBytes: 2 ** 20 }));
      expect([null, ...TYPED]).toContain(error?.code ?? null);
    }
  });
});

describe("noise behind a format's magic", () => {
  it.each(ALL)("%s (%s) ends in a typed error", async (compression, command) => {
    const packed = pipe(command, TEXT);
    const random = randomNumbers(13);
    for (const kept of [6, 9, 14, 20, 26, 40, 60]) {
      const changed = Buffer.from(packed.map((byte, at) => (at < kept ? byte : random() * 256)));
      const error = await failure(expand(changed, { as: compression, maximumBytes: 2 ** 20 }));
      expect([null, ...TYPED]).toContain(error?.code ?? null);
    }
  });
});

describe("a bomb", () => {
  const zeros = Buffer.alloc(40 * 1024 * 1024);

  it.each(ALL)("%s (%s) stops at the limit and not after it", async (compression, command) => {
    const packed = pipe(command, zeros);
    const maximumBytes = 3 * 1024 * 1024;
    const member = expandMember(memorySource(packed), 0, compression, { maximumBytes });
    let size = 0;
    const error = await failure(
      (async () => {
        for await (const chunk of member) size += chunk.length;
      })(),
    );
    expect(error).toMatchObject({ code: "BUDGET_EXCEEDED" });
    expect(error?.message).toContain("grows past the limit of 3 MiB");
    expect(size).toBeLessThanOrEqual(maximumBytes);
  });

  it.each(ALL)("%s (%s) of just the limit's size comes out", async (compression, command) => {
    const input = TEXT.subarray(0, 20_000);
    const packed = pipe(command, input);
    expect((await expand(packed, { as: compression, maximumBytes: 20_000 })).bytes.equals(input)).toBe(true);
    const error = await failure(expand(packed, { as: compression, maximumBytes: 19_999 }));
    expect(error?.code).toBe("BUDGET_EXCEEDED");
  });
});

describe("more than a host should give", () => {
  it("xz and lzma that need a dictionary over 128 MiB are refused before it is made", async () => {
    const xz = pipe("xz --lzma2=dict=256MiB -c", TEXT);
    const lzma = pipe("xz --format=lzma --lzma1=dict=256MiB -c", TEXT);
    expect(await failure(expand(xz))).toMatchObject({ code: "FEATURE_UNSUPPORTED" });
    expect(await failure(expand(lzma))).toMatchObject({ code: "FEATURE_UNSUPPORTED" });
    // What cannot come out needs no dictionary.
    expect((await expand(xz, { maximumBytes: 2 ** 20 })).bytes.equals(TEXT)).toBe(true);
  });

  it("xz of three hundred blocks, each with a dictionary of 128 MiB, takes one dictionary", async () => {
    const input = textBytes(4800);
    const packed = pipe("xz -T1 --block-size=16 --lzma2=dict=128MiB -c", input);
    expect((await expand(packed)).bytes.equals(input)).toBe(true);
  });

  it("zstd that needs a window over 128 MiB is refused", async () => {
    const packed = pipe("zstd -c --ultra --long=28 --no-check", TEXT);
    expect(await failure(expand(packed))).toMatchObject({ code: "FEATURE_UNSUPPORTED" });
  });
});

describe("a caller who has enough", () => {
  it.each(ALL)("of %s (%s) ends it, or aborts it with a reason", async (compression, command) => {
    const packed = pipe(command, textBytes(2_000_000));
    const source = memorySource(packed);
    for await (const chunk of expandMember(source, 0, compression, { maximumBytes: 2 ** 30 })) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    const signal = AbortSignal.abort(new Error("enough"));
    const aborted = expandMember(source, 0, compression, { maximumBytes: 2 ** 30, signal });
    await expect(aborted.next()).rejects.toThrow("enough");
  });
});
