import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { ByteSource } from "../../src/base/byte-source.ts";
import { openDisk } from "../../src/disk/open-disk.ts";
import { openBtrfs } from "../../src/filesystem/btrfs/btrfs-driver.ts";
import type { FilesystemDriver } from "../../src/filesystem/filesystem.ts";
import { noise } from "../base/seeded.ts";
import { btrfs, compressible, makeBtrfsImage, withBtrfs } from "./btrfs-image.ts";
import { call } from "./call.ts";
import { makeGuestTree } from "./guest-tree.ts";
import { differences, fileOf, manifestOfDriver, manifestOfFolder, type Manifest } from "./manifest.ts";

const MIB = 1024 * 1024;
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-btrfs-devices-"));
const tree = path.join(folder, "tree");
const images = [0, 1, 2, 3].map((index) => path.join(folder, `disk-${index}.img`));
let source: Manifest = {};

beforeAll(() => {
  makeGuestTree(tree, { many: 100, far: false, special: false });
  source = manifestOfFolder(tree);
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const refused = (words: string): unknown =>
  expect.objectContaining({ code: "FEATURE_UNSUPPORTED", message: expect.stringContaining(words) as unknown });

/** A filesystem over loop devices, filled by the kernel. What the kernel reads from it. */
function makeOver(count: number, options: readonly string[]): Manifest {
  const used = images.slice(0, count);
  for (const image of used) {
    fs.rmSync(image, { force: true });
    fs.writeFileSync(image, "");
    fs.truncateSync(image, 300 * MIB);
  }
  const devices = used.map((image) => call("losetup", ["--find", "--show", image], "mount").trim());
  try {
    call("mkfs.btrfs", ["-q", "-f", ...options, ...devices], "btrfs-progs");
    call("btrfs", ["device", "scan", ...devices], "btrfs-progs");
    const mounted = path.join(folder, "mounted");
    fs.mkdirSync(mounted);
    call(
      "mount",
      ["-t", "btrfs", "-o", devices.map((device) => `device=${device}`).join(","), devices[0] ?? "", mounted],
      "mount",
    );
    try {
      call("cp", ["-a", `${tree}/.`, mounted], "coreutils");
      call("sync", ["-f", mounted], "coreutils");
      return manifestOfFolder(mounted);
    } finally {
      call("umount", [mounted], "mount");
      fs.rmdirSync(mounted);
      call("btrfs", ["device", "scan", "--forget", ...devices], "btrfs-progs");
    }
  } finally {
    for (const device of devices) call("losetup", ["--detach", device], "mount");
  }
}

describe.each([
  { what: "RAID 1 of two devices", count: 2, options: ["-m", "raid1", "-d", "raid1"] },
  { what: "RAID 1 with three copies", count: 3, options: ["-m", "raid1c3", "-d", "raid1c3"] },
  { what: "RAID 1 with four copies", count: 4, options: ["-m", "raid1c4", "-d", "raid1c4", "--csum", "xxhash"] },
])("btrfs over several devices: $what", ({ count, options }) => {
  it("is read whole from each of them, with a note", () => {
    const kernel = makeOver(count, options);
    expect(differences(source, kernel)).toEqual([]);
    for (const image of images.slice(0, count)) {
      using disk = openDisk(image);
      const driver = openBtrfs(disk.source);
      expect(driver.notes).toEqual([expect.stringContaining(`has ${count} devices`)]);
      expect(driver.notes[0]).toContain("all of it has a copy here");
      expect(differences(kernel, manifestOfDriver(driver))).toEqual([]);
    }
  });
});

describe("btrfs over several devices", () => {
  it.each([
    ["single", 2, ["-m", "raid1", "-d", "single"]],
    ["RAID 0", 2, ["-m", "raid1", "-d", "raid0"]],
    ["RAID 10", 4, ["-m", "raid1c4", "-d", "raid10"]],
  ] as const)(
    "is read as far as it lies on one of them, and what lies on others is refused: %s",
    (what, count, options) => {
      const kernel = makeOver(count, options);
      const outcomes = images.slice(0, count).map((image) => {
        using disk = openDisk(image);
        try {
          const driver = openBtrfs(disk.source);
          expect(driver.notes[0]).toContain("what lies only on the others cannot be read");
          return readWhatIsThere(driver, kernel);
        } catch (error) {
          expect(error).toEqual(refused(`has ${count} devices`));
          return "missing";
        }
      });
      // Each byte of content lies on one of them: nothing is refused that could be read, and nothing is read wrong.
      expect(outcomes.sort()).toEqual(what === "single" ? ["not at all", "whole"] : outcomes.map(() => "partly"));
    },
  );

  it.each(["raid5", "raid6"])("of %s is refused by name", (profile) => {
    makeOver(3, ["-m", "raid1c3", "-d", profile]);
    using disk = openDisk(images[0] ?? "");
    const driver = openBtrfs(disk.source);
    const file = driver.lookup(driver.root, "five-megabytes") ?? driver.root;
    expect(() => driver.content(file).read(0, 1)).toThrow(refused(profile === "raid5" ? "RAID 5" : "RAID 6"));
  });
});

/** Compares small files that can be read; the large one is either refused or right. */
function readWhatIsThere(driver: FilesystemDriver, kernel: Manifest): string {
  const sizes = driver.lookup(driver.root, "sizes") ?? driver.root;
  for (const { name, node } of driver.list(sizes)) {
    try {
      expect(fileOf(driver.content(node))).toBe(kernel[`/sizes/${name}`]);
    } catch (error) {
      expect(error).toEqual(refused("devices"));
    }
  }
  const large = driver.lookup(driver.root, "five-megabytes") ?? driver.root;
  const content = driver.content(large);
  const expected = fs.readFileSync(path.join(tree, "five-megabytes"));
  const pieces = { read: 0, refused: 0 };
  for (let at = 0; at < content.size; at += 65_536) {
    const length = Math.min(65_536, content.size - at);
    try {
      const bytes = content.read(at, length);
      expect(Buffer.compare(bytes, expected.subarray(at, at + length))).toBe(0);
      pieces.read += 1;
    } catch (error) {
      expect(error).toEqual(refused("devices"));
      pieces.refused += 1;
    }
  }
  return pieces.read > 0 && pieces.refused > 0 ? "partly" : pieces.read > 0 ? "whole" : "not at all";
}

describe("btrfs on one device of a profile for several", () => {
  it.each(["raid0"])("is read whole: %s", (profile) => {
    const image = images[0] ?? "";
    makeBtrfsImage(image, 300, ["-m", "dup", "-d", "single"]);
    withBtrfs(image, "rw", (mounted) => {
      btrfs("balance", "start", "-f", `-dconvert=${profile}`, `-mconvert=${profile}`, mounted);
      call("cp", ["-a", `${tree}/.`, mounted], "coreutils");
    });
    const kernel = withBtrfs(image, "ro", manifestOfFolder);
    expect(btrfs("inspect-internal", "dump-tree", "-t", "chunk", image).toLowerCase()).toContain(`data|${profile}`);
    using disk = openDisk(image);
    expect(differences(kernel, manifestOfDriver(openBtrfs(disk.source)))).toEqual([]);
  });
});

describe("a btrfs filesystem with damage", () => {
  const image = path.join(folder, "damaged.img");
  /** Where bytes are damaged. */
  let damaged: number[] = [];

  beforeAll(() => {
    makeBtrfsImage(image, 256, ["-m", "dup", "-d", "dup"]);
    withBtrfs(image, "rw", (mounted) => {
      fs.writeFileSync(path.join(mounted, "plain"), noise(300_000, 1));
      fs.mkdirSync(path.join(mounted, "zstd"));
      btrfs("property", "set", path.join(mounted, "zstd"), "compression", "zstd");
      fs.writeFileSync(path.join(mounted, "zstd/file"), compressible(300_000, 2));
    });
  });
  afterEach(() => {
    damaged = [];
  });

  /** Where the copies of a logical address are, as btrfs-map-logical tells it. */
  const copiesOf = (logical: number) => {
    const said = call("btrfs-map-logical", ["-l", String(logical), "-b", "4096", image], "btrfs-progs");
    return [...said.matchAll(/mirror \d+ logical \d+ physical (\d+)/g)].map((match) => Number(match[1]));
  };
  const dump = (inspected: readonly string[]) => btrfs("inspect-internal", ...inspected, image);
  const read = (name: string) => {
    using disk = openDisk(image);
    const driver = openBtrfs(withDamage(disk.source, damaged));
    const node = name
      .split("/")
      .reduce((at: typeof driver.root | null, part) => (at === null ? null : driver.lookup(at, part)), driver.root);
    if (node === null) throw new Error(`no ${name}`);
    return { content: Buffer.from(driver.content(node).read(0, node.size)), notes: driver.notes };
  };
  const filesOf = [
    { name: "plain", bytes: noise(300_000, 1) },
    { name: "zstd/file", bytes: compressible(300_000, 2) },
  ];

  it.each([0, 1])("in copy %i of its tree blocks is read from the other one", (copy) => {
    const blocks = [...dump(["dump-tree"]).matchAll(/^(?:leaf|node) (\d+) /gm)].map((match) => Number(match[1]));
    expect(blocks.length).toBeGreaterThan(5);
    for (const logical of blocks) damaged.push((copiesOf(logical)[copy] ?? 0) + 200);
    for (const file of filesOf) {
      const { content, notes } = read(file.name);
      expect(Buffer.compare(content, file.bytes)).toBe(0);
      expect(notes).toEqual(copy === 0 ? [expect.stringContaining("btrfs scrub")] : []);
    }
  });

  it("in both copies of a tree block is refused", () => {
    const logical = Number(/^fs tree key .* (\d+) level/m.exec(dump(["dump-tree", "-r"]))?.[1] ?? 0);
    const root = /^root\s+(\d+)/m.exec(dump(["dump-super"]))?.[1];
    for (const place of copiesOf(logical === 0 ? Number(root) : logical)) damaged.push(place + 200);
    expect(() => read("plain")).toThrow(expect.objectContaining({ code: "FILESYSTEM_DAMAGED" }));
  });

  it.each([0, 1])("in copy %i of its content is read from the other one, and refused when both are", (copy) => {
    const tree5 = dump(["dump-tree", "-t", "5"]);
    const extents = [...tree5.matchAll(/extent data disk byte (\d+) nr (\d+)/g)].map((match) => Number(match[1]));
    expect(extents.length).toBeGreaterThan(2);
    for (const logical of extents) damaged.push(copiesOf(logical)[copy] ?? 0);
    for (const file of filesOf) {
      const { content, notes } = read(file.name);
      expect(Buffer.compare(content, file.bytes)).toBe(0);
      expect(notes).toEqual(copy === 0 ? [expect.stringContaining("btrfs scrub")] : []);
    }
    for (const logical of extents) {
      damaged.push(...copiesOf(logical));
    }
    for (const file of filesOf) {
      expect(() => read(file.name)).toThrow(expect.objectContaining({ code: "FILESYSTEM_DAMAGED" }));
    }
  });

  it("in its first superblock is read by a mirror of it, with a note; in all of them it is refused", () => {
    const places = [64 * 1024, 64 * MIB];
    damaged.push((places[0] ?? 0) + 3000);
    expect(read("plain").notes).toEqual([expect.stringContaining("a mirror of it is read")]);
    damaged.push((places[1] ?? 0) + 3000);
    expect(() => read("plain")).toThrow(expect.objectContaining({ code: "FILESYSTEM_DAMAGED" }));
  });

  it("in no way is read without a note", () => {
    expect(read("plain").notes).toEqual([]);
  });
});

/** Flips the bits of the byte at each place. */
function withDamage(source: ByteSource, places: readonly number[]): ByteSource {
  return {
    size: source.size,
    read(offset, length, into) {
      const bytes = source.read(offset, length, into);
      for (const place of new Set(places)) {
        if (place >= offset && place < offset + length) bytes[place - offset] = ~(bytes[place - offset] ?? 0);
      }
      return bytes;
    },
  };
}
