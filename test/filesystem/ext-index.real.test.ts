import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { makeFilesystemImage } from "../../fixtures/disk-images.ts";
import { memorySource, type ByteSource } from "../../src/base/byte-source.ts";
import { GuestbootError } from "../../src/base/errors.ts";
import { encodeText } from "../../src/base/text.ts";
import { openDisk } from "../../src/disk/open-disk.ts";
import { openFilesystem } from "../../src/filesystem/detect.ts";
import { nameHash } from "../../src/filesystem/ext/name-hash.ts";
import { call } from "./call.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-ext-index-"));
const image = path.join(folder, "disk.img");
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const NAMES = [
  "a",
  "vmlinuz",
  "initrd.img-6.1.0-18-amd64",
  "x".repeat(32),
  "x".repeat(33),
  "y".repeat(64),
  "Grüße, 漢字",
  "z".repeat(255),
];
const KINDS = ["legacy", "half_md4", "tea"];

describe("the hash of a name", () => {
  it.each(KINDS.map((kind, version) => [kind, version] as const))(
    "(%s) is the one that debugfs says",
    (kind, version) => {
      for (const uuid of [null, "01234567-89ab-cdef-fedc-ba9876543210"]) {
        const seed = uuid === null ? [] : ["-s", uuid];
        for (const name of NAMES) {
          const said = call("debugfs", ["-R", `dx_hash -h ${kind} ${seed.join(" ")} "${name}"`], "e2fsprogs");
          const words = uuid === null ? null : wordsOf(uuid);
          const ours = nameHash({ version, isSigned: true, seed: words }, encodeText(name));
          expect(`${name}: 0x${ours?.toString(16)}`).toBe(`${name}: ${/is (0x[0-9a-f]+)/.exec(said)?.[1]}`);
        }
      }
    },
  );
});

function wordsOf(uuid: string): [number, number, number, number] {
  const bytes = Buffer.from(uuid.replaceAll("-", ""), "hex");
  return [bytes.readUInt32LE(0), bytes.readUInt32LE(4), bytes.readUInt32LE(8), bytes.readUInt32LE(12)];
}

/** 100,000 names, some with bytes above 127, and a few that must not be found. */
const nameOf = (index: number) => `entry-${index}-${index % 7 === 0 ? "ü" : "u"}${"p".repeat(index % 40)}`;
const COUNT = 100_000;

describe.each([
  ["half_md4", 4096, "", "signed"],
  ["tea", 4096, "", "unsigned"],
  ["legacy", 4096, "", "signed"],
  ["half_md4", 1024, "", "unsigned"],
  ["tea", 1024, ",large_dir", "signed"],
])(
  "a folder of 100,000 names, its index of kind %s, blocks of %i bytes (%s, %s)",
  (kind, blockSize, features, sign) => {
    it("is looked into by reading less than 1 MB, and listed whole", () => {
      const options = ["-b", String(blockSize), "-N", String(COUNT + 1000), "-O", `^has_journal${features}`];
      makeFilesystemImage({ path: image, type: "ext4", sizeMiB: 64, options });
      call("tune2fs", ["-E", `hash_alg=${kind}`, image], "e2fsprogs");
      call("debugfs", ["-w", "-R", `ssv flags ${sign === "signed" ? 1 : 2}`, image], "e2fsprogs");
      fillFolder();
      let bytes = 0;
      using disk = openDisk(image);
      const counted: ByteSource = {
        size: disk.source.size,
        read: (offset, length, into) => {
          bytes += length;
          return disk.source.read(offset, length, into);
        },
      };
      for (const index of [0, 1, 7, 49_999, 99_998, 99_999]) {
        bytes = 0;
        expect(openFilesystem(counted).find(`/many/${nameOf(index)}`)?.kind).toBe("file");
        expect(bytes).toBeLessThan(1_000_000);
        bytes = 0;
        expect(openFilesystem(counted).find(`/many/${nameOf(index)}-not`)).toBeNull();
        expect(bytes).toBeLessThan(1_000_000);
      }
      const filesystem = openFilesystem(disk.source);
      for (let index = 0; index < COUNT; index += 97) {
        expect(filesystem.find(`/many/${nameOf(index)}`)).not.toBeNull();
      }
      const names = new Set(filesystem.list("/many").map(({ name }) => name));
      expect(names.size).toBe(COUNT);
      for (let index = 0; index < COUNT; index++) if (!names.has(nameOf(index))) expect.fail(nameOf(index));
    });
  },
);

function fillFolder(): void {
  const mounted = path.join(folder, "mounted");
  fs.mkdirSync(mounted, { recursive: true });
  call("mount", ["-t", "ext4", "-o", "loop", image, mounted], "mount");
  try {
    fs.mkdirSync(path.join(mounted, "many"));
    // Links to one file: quicker to make than as many files.
    const first = path.join(mounted, "many", nameOf(0));
    fs.writeFileSync(first, "");
    for (let index = 1; index < COUNT; index++) {
      const target = index % 60_000 === 0 ? "" : path.join(mounted, "many", nameOf(index - (index % 60_000)));
      const name = path.join(mounted, "many", nameOf(index));
      if (target === "") fs.writeFileSync(name, "");
      else fs.linkSync(target, name);
    }
  } finally {
    call("umount", [mounted], "mount");
  }
}

it("names that differ in case only are told apart, but in a folder that folds them", () => {
  const content = path.join(folder, "content");
  fs.mkdirSync(path.join(content, "folded"), { recursive: true });
  fs.writeFileSync(path.join(content, "folded/Vmlinuz-Grüße"), "");
  fs.writeFileSync(path.join(content, "Plain"), "");
  const options = ["-O", "casefold", "-E", "encoding=utf8"];
  makeFilesystemImage({ path: image, type: "ext4", sizeMiB: 16, folder: content, options });
  call("debugfs", ["-w", "-R", "set_inode_field /folded flags 0x40080000", image], "e2fsprogs");
  using disk = openDisk(image);
  const filesystem = openFilesystem(disk.source);
  expect(filesystem.find("/folded/Vmlinuz-Grüße")).not.toBeNull();
  expect(filesystem.find("/folded/vmlinuz-GRÜSSE")).not.toBeNull();
  expect(filesystem.find("/folded/VMLINUZ-gru\u0308sse")).not.toBeNull();
  expect(filesystem.find("/folded/vmlinuz-grusse")).toBeNull();
  expect(filesystem.find("/plain")).toBeNull();
});

describe("an index that was made to hurt", () => {
  /** A folder that e2fsck has indexed, in an image's bytes, and where its index begins. */
  function indexed(): { readonly bytes: Buffer; readonly root: number } {
    const content = path.join(folder, "to-be-indexed");
    fs.mkdirSync(path.join(content, "many"), { recursive: true });
    for (let index = 0; index < 300; index++)
      fs.writeFileSync(path.join(content, "many", `a-longer-name-${index}`), "");
    makeFilesystemImage({
      path: image,
      type: "ext4",
      sizeMiB: 8,
      folder: content,
      options: ["-b", "1024", "-O", "^metadata_csum"],
    });
    call("sh", ["-c", `e2fsck -fyD ${image}; test $? -le 1`], "e2fsprogs");
    expect(call("debugfs", ["-R", "htree /many", image], "e2fsprogs")).toContain("Number of entries");
    const block = Number(call("debugfs", ["-R", "bmap /many 0", image], "e2fsprogs").trim());
    return { bytes: fs.readFileSync(image), root: block * 1024 };
  }
  const find = (bytes: Buffer) => openFilesystem(memorySource(bytes)).find("/many/a-longer-name-123");
  const ours: unknown = expect.objectContaining({ name: "GuestbootError" });

  it("is not followed out of the folder, nor past its own end", () => {
    const { bytes, root } = indexed();
    expect(find(bytes)?.kind).toBe("file");
    const forged = (change: (copy: Buffer) => void) => {
      const copy = Buffer.from(bytes);
      change(copy);
      return () => find(copy);
    };
    const everyChild = (value: number) => (copy: Buffer) => {
      const count = copy.readUInt16LE(root + 0x22);
      for (let index = 0; index < count; index++) copy.writeUInt32LE(value, root + 0x24 + index * 8);
    };
    expect(forged(everyChild(0))).toThrow(ours);
    expect(forged(everyChild(0xffffffff))).toThrow(ours);
    expect(forged((copy) => copy.writeUInt16LE(0xffff, root + 0x22))).toThrow(ours);
    // Levels below it that are none: each child is read as an index again.
    expect(() => {
      try {
        forged((copy) => copy.writeUInt8(3, root + 0x1e))();
      } catch (error) {
        if (!(error instanceof GuestbootError)) throw error;
      }
    }).not.toThrow();
  });

  it("of a kind that nobody knows is not used: the folder is looked through", () => {
    const { bytes, root } = indexed();
    for (const [offset, value] of [
      [0x1c, 9],
      [0x1d, 7],
      [0x1e, 200],
      [0x18, 1],
    ] as const) {
      const copy = Buffer.from(bytes);
      copy.writeUInt8(value, root + offset);
      expect(find(copy)?.kind).toBe("file");
    }
  });
});
