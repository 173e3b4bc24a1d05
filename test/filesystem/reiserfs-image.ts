/**
 * ReiserFS images that Linux's own driver has filled and listed (`fixtures/reiserfs-sample.sh`), and what stands where in
 * them, from the format's description: for tests that forge them.
 */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import * as zlib from "node:zlib";
import { memorySource } from "../../src/base/byte-source.ts";
import { openFilesystem } from "../../src/filesystem/detect.ts";
import type { GuestFilesystem } from "../../src/filesystem/filesystem.ts";
import { call } from "./call.ts";
import type { Manifest } from "./manifest.ts";

/** `r5`: blocks of 4 KiB. `rupasov`: blocks of 1 KiB. `tea`: 2 KiB. `crashed`: never unmounted. `small`: that too, with a few files and blocks of 1 KiB. */
export type Sample = "r5" | "rupasov" | "tea" | "crashed" | "small";

const FIXTURES = path.join(import.meta.dirname, "../../fixtures");
const unpacked = (name: string) =>
  zlib.zstdDecompressSync(fs.readFileSync(path.join(FIXTURES, `reiserfs-${name}.zst`)));

/** The image's bytes, of the caller's own. */
export function sampleImage(sample: Sample): Buffer {
  return unpacked(`${sample}.img`);
}

/** What Linux says that is in it; in a crashed one, after it has replayed the journal. */
export function sampleManifest(sample: Sample): Manifest {
  const lines = unpacked(`${sample}.manifest`).toString("latin1").split("\n");
  const found: Record<string, string> = {};
  const sizes = new Map<string, string>();
  for (const line of lines) {
    const [, kind, rest] = /^([a-z]) (.*)$/.exec(line) ?? [];
    if (kind === undefined || rest === undefined || rest === ".") continue;
    const pathOf = (text: string) => text.slice(1);
    const [first = "", second = ""] = kind === "l" ? rest.split("\t") : splitOnce(rest);
    if (kind === "d") found[pathOf(rest)] = "directory";
    else if (kind === "o") found[pathOf(rest)] = "other";
    else if (kind === "l") found[pathOf(first)] = `symlink ${second}`;
    else if (kind === "e") continue;
    else if (kind === "s") sizes.set(pathOf(second), first);
    // sha1sum puts two spaces between, and a backslash in front where it has escaped the name.
    else if (first.startsWith("\\")) addFile(pathOf(second.slice(1).replaceAll("\\\\", "\\")), first.slice(1));
    else addFile(pathOf(second.slice(1)), first);
  }
  return found;

  function addFile(name: string, sha1: string): void {
    found[name] = `file ${sizes.get(name) ?? "?"} ${sha1}`;
  }
}

/** SHA-1 of the last three blocks of the file of 4.5 GiB, as Linux reads them. */
export function sampleEnd(sample: Sample): string {
  const [, digest] = /^e ([0-9a-f]{40})/m.exec(unpacked(`${sample}.manifest`).toString("latin1")) ?? [];
  if (digest === undefined) throw new Error(`the manifest of ${sample} tells no end`);
  return digest;
}

function splitOnce(text: string): readonly [string, string] {
  const at = text.indexOf(" ");
  return [text.slice(0, at), text.slice(at + 1)];
}

export const SUPERBLOCK = 0x10000;

/** A node's place in the image, in bytes. */
export interface ForgedItem {
  /** Of its header: key (16 bytes), count, length, location, version. */
  readonly header: number;
  readonly body: number;
  readonly length: number;
}

export interface Forged {
  readonly bytes: Buffer;
  readonly blockSize: number;
  /** In bytes. */
  readonly root: number;
  readonly open: () => GuestFilesystem;
  /** The header of every item of all leaves whose key has that type. */
  readonly itemsOf: (type: number) => readonly ForgedItem[];
}

/** The image, to be changed. */
export function forge(sample: Sample, pristine: Buffer = sampleImage(sample)): Forged {
  const bytes = Buffer.from(pristine);
  const blockSize = bytes.readUInt16LE(SUPERBLOCK + 44);
  const rootBlock = bytes.readUInt32LE(SUPERBLOCK + 8);
  const leaves: number[] = [];
  const visit = (block: number): void => {
    const at = block * blockSize;
    if (bytes.readUInt16LE(at) === 1) {
      leaves.push(at);
      return;
    }
    const count = bytes.readUInt16LE(at + 2);
    for (let index = 0; index <= count; index++) visit(bytes.readUInt32LE(at + 24 + count * 16 + index * 8));
  };
  visit(rootBlock);
  return {
    bytes,
    blockSize,
    root: rootBlock * blockSize,
    open: () => openFilesystem(memorySource(bytes)),
    itemsOf: (type) =>
      leaves.flatMap((leaf) =>
        Array.from({ length: bytes.readUInt16LE(leaf + 2) }, (_, index): ForgedItem => {
          const header = leaf + 24 + index * 24;
          return { header, body: leaf + bytes.readUInt16LE(header + 20), length: bytes.readUInt16LE(header + 18) };
        }).filter(({ header }) => typeAt(bytes, header) === type),
      ),
  };
}

/** Folders have the older form of keys in both formats. */
function typeAt(bytes: Buffer, header: number): number {
  const word = bytes.readUInt32LE(header + 12);
  if (word === 500) return 3;
  if (word === 0xfffffffe) return 1;
  return word === 0xffffffff ? 2 : word >>> 28;
}

/** A file of the older format: a block and a tail. */
export interface OldFile {
  readonly name: string;
  /** The hash of the name, by hand. */
  readonly hash: number;
  readonly mode: number;
  readonly content: Uint8Array;
}

/**
 * A filesystem of format 3.5 with files in its root. By hand, because no kernel of today fills one: Linux 6.1 takes the
 * folders of that format for damage. All keys and stat data in the older form; names without padding.
 *
 * @param files in the order of their hashes
 */
export function oldFormatImage(files: readonly OldFile[]): Buffer {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-reiserfs-old-"));
  const image = path.join(folder, "disk.img");
  try {
    fs.writeFileSync(image, "");
    fs.truncateSync(image, 8 * 1024 * 1024);
    call("mkreiserfs", ["-q", "-ff", "--format", "3.5", "-b", "4096", "-s", "513", image], "reiserfsprogs");
    const bytes = fs.readFileSync(image);
    fillOldFormat(bytes, files);
    return bytes;
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

function fillOldFormat(bytes: Buffer, files: readonly OldFile[]): void {
  const blockSize = bytes.readUInt16LE(SUPERBLOCK + 44);
  const leaf = bytes.subarray(bytes.readUInt32LE(SUPERBLOCK + 8) * blockSize).subarray(0, blockSize);
  const root = Buffer.from(leaf.subarray(leaf.readUInt16LE(24 + 20)).subarray(0, 32));
  const items: { readonly key: readonly number[]; readonly count: number; readonly body: Uint8Array }[] = [];
  const entries = [
    { name: ".", hash: 1, object: [1, 2] },
    { name: "..", hash: 2, object: [0, 1] },
    ...files.map(({ name, hash }, index) => ({ name, hash, object: [2, 3 + index] })),
  ];
  const namesSize = entries.reduce((sum, { name }) => sum + name.length, 0);
  const folder = Buffer.alloc(entries.length * 16 + namesSize);
  let end = folder.length;
  entries.forEach(({ name, hash, object }, index) => {
    end -= name.length;
    folder.write(name, end, "latin1");
    [hash, ...object].forEach((word, place) => folder.writeUInt32LE(word, index * 16 + place * 4));
    folder.writeUInt16LE(end, index * 16 + 12);
    folder.writeUInt16LE(4, index * 16 + 14);
  });
  root.writeUInt32LE(folder.length, 8);
  items.push({ key: [1, 2, 0, 0], count: 0xffff, body: root });
  items.push({ key: [1, 2, 1, 500], count: entries.length, body: folder });
  files.forEach(({ mode, content }, index) => {
    const stat = Buffer.from(root);
    stat.writeUInt16LE(mode, 0);
    stat.writeUInt16LE(1, 2);
    stat.writeUInt32LE(content.length, 8);
    items.push({ key: [2, 3 + index, 0, 0], count: 0xffff, body: stat });
    const tail = content.length % blockSize;
    if (content.length > tail) {
      const block = bytes.readUInt32LE(SUPERBLOCK) - 1 - index;
      bytes.set(content.subarray(0, blockSize), block * blockSize);
      const pointer = Buffer.alloc(4);
      pointer.writeUInt32LE(block);
      items.push({ key: [2, 3 + index, 1, 0xfffffffe], count: 0, body: pointer });
    }
    const start = content.length - tail;
    items.push({ key: [2, 3 + index, start + 1, 0xffffffff], count: 0xffff, body: content.subarray(start) });
  });
  let at = blockSize;
  items.forEach(({ key, count, body }, index) => {
    const header = 24 + index * 24;
    at -= body.length;
    leaf.set(body, at);
    key.forEach((word, place) => leaf.writeUInt32LE(word, header + place * 4));
    [count, body.length, at, 0].forEach((word, place) => leaf.writeUInt16LE(word, header + 16 + place * 2));
  });
  leaf.writeUInt16LE(items.length, 2);
  leaf.writeUInt16LE(at - 24 - items.length * 24, 4);
}
