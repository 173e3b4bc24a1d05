import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DEBIAN_INSTALLER } from "../../fixtures/debian-installer.ts";
import { memorySource } from "../../src/base/byte-source.ts";
import type { Compression } from "../../src/compress/compression.ts";
import { decompressKernel, findPayload } from "../../src/kernel/decompress.ts";
import { describeKernel, kernelLines } from "../../src/kernel/describe.ts";
import { readKernelImage } from "../../src/kernel/kernel-image.ts";
import { pipe } from "../compress/tools.ts";
import { bzImage } from "./kernel-bytes.ts";

/** As the kernel's build packs (scripts/Makefile.lib), and as the tool itself unpacks. */
const PACKERS: readonly (readonly [Compression, string, string])[] = [
  ["gzip", "gzip -n -9 -c", "gzip -dc"],
  ["bzip2", "bzip2 -9 -c", "bzip2 -dc"],
  ["lzma", "xz --format=lzma -9 -c", "xz --format=lzma -dc"],
  ["xz", "xz --check=crc32 --x86 --lzma2=dict=32MiB -c", "xz -dc"],
  ["lzo", "lzop -9 -c", "lzop -dc"],
  ["lz4", "lz4 -l -9 -c", "lz4 -dc"],
  ["zstd", "zstd -19 -c", "zstd -dc"],
];

/** An ELF image that starts as a PVH guest, small enough to be packed seven times. */
const SHIM = "/usr/lib/xen-4.17/boot/xen-shim";

let folder = "";
let debian: Buffer = Buffer.alloc(0);
let debianElf: Buffer = Buffer.alloc(0);

beforeAll(async () => {
  for (const [file, packaged] of [
    [DEBIAN_INSTALLER.kernel, DEBIAN_INSTALLER.package],
    [SHIM, "xen-utils-4.17"],
  ] as const) {
    if (!fs.existsSync(file)) throw new Error(`${file} is missing: apt-get install ${packaged}`);
  }
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-payloads-"));
  debian = fs.readFileSync(DEBIAN_INSTALLER.kernel);
  debianElf = await decompress(debian);
});

afterAll(() => {
  fs.rmSync(folder, { recursive: true, force: true });
});

async function decompress(kernel: Uint8Array): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of decompressKernel(memorySource(kernel), { maximumBytes: 2 ** 30 })) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The build appends the expanded size; gzip ends in it by itself. */
function pack(command: string, elf: Buffer): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(elf.length);
  const packed = pipe(command, elf);
  return command.startsWith("gzip") ? packed : Buffer.concat([packed, size]);
}

/** The types of the notes by the name "Xen" that readelf lists. It knows GNU's meaning of type 1 only. */
function listedNotes(elf: Buffer): ReadonlySet<number> {
  const file = path.join(folder, "image");
  fs.writeFileSync(file, elf);
  const lines = pipe(`readelf -nW ${file}`).toString("latin1");
  const types = lines.matchAll(/^ +Xen .*?\(0x([0-9a-f]+)\)|^ +Xen .*(NT_VERSION)/gm);
  return new Set([...types].map(([, type, version]) => (version === undefined ? parseInt(type ?? "", 16) : 1)));
}

describe("Debian 12's installer kernel", () => {
  it("gives the image that xz gives of its payload", () => {
    const { offset, length, compression, expandedSize } = findPayload(memorySource(debian));
    expect(compression).toBe("xz");
    const judged = pipe("xz -dc", debian.subarray(offset, offset + length - 4));
    expect(judged.length).toBe(expandedSize);
    expect(debianElf.equals(judged)).toBe(true);
  });

  it("has the Xen notes that readelf lists in that image", () => {
    const listed = listedNotes(debianElf);
    const image = readKernelImage({ bytes: debian, isWhole: true });
    if (image.kind !== "kernel") throw new Error(image.what);
    const described = describeKernel(image, null);
    expect(listed.size).toBeGreaterThan(5);
    expect(described).toMatchObject({ format: "bzImage", payload: "xz", warning: null });
    expect(described.guests).toEqual([...(listed.has(1) ? ["PV"] : []), ...(listed.has(18) ? ["PVH"] : [])]);
    expect(kernelLines(described)).toEqual([
      `kernel ${described.version ?? ""} (bzImage, xz payload)`,
      "starts as a PV and a PVH guest",
    ]);
  });

  it("as an image of its own is an ELF kernel of the same version and the same notes", () => {
    const before = readKernelImage({ bytes: debian, isWhole: true });
    const after = readKernelImage({ bytes: debianElf, isWhole: true });
    if (before.kind !== "kernel") throw new Error(before.what);
    expect(after).toMatchObject({ format: "ELF", version: before.version, xen: before.xen });
  });

  it.each(["zstd -3 -c", "lz4 -l -c"])("packed anew by %s is turned back into it", async (command) => {
    expect((await decompress(bzImage(pack(command, debianElf)))).equals(debianElf)).toBe(true);
  });
});

describe("a bzImage with each payload that kernels have", () => {
  it.each(PACKERS)("%s", async (compression, command, unpack) => {
    const elf = fs.readFileSync(SHIM);
    const payload = pack(command, elf);
    // The tool itself takes what was assembled.
    expect(pipe(unpack, compression === "gzip" ? payload : payload.subarray(0, -4)).equals(elf)).toBe(true);
    const kernel = bzImage(payload);
    const listed = listedNotes(elf);
    expect(listed.has(18)).toBe(true);
    expect(readKernelImage({ bytes: kernel, isWhole: true })).toMatchObject({
      format: "bzImage",
      payload: compression,
      xen: { seen: "notes", notes: { pv: [1, 2, 3].some((type) => listed.has(type)), pvh: true } },
    });
    expect((await decompress(kernel)).equals(elf)).toBe(true);
  });

  it.each(PACKERS)("%s, as a whole file", (compression, command) => {
    const packed = pipe(command, fs.readFileSync(SHIM));
    expect(readKernelImage({ bytes: packed, isWhole: true })).toMatchObject({
      kind: "kernel",
      format: "ELF",
      compression,
      xen: { seen: "notes" },
    });
  });
});
