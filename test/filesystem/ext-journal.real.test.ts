import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { makeFilesystemImage, type ExtType } from "../../fixtures/disk-images.ts";
import { memorySource } from "../../src/base/byte-source.ts";
import { openDisk } from "../../src/disk/open-disk.ts";
import { openExt } from "../../src/filesystem/ext/ext-driver.ts";
import { noise, seeded } from "../base/seeded.ts";
import { call } from "./call.ts";
import { explore } from "./explore.ts";
import { differences, manifestOfDriver, manifestOfFolder, type Manifest } from "./manifest.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-ext-journal-"));
const image = path.join(folder, "disk.img");
const crashed = path.join(folder, "crashed.img");
const mounted = path.join(folder, "mounted");
fs.mkdirSync(mounted);
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const INCOMPAT = 1024 + 0x60;
const NEEDS_RECOVERY = 0x4;

function withMounted<T>(file: string, options: string, work: () => T): T {
  call("mount", ["-t", "ext4", "-o", `loop,${options}`, file, mounted], "mount");
  try {
    return work();
  } finally {
    call("umount", [mounted], "mount");
  }
}

/** What a guest does around a kernel update; between the parts everything is in the journal, and there only. */
function workOf(round: number): void {
  const at = (name: string) => path.join(mounted, name);
  // Of a file and not of the whole filesystem, which would write everything to its place, too.
  const sync = (name: string) => call("sync", [at(name)], "coreutils");
  fs.mkdirSync(at(`boot-${round}`));
  fs.writeFileSync(at(`boot-${round}/vmlinuz`), noise(300_000, round));
  fs.symlinkSync(`boot-${round}/vmlinuz`, at(`link-${round}`));
  for (let index = 0; index < 150; index++) fs.writeFileSync(at(`boot-${round}/module-${index}`), noise(index, index));
  sync(`boot-${round}/vmlinuz`);
  // Blocks of a folder that are revoked, and taken again as content.
  fs.rmSync(at(`boot-${round}`), { recursive: true });
  fs.rmSync(at("vmlinuz"), { force: true });
  sync(".");
  fs.writeFileSync(at("vmlinuz"), noise(500_000, round + 100));
  fs.mkdirSync(at(`many-${round}`));
  for (let index = 0; index < 200; index++) fs.writeFileSync(at(`many-${round}/name-${index}`), "");
  // Each block begins as those of the journal do, so in the journal it must look otherwise.
  const magic = Buffer.alloc(64 * 1024, Uint8Array.of(0xc0, 0x3b, 0x39, 0x98, 0, 0, 0, 1));
  fs.writeFileSync(at(`magic-${round}`), magic);
  sync(`magic-${round}`);
  sync("vmlinuz");
}

/** Leaves `crashed` as a host that lost its power after some rounds of work does; answers what the kernel makes of it. */
function crashAfter(rounds: number, options: string): Manifest {
  withMounted(image, options, () => {
    for (let round = 0; round < rounds; round++) workOf(round);
    fs.copyFileSync(image, crashed);
  });
  const judged = path.join(folder, "judged.img");
  fs.copyFileSync(crashed, judged);
  return withMounted(judged, "rw", () => manifestOfFolder(mounted));
}

function read(file: string): { readonly manifest: Manifest; readonly notes: readonly string[] } {
  using disk = openDisk(file);
  const driver = openExt(disk.source);
  return { manifest: manifestOfDriver(driver), notes: driver.notes };
}

const KINDS: readonly (readonly [type: ExtType, make: readonly string[], mount: string, rounds: number])[] = [
  ["ext4", ["-b", "1024"], "rw", 3],
  ["ext4", ["-b", "4096"], "rw", 3],
  ["ext4", ["-b", "1024", "-J", "size=1"], "rw", 12],
  ["ext4", ["-b", "4096", "-J", "size=4"], "rw,data=journal", 6],
  ["ext4", ["-b", "1024"], "rw,data=journal", 2],
  ["ext4", ["-b", "4096", "-O", "^metadata_csum,^64bit"], "rw,data=journal", 2],
  ["ext4", ["-b", "1024", "-O", "^metadata_csum"], "rw,data=journal,journal_checksum", 2],
  ["ext4", ["-b", "4096", "-O", "^metadata_csum,^64bit"], "rw,journal_async_commit,data=writeback", 3],
  ["ext4", ["-b", "4096", "-O", "inline_data,bigalloc", "-C", "16384"], "rw", 3],
  ["ext4", ["-b", "1024", "-O", "meta_bg,^resize_inode", "-g", "1024"], "rw", 2],
  ["ext3", ["-b", "1024"], "rw", 3],
  ["ext3", ["-b", "4096"], "rw,data=journal", 3],
];

/** What the journals of all kinds held together, so that each is known to have been replayed. */
const held = { wraps: 0, revoked: 0, escaped: 0, byChecksum: new Set<number>() };

function noteWhatItHolds(file: string): void {
  const bytes = fs.readFileSync(file);
  const log = call("debugfs", ["-R", "logdump -a", file], "e2fsprogs");
  const commits = [...log.matchAll(/type 2 \(commit block\) at block (\d+)/g)].map(([, block]) => Number(block));
  held.wraps += commits.some((block, index) => block < (commits[index - 1] ?? 0)) ? 1 : 0;
  held.revoked += log.includes("type 5 (revoke table)") ? 1 : 0;
  held.escaped += /flags 0x[13579bdf]\b/.test(log) ? 1 : 0;
  const journal = bytes.indexOf(Buffer.from("c03b399800000004", "hex"));
  const incompat = bytes.readUInt32BE(journal + 0x28);
  held.byChecksum.add((incompat & 0x10) !== 0 ? 3 : (bytes.readUInt32BE(journal + 0x24) & 1) !== 0 ? 1 : 0);
}

describe.each(KINDS)("%s made with %j, mounted with %s", (type, make, mount, rounds) => {
  it("is read after a crash as the kernel reads it when it has replayed the journal", () => {
    makeFilesystemImage({ path: image, type, sizeMiB: 64, options: make });
    const kernel = crashAfter(rounds, mount);
    noteWhatItHolds(crashed);
    const before = fs.readFileSync(crashed);
    const ours = read(crashed);
    expect(differences(kernel, ours.manifest)).toEqual([]);
    expect(ours.notes).toEqual([expect.stringMatching(/^the filesystem was not unmounted: \d+ blocks of \d+ trans/)]);
    expect(fs.readFileSync(crashed).equals(before)).toBe(true);
    // The journal did matter.
    before.writeUInt32LE(before.readUInt32LE(INCOMPAT) & ~NEEDS_RECOVERY, INCOMPAT);
    expect(differences(kernel, withoutJournal(before))).not.toEqual([]);
  });
});

it("all together held what a journal can hold: a ring gone round, revoked and escaped blocks, checksums or none", () => {
  expect(held.wraps).toBeGreaterThan(0);
  expect(held.revoked).toBeGreaterThan(0);
  expect(held.escaped).toBeGreaterThan(0);
  expect([...held.byChecksum].sort()).toEqual([0, 1, 3]);
});

function withoutJournal(bytes: Buffer): Manifest {
  try {
    return manifestOfDriver(openExt(memorySource(bytes)));
  } catch {
    return {};
  }
}

describe("a file whose blocks are partly in the journal", () => {
  it("says of each piece where on the disk it lies as it is, and nothing of blocks that look otherwise there", () => {
    makeFilesystemImage({ path: image, type: "ext4", sizeMiB: 32, options: ["-b", "4096"] });
    withMounted(image, "rw", () => {
      fs.writeFileSync(path.join(mounted, "file"), noise(400_000, 1));
    });
    withMounted(image, "rw,data=journal", () => {
      const fd = fs.openSync(path.join(mounted, "file"), "r+");
      fs.writeSync(fd, noise(8192, 2), 0, 8192, 40_960);
      fs.writeSync(fd, Buffer.alloc(4096, Uint8Array.of(0xc0, 0x3b, 0x39, 0x98)), 0, 4096, 204_800);
      fs.closeSync(fd);
      call("sync", [path.join(mounted, "file")], "coreutils");
      fs.copyFileSync(image, crashed);
    });
    const bytes = fs.readFileSync(crashed);
    const expected = Buffer.from(noise(400_000, 1));
    Buffer.from(noise(8192, 2)).copy(expected, 40_960);
    Buffer.alloc(4096, Uint8Array.of(0xc0, 0x3b, 0x39, 0x98)).copy(expected, 204_800);
    using disk = openDisk(crashed);
    const driver = openExt(disk.source);
    const node = driver.lookup(driver.root, "file");
    if (node === null) throw new Error("file is not there");
    const content = driver.content(node);
    expect(expected.equals(content.read(0, 400_000))).toBe(true);
    const withoutPlace: number[] = [];
    for (let at = 0; at < 400_000;) {
      const place = content.onDisk?.(at, 400_000 - at) ?? null;
      const length = place?.length ?? 4096;
      if (place === null) withoutPlace.push(at);
      else
        expect(expected.subarray(at, at + length).equals(bytes.subarray(place.offset, place.offset + length))).toBe(
          true,
        );
      at += length;
    }
    expect(withoutPlace).toEqual([204_800]);
  });
});

describe("a journal", () => {
  it("whose last transaction was not finished counts without it, as to the kernel", () => {
    makeFilesystemImage({ path: image, type: "ext4", sizeMiB: 32, options: ["-b", "4096"] });
    crashAfter(2, "rw");
    const bytes = fs.readFileSync(crashed);
    const commits = commitBlocks(crashed);
    const last = commits.at(-1) ?? 0;
    bytes.fill(0, last * 4096, last * 4096 + 4096);
    fs.writeFileSync(crashed, bytes);
    const ours = read(crashed);
    const kernel = withMounted(crashed, "rw", () => manifestOfFolder(mounted));
    expect(differences(kernel, ours.manifest)).toEqual([]);
    expect(commits.length).toBeGreaterThan(2);
    expect(ours.notes).toEqual([expect.stringContaining(`of ${commits.length - 1} transactions`)]);
  });

  it("that a tool wrote with checksums of the second kind is read as e2fsck replays it", () => {
    makeFilesystemImage({ path: image, type: "ext4", sizeMiB: 16, options: ["-b", "1024", "-O", "^metadata_csum"] });
    call("debugfs", ["-w", "-R", "write /dev/null /file", image], "e2fsprogs");
    const content = path.join(folder, "content");
    fs.writeFileSync(content, noise(40_000, 5));
    call("debugfs", ["-w", "-R", `write ${content} vmlinuz`, image], "e2fsprogs");
    const blocks = call("debugfs", ["-R", "blocks vmlinuz", image], "e2fsprogs").trim().split(/\s+/).slice(2, 12);
    const newer = path.join(folder, "newer");
    fs.writeFileSync(newer, noise(10 * 1024, 6));
    const requests = [`jo -c -v 2`, `jw -b ${blocks.join(",")} ${newer}`, "jc"];
    call("debugfs", ["-w", "-f", "-", image], "e2fsprogs", `${requests.join("\n")}\n`);
    fs.copyFileSync(image, crashed);
    const ours = read(crashed);
    call("e2fsck", ["-y", "-E", "journal_only", image], "e2fsprogs");
    const judged = read(image);
    expect(judged.notes).toEqual([]);
    expect(ours.notes).toEqual([expect.stringContaining("10 blocks of 1 transactions")]);
    expect(ours.manifest).toEqual(judged.manifest);
    const expected = Buffer.from(noise(40_000, 5));
    Buffer.from(noise(10 * 1024, 6)).copy(expected, 2 * 1024);
    using disk = openDisk(crashed);
    const driver = openExt(disk.source);
    const node = driver.lookup(driver.root, "vmlinuz");
    if (node === null) throw new Error("vmlinuz is not there");
    expect(expected.equals(driver.content(node).read(0, 40_000))).toBe(true);
  });

  it("that is empty is no reason for a note", () => {
    makeFilesystemImage({ path: image, type: "ext4", sizeMiB: 16 });
    call("debugfs", ["-w", "-R", "feature needs_recovery", image], "e2fsprogs");
    expect(read(image).notes).toEqual([]);
  });
});

/** The blocks of the filesystem that end a transaction, in the order of the journal. */
function commitBlocks(file: string): number[] {
  const text = call("debugfs", ["-R", "logdump -a", file], "e2fsprogs");
  const found = [...text.matchAll(/Found expected sequence \d+, type 2 \(commit block\) at block (\d+)/g)].map(
    ([, block]) => Number(block),
  );
  return found.map((block) => Number(call("debugfs", ["-R", `bmap <8> ${block}`, file], "e2fsprogs").trim()));
}

/** What must not happen to whoever reads a journal that was made to hurt. Fields as in `journal-format.ts`. */
describe("a forged journal", () => {
  const BLOCK = 1024;
  const damaged: unknown = expect.objectContaining({ code: "FILESYSTEM_DAMAGED" });
  const unsupported = (words: string): unknown =>
    expect.objectContaining({ code: "FEATURE_UNSUPPORTED", message: expect.stringContaining(words) as unknown });

  /** A crashed ext3 without checksums, its bytes and where its journal begins (it lies in one piece). */
  function crashedImage(): { readonly bytes: Buffer; readonly journal: number; readonly start: number } {
    makeFilesystemImage({ path: image, type: "ext3", sizeMiB: 16, options: ["-b", String(BLOCK)] });
    withMounted(image, "rw", () => {
      fs.writeFileSync(path.join(mounted, "file"), noise(100_000, 1));
      call("sync", [path.join(mounted, "file")], "coreutils");
      fs.copyFileSync(image, crashed);
    });
    const bytes = fs.readFileSync(crashed);
    const journal = Number(call("debugfs", ["-R", "bmap <8> 0", crashed], "e2fsprogs").trim()) * BLOCK;
    return { bytes, journal, start: bytes.readUInt32BE(journal + 0x1c) };
  }

  const readAll = (bytes: Buffer) => manifestOfDriver(openExt(memorySource(bytes)));

  it("on another device is refused by name", () => {
    const { bytes } = crashedImage();
    bytes.writeUInt32LE(0, 1024 + 0xe0);
    expect(() => readAll(bytes)).toThrow(unsupported("external journal"));
    // Unmounted, it does not matter where the journal is.
    bytes.writeUInt32LE(bytes.readUInt32LE(INCOMPAT) & ~NEEDS_RECOVERY, INCOMPAT);
    expect(readAll(bytes)).toBeDefined();
  });

  it("with a feature that nobody knows is refused by its number", () => {
    const { bytes, journal } = crashedImage();
    bytes.writeUInt32BE(0x1000, journal + 0x28);
    expect(() => readAll(bytes)).toThrow(unsupported("0x1000"));
  });

  it.each([
    ["whose superblock is none", 0x0, 0],
    ["whose superblock is a descriptor", 0x4, 1],
    ["with blocks of another size", 0xc, 4096],
    ["longer than its file", 0x10, 0xffffffff],
    ["of no length", 0x10, 0],
    ["that begins before its ring", 0x14, 0],
    ["that begins behind its end", 0x1c, 0xfffffff0],
    ["with checksums of two kinds", 0x28, 0x18],
    ["with a checksum that it does not have", 0x28, 0x10],
  ])("(%s) is damage", (_what, offset, value) => {
    const { bytes, journal } = crashedImage();
    bytes.writeUInt32BE(value, journal + offset);
    expect(() => readAll(bytes)).toThrow(damaged);
  });

  it.each([0, 2, 5, 11, 0xffffffff])("that is said to be inode %i is an error of ours", (inode) => {
    const { bytes } = crashedImage();
    bytes.writeUInt32LE(inode, 1024 + 0xe0);
    expect(() => readAll(bytes)).toThrow(expect.objectContaining({ name: "GuestbootError" }));
  });

  it("that writes a block past the filesystem's end is damage", () => {
    const { bytes, journal, start } = crashedImage();
    bytes.writeUInt32BE(0x7fffffff, journal + start * BLOCK + 12);
    expect(() => readAll(bytes)).toThrow(damaged);
  });

  it("of nothing but descriptors, or of revoke blocks without end, ends", () => {
    const { bytes, journal } = crashedImage();
    // As many blocks as lie in one piece.
    const length = 12;
    bytes.writeUInt32BE(length, journal + 0x10);
    const sequence = bytes.readUInt32BE(journal + 0x18);
    for (const type of [1, 5]) {
      for (let block = 1; block < length; block++) {
        const at = journal + block * BLOCK;
        bytes.fill(0xff, at, at + BLOCK);
        bytes.writeUInt32BE(0xc03b3998, at);
        bytes.writeUInt32BE(type, at + 4);
        bytes.writeUInt32BE(sequence, at + 8);
        if (type === 5) bytes.writeUInt32BE(BLOCK, at + 12);
      }
      expect(openExt(memorySource(bytes)).notes).toEqual([]);
    }
  });

  it("whose revoke block says that it is longer than a block is damage", () => {
    const { bytes, journal, start } = crashedImage();
    bytes.writeUInt32BE(5, journal + start * BLOCK + 4);
    bytes.writeUInt32BE(0xffffffff, journal + start * BLOCK + 12);
    expect(() => readAll(bytes)).toThrow(damaged);
  });

  it("with a wrong checksum of a block is damage to whoever reads that block, and no one else", () => {
    makeFilesystemImage({ path: image, type: "ext4", sizeMiB: 16, options: ["-b", String(BLOCK)] });
    withMounted(image, "rw,data=journal", () => {
      fs.writeFileSync(path.join(mounted, "other"), "other");
      fs.writeFileSync(path.join(mounted, "file"), Buffer.alloc(5000, "needle"));
      call("sync", [path.join(mounted, "file"), path.join(mounted, "other")], "coreutils");
      fs.copyFileSync(image, crashed);
    });
    const bytes = fs.readFileSync(crashed);
    const journal = Number(call("debugfs", ["-R", "bmap <8> 0", crashed], "e2fsprogs").trim()) * BLOCK;
    const at = bytes.indexOf("needleneedle", journal);
    expect(at).toBeGreaterThan(journal);
    bytes.writeUInt8(0, at);
    const driver = openExt(memorySource(bytes));
    const content = (name: string) => {
      const node = driver.lookup(driver.root, name);
      if (node === null) throw new Error(`${name} is not there`);
      return driver.content(node).read(0, node.size);
    };
    expect(Buffer.from(content("other")).toString()).toBe("other");
    expect(() => content("file")).toThrow(damaged);
  });

  it("that was damaged in any way gives results or our own errors", () => {
    const { bytes, journal, start } = crashedImage();
    const pristine = Buffer.from(bytes);
    const random = seeded(7);
    const outcomes = new Set<string>();
    for (let round = 0; round < 400; round++) {
      const at =
        round % 2 === 0 ? journal + (random() % 0x60) : journal + (start + (random() % 3)) * BLOCK + (random() % 64);
      bytes[at] = random();
      outcomes.add(Object.keys(explore(memorySource(bytes)).errors).join());
      pristine.copy(bytes, at, at, at + 1);
    }
    expect([...outcomes]).toContain("FILESYSTEM_DAMAGED");
  });
});
