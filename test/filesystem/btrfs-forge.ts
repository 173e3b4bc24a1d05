/**
 * A small btrfs image whose bytes are then forged, with the checksums that make the forgery believable.
 * Fields: https://btrfs.readthedocs.io/en/latest/dev/On-disk-format.html
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { memorySource } from "../../src/base/byte-source.ts";
import { updateCrc32c } from "../../src/filesystem/crc32c.ts";
import { openFilesystem } from "../../src/filesystem/detect.ts";
import type { GuestFilesystem } from "../../src/filesystem/filesystem.ts";
import { noise } from "../base/seeded.ts";
import { btrfs, COMPRESSIONS, compressible, makeBtrfsImage, withBtrfs } from "./btrfs-image.ts";
import { call } from "./call.ts";

export const SUPERBLOCK = 64 * 1024;
export const NODE_SIZE = 4096;
const SUPERBLOCK_SIZE = 4096;
const CHECKSUM_SIZE = 32;
const HEADER_SIZE = 101;
const ITEM_SIZE = 25;

export const TYPE = { inode: 1, dirItem: 84, dirIndex: 96, extent: 108, root: 132, rootRef: 156, chunk: 228 };
/** Numbers of trees. */
export const TREE = { root: 1, chunk: 3, files: 5 };

interface ChunkPlace {
  readonly logical: number;
  readonly length: number;
  readonly physical: number;
}

/** An item of a leaf: bytes of the image that can be changed. */
export interface ItemPlace {
  readonly leaf: number;
  /** Where its key, offset and size are, in bytes of the image. */
  readonly entry: number;
  readonly data: Buffer;
}

export class Forged {
  readonly bytes: Buffer;
  /** Where tree blocks lie, in bytes of the image, by the number of their tree. */
  readonly blocks: ReadonlyMap<number, readonly number[]>;
  readonly #pristine: Buffer;
  readonly #chunks: readonly ChunkPlace[];

  constructor(image: string) {
    this.bytes = fs.readFileSync(image);
    this.#pristine = Buffer.from(this.bytes);
    const chunks = btrfs("inspect-internal", "dump-tree", "-t", "chunk", image);
    const found = chunks.matchAll(
      /FIRST_CHUNK_TREE CHUNK_ITEM (\d+)\)[\s\S]*?length (\d+) [\s\S]*?stripe 0 devid 1 offset (\d+)/g,
    );
    this.#chunks = [...found].map(([, logical, length, physical]) => ({
      logical: Number(logical),
      length: Number(length),
      physical: Number(physical),
    }));
    this.blocks = new Map(
      Object.values(TREE).map((tree) => {
        const dump = btrfs("inspect-internal", "dump-tree", "-t", String(tree), image);
        return [tree, [...dump.matchAll(/^(?:leaf|node) (\d+) /gm)].map((match) => this.physical(Number(match[1])))];
      }),
    );
  }

  open(): GuestFilesystem {
    return openFilesystem(memorySource(this.bytes));
  }

  physical(logical: number): number {
    const chunk = this.#chunks.find((one) => logical >= one.logical && logical < one.logical + one.length);
    if (chunk === undefined) throw new Error(`${logical} is in no chunk`);
    return chunk.physical + (logical - chunk.logical);
  }

  /** The items of a tree with keys that fit. */
  items(tree: number, type: number, objectid?: number): ItemPlace[] {
    const leaves = (this.blocks.get(tree) ?? []).filter((at) => this.bytes.readUInt8(at + 100) === 0);
    return leaves.flatMap((leaf) =>
      Array.from({ length: this.bytes.readUInt32LE(leaf + 96) }, (_, index) => leaf + HEADER_SIZE + index * ITEM_SIZE)
        .filter((entry) => this.bytes.readUInt8(entry + 8) === type)
        .filter((entry) => objectid === undefined || Number(this.bytes.readBigUInt64LE(entry)) === objectid)
        .map((entry) => {
          const at = leaf + HEADER_SIZE + this.bytes.readUInt32LE(entry + 17);
          return { leaf, entry, data: this.bytes.subarray(at, at + this.bytes.readUInt32LE(entry + 21)) };
        }),
    );
  }

  /** The first item, changed. */
  forgeItem(tree: number, type: number, objectid: number | undefined, change: (item: ItemPlace) => void): void {
    const [item] = this.items(tree, type, objectid);
    if (item === undefined) throw new Error(`no item of type ${type} for ${objectid ?? "any"}`);
    change(item);
    this.seal(item.leaf);
  }

  forgeSuperblock(change: (block: Buffer) => void): void {
    change(this.bytes.subarray(SUPERBLOCK, SUPERBLOCK + SUPERBLOCK_SIZE));
    this.#seal(SUPERBLOCK, SUPERBLOCK_SIZE);
  }

  forgeBlock(at: number, change: (block: Buffer) => void): void {
    change(this.bytes.subarray(at, at + NODE_SIZE));
    this.seal(at);
  }

  /** Makes the checksum of a tree block right again. */
  seal(at: number): void {
    this.#seal(at, NODE_SIZE);
  }

  /** Undoes every forgery. */
  restore(): void {
    this.#pristine.copy(this.bytes);
  }

  #seal(at: number, size: number): void {
    const crc = ~updateCrc32c(0xffffffff, this.bytes, at + CHECKSUM_SIZE, at + size) >>> 0;
    this.bytes.writeUInt32LE(crc, at);
  }
}

/** Of 24 MiB: files plain, in pieces and compressed in each way, folders, links, a subvolume. */
export function makeForgeable(image: string): void {
  makeBtrfsImage(image, 24, ["--mixed", "-n", String(NODE_SIZE), "-m", "single", "-d", "single"]);
  withBtrfs(image, "rw", (mounted) => {
    const put = (name: string, bytes: Uint8Array | string) => fs.writeFileSync(path.join(mounted, name), bytes);
    put("plain", noise(100_000, 1));
    put("inline", "inline");
    put("pieces", noise(200_000, 2));
    call("sync", ["-f", mounted], "coreutils");
    const fd = fs.openSync(path.join(mounted, "pieces"), "r+");
    for (let at = 0; at < 200_000; at += 8192) fs.writeSync(fd, noise(4096, at + 3), 0, 4096, at);
    fs.closeSync(fd);
    for (const compression of COMPRESSIONS) {
      fs.mkdirSync(path.join(mounted, compression));
      btrfs("property", "set", path.join(mounted, compression), "compression", compression);
      put(`${compression}/inline`, compressible(1000, 4));
      put(`${compression}/file`, compressible(200_000, 5));
    }
    fs.mkdirSync(path.join(mounted, "folder"));
    for (let index = 0; index < 300; index++) put(`folder/a-name-of-some-length-${index}`, String(index));
    fs.symlinkSync("folder/a-name-of-some-length-7", path.join(mounted, "link"));
    btrfs("subvolume", "create", path.join(mounted, "subvolume"));
    put("subvolume/file", "in a subvolume");
  });
}
