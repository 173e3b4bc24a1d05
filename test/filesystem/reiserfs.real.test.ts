import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { memorySource, type ByteSource } from "../../src/base/byte-source.ts";
import { openDisk } from "../../src/disk/open-disk.ts";
import { openFilesystem } from "../../src/filesystem/detect.ts";
import type { FilesystemDriver, FilesystemNode } from "../../src/filesystem/filesystem.ts";
import { openReiserfs } from "../../src/filesystem/reiserfs/reiserfs-driver.ts";
import { noise } from "../base/seeded.ts";
import { call } from "./call.ts";
import { readByGrub } from "./ext-judges.ts";
import { differences, fileOf, manifestOfDriver, type Manifest } from "./manifest.ts";
import { oldFormatImage, sampleEnd, sampleImage, sampleManifest, type Sample } from "./reiserfs-image.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-reiserfs-"));
const image = path.join(folder, "disk.img");
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const HUGE = "/sparse/over-4-gib";

/** Without the content of what is too large to be read whole. */
function manifestOf(driver: FilesystemDriver): Manifest {
  const content = (node: FilesystemNode): ByteSource =>
    node.size > 2 ** 32 ? { ...memorySource(new Uint8Array()), size: 0 } : driver.content(node);
  return manifestOfDriver({ ...driver, content });
}

function withoutHuge(manifest: Manifest): Manifest {
  return Object.fromEntries(Object.entries(manifest).filter(([name]) => name !== HUGE));
}

const SAMPLES: readonly (readonly [sample: Sample, features: readonly string[], names: number])[] = [
  ["r5", ["3.6", "r5"], 400],
  ["rupasov", ["3.6", "rupasov"], 400],
  ["tea", ["3.6", "tea"], 400],
  ["crashed", ["3.6", "r5"], 400],
  ["small", ["3.6", "r5"], 70],
];

describe.each(SAMPLES)("the image %s (%s)", (sample, features, names) => {
  const bytes = sampleImage(sample);
  const driver = openReiserfs(memorySource(bytes));

  it("is read whole as Linux reads it", () => {
    expect(driver.features).toEqual(features);
    const linux = sampleManifest(sample);
    expect(Object.keys(linux).length).toBeGreaterThan(names);
    expect(differences(withoutHuge(linux), withoutHuge(manifestOf(driver)))).toEqual([]);
  });

  it("gives each name of each folder also when it is asked for alone", () => {
    const wrong: string[] = [];
    const visit = (directory: FilesystemNode, at: string): void => {
      for (const { name, node } of driver.list(directory)) {
        if (driver.lookup(directory, name)?.id !== node.id) wrong.push(`${at}/${name}`);
        if (driver.lookup(directory, `${name}-not`) !== null) wrong.push(`${at}/${name}-not`);
        if (node.kind === "directory") visit(node, `${at}/${name}`);
      }
    };
    visit(driver.root, "");
    expect(wrong).toEqual([]);
  });

  it("lies on the disk where it says", () => {
    const source = openReiserfs({ ...memorySource(bytes), onDisk: (offset, length) => ({ offset, length }) });
    const wrong: string[] = [];
    const visit = (directory: FilesystemNode, at: string): void => {
      for (const { name, node } of source.list(directory)) {
        if (node.kind === "directory") visit(node, `${at}/${name}`);
        if (node.kind !== "file" || node.size > 2 ** 32) continue;
        const content = source.content(node);
        for (let offset = 0; offset < node.size;) {
          const range = content.onDisk?.(offset, node.size - offset) ?? null;
          const length = range?.length ?? 1;
          const there = range === null ? Buffer.alloc(1) : bytes.subarray(range.offset, range.offset + length);
          if (!there.equals(content.read(offset, length))) wrong.push(`${at}/${name} at ${offset}`);
          offset += range === null ? 1024 : length;
        }
      }
    };
    visit(source.root, "");
    expect(wrong).toEqual([]);
  });
});

describe.each(["r5", "rupasov", "tea"] as const)("the image %s", (sample) => {
  it("is what GRUB and blkid read, too", () => {
    const bytes = sampleImage(sample);
    const driver = openReiserfs(memorySource(bytes));
    fs.writeFileSync(image, bytes);
    const linux = sampleManifest(sample);
    const paths = Object.keys(linux).filter((name) => /^\/(?:boot|sizes|fragmented|sparse\/(?!over))/.test(name));
    const files = paths.filter((name) => linux[name]?.startsWith("file ") === true);
    const ours = manifestOf(driver);
    expect(files.length).toBeGreaterThan(20);
    expect(
      differences(readByGrub(image, files), Object.fromEntries(files.map((name) => [name, ours[name] ?? ""]))),
    ).toEqual([]);
    const [uuid, label] = ["UUID", "LABEL"].map((tag) => blkid(tag));
    expect([driver.type, driver.uuid, driver.label, driver.notes]).toEqual([blkid("TYPE"), uuid, label, []]);
  });
});

/** null where blkid says nothing. */
function blkid(tag: string): string | null {
  const said = call("sh", ["-c", `blkid -p -o value -s ${tag} "$1" || true`, "sh", image], "util-linux").trim();
  return said === "" ? null : said;
}

describe("a file of 4.5 GiB", () => {
  it("has its size, zeros in its hole, and its end as Linux reads it", () => {
    const filesystem = openFilesystem(memorySource(sampleImage("r5")));
    const content = filesystem.open(HUGE);
    expect(content.size).toBe(1_100_001 * 4096);
    const end = content.read(1_099_998 * 4096, 3 * 4096);
    expect(createHash("sha1").update(end).digest("hex")).toBe(sampleEnd("r5"));
    expect(content.read(3_000_000_000, 100_000).every((byte) => byte === 0)).toBe(true);
  });
});

describe("a name in a folder of 3,000", () => {
  it("is found by reading a few blocks", () => {
    const source = memorySource(sampleImage("r5"));
    let read = 0;
    const counting: ByteSource = {
      size: source.size,
      read(offset, length, into) {
        read += length;
        return source.read(offset, length, into);
      },
    };
    const driver = openReiserfs(counting);
    const many = driver.lookup(driver.root, "many");
    read = 0;
    expect(many !== null && driver.lookup(many, "entry-with-a-usual-name-2999")).toMatchObject({ kind: "file" });
    expect(read).toBeLessThan(12 * 4096);
  });
});

describe("a filesystem that was never unmounted", () => {
  it("is named in a note, and its bytes without the journal are others", () => {
    const bytes = sampleImage("crashed");
    const driver = openReiserfs(memorySource(bytes));
    expect(driver.notes).toEqual([expect.stringMatching(/^the filesystem was not unmounted: \d+ blocks of \d+ trans/)]);
    const blockSize = bytes.readUInt16LE(0x10000 + 44);
    const journal = bytes.readUInt32LE(0x10000 + 12);
    const size = bytes.readUInt32LE(0x10000 + 20);
    // Without its describing blocks, nothing waits.
    for (let block = journal; block < journal + size; block++)
      bytes.fill(0, block * blockSize, (block + 1) * blockSize);
    const without = openReiserfs(memorySource(bytes));
    expect(without.notes).toEqual([]);
    expect(differences(sampleManifest("crashed"), manifestOf(without))).not.toEqual([]);
  });
});

describe("a new filesystem", () => {
  it.each([
    ["3.6", 512],
    ["3.6", 1024],
    ["3.6", 2048],
    ["3.6", 4096],
    ["3.6", 8192],
    ["3.5", 1024],
    ["3.5", 4096],
  ])("%s with blocks of %i bytes is empty, and found by its magic number", (format, blockSize) => {
    fs.rmSync(image, { force: true });
    fs.writeFileSync(image, "");
    fs.truncateSync(image, 80 * 1024 * 1024);
    const options = ["-q", "-ff", "--format", format, "-b", String(blockSize), "-l", "a label"];
    call("mkreiserfs", [...options, image], "reiserfsprogs");
    using disk = openDisk(image);
    const filesystem = openFilesystem(disk.source);
    expect(filesystem.list("/")).toEqual([]);
    expect([filesystem.type, filesystem.uuid, filesystem.label]).toEqual(["reiserfs", blkid("UUID"), blkid("LABEL")]);
    expect(filesystem.notes).toEqual([]);
  });
});

describe("a filesystem of format 3.5", () => {
  it("with stat data and keys of the older form is read as GRUB reads it", () => {
    const [file, small] = [noise(5013, 1), noise(333, 2)];
    // R5 by hand: of "f" (0x66) ((0x66 << 4) + (0x66 >> 4)) * 11 = 0x4662; its lowest seven bits are not the hash's.
    const bytes = oldFormatImage([
      { name: "f", hash: 0x4600, mode: 0x81a4, content: file },
      { name: "l", hash: 0x4a80, mode: 0xa1ff, content: Buffer.from("f") },
      { name: "s", hash: 0x4f00, mode: 0x81a4, content: small },
    ]);
    fs.writeFileSync(image, bytes);
    const driver = openReiserfs(memorySource(bytes));
    expect(driver.features).toEqual(["3.5", "r5"]);
    const filesystem = openFilesystem(memorySource(bytes));
    expect(filesystem.list("/").map(({ name, node }) => `${name} ${node.kind} ${node.size}`)).toEqual([
      "f file 5013",
      "l symlink 1",
      "s file 333",
    ]);
    const read = (name: string) => fileOf(filesystem.open(name));
    const ours = { "/f": read("/f"), "/l": read("/l"), "/s": read("/s") };
    expect(readByGrub(image, ["/f", "/l", "/s"])).toEqual(ours);
    expect(ours["/f"]).toBe(fileOf(memorySource(file)));
  });
});
