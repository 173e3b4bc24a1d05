import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { memorySource } from "../../src/base/byte-source.ts";
import { asGuestbootError } from "../../src/base/errors.ts";
import { decompressKernel, findPayload } from "../../src/kernel/decompress.ts";
import { bzImage, elf64, LINUX_XEN_NOTES, packed } from "./kernel-bytes.ts";

const ELF = elf64(LINUX_XEN_NOTES, randomBytes(3000));

async function decompress(kernel: Uint8Array, maximumBytes = 2 ** 30): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of decompressKernel(memorySource(kernel), { maximumBytes })) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function code(kernel: Uint8Array, maximumBytes?: number): Promise<string> {
  return decompress(kernel, maximumBytes).then(
    () => "no error",
    (error: unknown) => asGuestbootError(error).code,
  );
}

describe("the ELF image inside a bzImage", () => {
  it.each(["gzip", "zstd"] as const)("comes out of a %s payload", async (by) => {
    expect((await decompress(bzImage(packed(by, ELF)))).equals(ELF)).toBe(true);
  });

  it("comes out where it is not packed at all", async () => {
    expect((await decompress(bzImage(ELF))).equals(ELF)).toBe(true);
  });

  it("is found with its packed and its expanded size", () => {
    const payload = packed("zstd", ELF);
    expect(findPayload(memorySource(bzImage(payload)))).toEqual({
      offset: 1024 + 16,
      length: payload.length,
      compression: "zstd",
      expandedSize: ELF.length,
    });
  });
});

describe("what is refused with a reason", () => {
  const zstd = packed("zstd", ELF);

  it("a file that is no bzImage, a kernel that is too old to say, a payload of an unknown kind", async () => {
    const old = bzImage(zstd);
    old.writeUInt16LE(0x0207, 0x206);
    for (const kernel of [Buffer.alloc(0), ELF, old, bzImage(Buffer.from("no payload"))]) {
      expect(await code(kernel)).toBe("FEATURE_UNSUPPORTED");
    }
  });

  it("a kernel that is cut off", async () => {
    const kernel = bzImage(zstd);
    expect(await code(kernel.subarray(0, kernel.length - 100))).toBe("DATA_DAMAGED");
  });

  it("a payload of another size than the build noted, or with something else than an ELF image inside", async () => {
    const other = Buffer.from(zstd);
    other.writeUInt32LE(ELF.length + 1, other.length - 4);
    expect(await code(bzImage(other))).toBe("DATA_DAMAGED");
    expect(await code(bzImage(packed("gzip", Buffer.from("text"))))).toBe("DATA_DAMAGED");
    expect(await code(bzImage(packed("gzip", Buffer.alloc(0))))).toBe("DATA_DAMAGED");
  });

  it("a payload that grows past the limit", async () => {
    expect(await code(bzImage(zstd), ELF.length)).toBe("no error");
    expect(await code(bzImage(zstd), ELF.length - 1)).toBe("BUDGET_EXCEEDED");
    expect(await code(bzImage(packed("gzip", ELF)), ELF.length - 1)).toBe("BUDGET_EXCEEDED");
  });

  it("whatever the header's numbers say", async () => {
    for (let offset = 0x1f0; offset < 0x250; offset++) {
      for (const value of [0, 0x7f, 0xff]) {
        const kernel = bzImage(zstd);
        kernel[offset] = value;
        expect(await code(kernel)).not.toBe("INTERNAL");
      }
    }
  });
});
