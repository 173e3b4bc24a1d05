/** What a crash leaves in an ext4 filesystem with fast commits, beside what the kernel makes of it when it recovers. */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { makeFilesystemImage } from "../../fixtures/disk-images.ts";
import { memorySource } from "../../src/base/byte-source.ts";
import { openDisk } from "../../src/disk/open-disk.ts";
import { openExt } from "../../src/filesystem/ext/ext-driver.ts";
import { guestFilesystem } from "../../src/filesystem/guest-filesystem.ts";
import { updateCrc32c } from "../../src/filesystem/crc32c.ts";
import { noise, seeded } from "../base/seeded.ts";
import { call } from "./call.ts";
import { explore } from "./explore.ts";
import { differences, manifestOfDriver, manifestOfFolder, type Manifest } from "./manifest.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-ext-fast-"));
const image = path.join(folder, "disk.img");
const crashed = path.join(folder, "crashed.img");
const mounted = path.join(folder, "mounted");
fs.mkdirSync(mounted);
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const at = (name: string) => path.join(mounted, name);
/** One file, not the whole filesystem: that is what ends in a fast commit. */
const sync = (name: string) => call("sync", [at(name)], "coreutils");

function withMounted<T>(file: string, work: () => T): T {
  call("mount", ["-t", "ext4", "-o", "loop", file, mounted], "mount");
  try {
    return work();
  } finally {
    call("umount", [mounted], "mount");
  }
}

/** Leaves `crashed` as a host that lost its power leaves it; answers what the kernel makes of that. */
function crash(options: readonly string[], before: () => void, after: () => void): Manifest {
  makeFilesystemImage({ path: image, type: "ext4", sizeMiB: 64, options: ["-O", "fast_commit", ...options] });
  withMounted(image, () => {
    before();
    call("sync", ["-f", mounted], "coreutils");
    after();
    fs.copyFileSync(image, crashed);
  });
  const judged = path.join(folder, "judged.img");
  fs.copyFileSync(crashed, judged);
  return withMounted(judged, () => manifestOfFolder(mounted));
}

function prepare(): void {
  for (const name of ["overwritten", "appended", "punched", "shortened", "removed", "replaced", "vmlinuz"]) {
    fs.writeFileSync(at(name), noise(100_000, name.length));
  }
  fs.mkdirSync(at("boot"));
  fs.mkdirSync(at("many"));
  for (let index = 0; index < 400; index++) fs.writeFileSync(at(`many/a-name-that-takes-its-room-${index}`), "");
}

function writeAt(name: string, bytes: Uint8Array, offset: number): void {
  const fd = fs.openSync(at(name), "r+");
  fs.writeSync(fd, bytes, 0, bytes.length, offset);
  fs.closeSync(fd);
  sync(name);
}

/** Each step is a commit of its own. */
function change(): void {
  fs.writeFileSync(at("boot/vmlinuz-new"), noise(300_000, 1));
  sync("boot/vmlinuz-new");
  fs.linkSync(at("boot/vmlinuz-new"), at("boot/vmlinuz-linked"));
  fs.renameSync(at("boot/vmlinuz-new"), at("vmlinuz"));
  sync("vmlinuz");
  writeAt("overwritten", noise(30_000, 2), 20_000);
  writeAt("appended", noise(70_000, 3), 100_000);
  writeAt("appended", noise(9_000, 4), 400_000);
  call("fallocate", ["-p", "-o", "30000", "-l", "40000", at("punched")], "util-linux");
  sync("punched");
  call("fallocate", ["-l", "200000", at("replaced")], "util-linux");
  writeAt("replaced", noise(10_000, 5), 150_000);
  fs.truncateSync(at("shortened"), 33_333);
  sync("shortened");
  fs.rmSync(at("removed"));
  fs.rmSync(at("many/a-name-that-takes-its-room-300"));
  fs.writeFileSync(at("many/new"), "new");
  sync("many/new");
  fs.mkdirSync(at("folder"));
  fs.writeFileSync(at("folder/inside"), noise(50, 6));
  sync("folder/inside");
  fs.writeFileSync(at("removed"), "there again");
  sync("removed");
}

/** The kinds of changes that the lists held. */
const held = new Set<string>();

const KINDS: readonly (readonly string[])[] = [
  ["-b", "4096", "-I", "128"],
  ["-b", "1024", "-J", "size=1"],
  ["-b", "4096", "-O", "fast_commit,^metadata_csum,^64bit"],
  ["-b", "4096", "-O", "fast_commit,bigalloc", "-C", "16384"],
];

describe.each(KINDS.map((options) => [options.join(" "), options] as const))("mkfs.ext4 %s", (_what, options) => {
  it("is read after a crash as the kernel reads it when it has replayed the fast commits", () => {
    const kernel = crash(options, prepare, change);
    const before = fs.readFileSync(crashed);
    using disk = openDisk(crashed);
    const driver = openExt(disk.source);
    expect(differences(kernel, manifestOfDriver(driver))).toEqual([]);
    expect(driver.notes).toContainEqual(expect.stringContaining("from its journal's fast commits"));
    const filesystem = guestFilesystem(driver);
    const names = ["/vmlinuz", "/boot/vmlinuz-linked", "/boot/vmlinuz-new", "/removed", "/many/new", "/folder/inside"];
    for (const name of [...names, "/many/a-name-that-takes-its-room-300", "/many/a-name-that-takes-its-room-301"]) {
      expect(`${name} ${filesystem.find(name) !== null}`).toBe(`${name} ${name in kernel}`);
    }
    expect(fs.readFileSync(crashed).equals(before)).toBe(true);
    const log = call("debugfs", ["-R", "logdump -a", crashed], "e2fsprogs");
    for (const [, tag = ""] of log.matchAll(/tag ([A-Z_]+)/g)) held.add(tag);
  });
});

it("all together held every kind of change", () => {
  const tags = ["ADD_ENTRY", "ADD_RANGE", "CREAT_DENTRY", "DEL_ENTRY", "DEL_RANGE", "HEAD", "INODE", "TAIL"];
  expect([...held].sort()).toEqual(expect.arrayContaining(tags));
});

describe("a list of fast commits that was made to hurt", () => {
  const HEAD = 9;
  const TAIL = 8;
  const BLOCK = 1024;

  /** A crashed image, and where its fast commits lie in it: blocks in one piece. */
  function forgeable(): { readonly bytes: Buffer; readonly start: number; readonly end: number } {
    crash(["-b", String(BLOCK)], prepare, change);
    const bytes = fs.readFileSync(crashed);
    const journal = Number(call("debugfs", ["-R", "bmap <8> 0", crashed], "e2fsprogs").trim()) * BLOCK;
    const length = bytes.readUInt32BE(journal + 0x10);
    const start = journal + (length - (bytes.readUInt32BE(journal + 0x54) || 256) + 1) * BLOCK;
    expect(bytes.readUInt16LE(start)).toBe(HEAD);
    return { bytes, start, end: journal + length * BLOCK };
  }

  /** Of all tags: where, which, how long. Tails get the checksums that their commits have now. */
  function sealed(bytes: Buffer, start: number, end: number): (readonly [at: number, tag: number, length: number])[] {
    const tags: (readonly [number, number, number])[] = [];
    let checksum = 0;
    for (let block = start; block < end; block += BLOCK) {
      for (let at = block; at + 4 < block + BLOCK;) {
        const [tag, length] = [bytes.readUInt16LE(at), bytes.readUInt16LE(at + 2)];
        if (tag === 0 || tag > HEAD || at + 4 + length > block + BLOCK) return tags;
        tags.push([at, tag, length]);
        if (tag === TAIL) {
          bytes.writeUInt32LE(updateCrc32c(checksum, bytes, at, at + 8), at + 8);
          checksum = 0;
        } else checksum = updateCrc32c(checksum, bytes, at, at + 4 + length);
        at += 4 + length;
      }
    }
    return tags;
  }

  it("ends where a commit has a wrong checksum, is of another transaction or cut off", () => {
    const { bytes, start, end } = forgeable();
    const tails = sealed(bytes, start, end).filter(([, tag]) => tag === TAIL);
    expect(tails.length).toBeGreaterThan(3);
    const changes = () => Number(/(\d+) changes/.exec(openExt(memorySource(bytes)).notes.join())?.[1] ?? 0);
    const all = changes();
    const [[first] = [0], [second] = [0]] = tails;
    for (const [at, most] of [
      [second + 8, all - 1],
      [second + 4, all - 1],
      [first + 8, 0],
      [first + 4, 0],
    ] as const) {
      const before = bytes.readUInt32LE(at);
      bytes.writeUInt32LE(before + 1, at);
      expect(changes()).toBeLessThanOrEqual(most);
      bytes.writeUInt32LE(before, at);
    }
    expect(changes()).toBe(all);
    bytes.writeUInt32LE(4, start + 4);
    sealed(bytes, start, end);
    expect(() => openExt(memorySource(bytes))).toThrow(
      expect.objectContaining({ code: "FEATURE_UNSUPPORTED", message: expect.stringContaining("0x4") as unknown }),
    );
  });

  it("gives results or our own errors, whatever its changes say", () => {
    const { bytes, start, end } = forgeable();
    const tags = sealed(bytes, start, end).filter(([, tag]) => tag !== TAIL && tag !== HEAD);
    const random = seeded(3);
    const original = Buffer.from(bytes.subarray(start, end));
    for (let round = 0; round < 60; round++) {
      for (let change = 0; change <= random() % 4; change++) {
        const [at, , length] = tags[random() % tags.length] ?? [start, 0, 0];
        const value = [0, 1, 2, 8, 0xff, 0xffff, 0x7fffffff, 0xffffffff][random() % 8] ?? 0;
        if (length >= 8) bytes.writeUInt32LE(value, at + 4 + (random() % (length - 4)));
      }
      sealed(bytes, start, end);
      expect(explore(memorySource(bytes)).milliseconds).toBeLessThan(10_000);
      original.copy(bytes, start);
    }
  });
});
