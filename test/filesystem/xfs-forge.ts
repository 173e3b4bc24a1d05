/**
 * XFS images whose bytes are then forged, with the checksums that make the forgery believable.
 * Fields: XFS Algorithms & Data Structures.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { memorySource } from "../../src/base/byte-source.ts";
import { openFilesystem } from "../../src/filesystem/detect.ts";
import type { GuestFilesystem } from "../../src/filesystem/filesystem.ts";
import { checksumOf } from "../../src/filesystem/xfs/checksum.ts";
import { noise } from "../base/seeded.ts";
import { call } from "./call.ts";
import { makeXfsImage, makeXfsImageOf, withMounted } from "./xfs-image.ts";

/** Where a structure lies: bytes. */
export interface Place {
  readonly at: number;
  readonly length: number;
}

/** Where the kinds of structures have their checksums. */
export const CRC = { superblock: 224, inode: 100, tree: 64, data: 4, index: 12, link: 12 };

export class Forged {
  readonly bytes: Buffer;
  readonly blockSize: number;
  readonly version: number;
  readonly #image: string;
  readonly #pristine: Buffer;
  #touched: Place[] = [];

  constructor(image: string) {
    this.#image = image;
    this.bytes = fs.readFileSync(image);
    this.#pristine = Buffer.from(this.bytes);
    this.blockSize = this.bytes.readUInt32BE(4);
    this.version = this.bytes.readUInt16BE(100) & 0xf;
  }

  open(): GuestFilesystem {
    return openFilesystem(memorySource(this.bytes));
  }

  get superblock(): Place {
    return { at: 0, length: this.bytes.readUInt16BE(102) };
  }

  /** What xfs_db is at after these requests. */
  place(...requests: readonly string[]): Place {
    const all = [...requests, "addr"].flatMap((request) => ["-c", request]);
    const said = call("xfs_db", ["-r", ...all, this.#image], "xfsprogs");
    const found = /byte offset (\d+), length (\d+)/.exec(said);
    if (found === null) throw new Error(`xfs_db ${requests.join("; ")}: ${said}`);
    return { at: Number(found[1]), length: Number(found[2]) };
  }

  inode(name: string): Place {
    return this.place(`path ${name}`);
  }

  /** The block of a folder or file that many blocks from its start. */
  block(name: string, index: number): Place {
    return this.place(`path ${name}`, `dblock ${index}`);
  }

  /** The first block of the index of a folder. */
  index(name: string): Place {
    return this.block(name, 2 ** 35 / this.blockSize);
  }

  /** The block that the first pointer in an inode leads to. */
  treeBlock(name: string): Place {
    const fork = this.version === 5 ? "u3" : "u";
    return this.place(`path ${name}`, `addr ${fork}.bmbt.ptrs[1]`);
  }

  /** Changes a structure and makes its checksum right again; null leaves it as it is. */
  forge(place: Place, crc: number | null, change: (structure: Buffer) => void): void {
    this.#touched.push(place);
    const structure = this.bytes.subarray(place.at, place.at + place.length);
    change(structure);
    if (this.version === 5 && crc !== null) structure.writeUInt32LE(checksumOf(structure, crc), crc);
  }

  /** Undoes every forgery. */
  restore(): void {
    for (const { at, length } of this.#touched) this.#pristine.copy(this.bytes, at, at, at + length);
    this.#touched = [];
  }
}

/** Names of the folder `leaf`, whose index has one block, and of `node`, whose index is a tree. */
export const NAMES = { block: 20, leaf: 300, node: 1500 };

const options4 = ["-m", "crc=0", "-b", "size=1024", "-n", "ftype=0"];
const options5 = ["-b", "size=1024"];

/** Of 64 MiB, with blocks of 1 KiB: a file, one with a tree of extents, folders of every form, a long link. */
export function forgeableImage(image: string, version: 4 | 5): void {
  const content = `${image}.content`;
  fs.mkdirSync(content);
  try {
    makeContent(content);
    if (version === 4) {
      // A folder whose blocks lie apart, because files are made between its names, has a tree of extents too.
      makeXfsImageOf(image, 64, options4, content);
      return;
    }
    makeXfsImage(image, 64, options5);
    withMounted(image, "rw", (mounted) => {
      call("cp", ["-a", `${content}/.`, mounted], "coreutils");
      const sparse = fs.openSync(path.join(mounted, "tree"), "w");
      for (let index = 0; index < 200; index++) fs.writeSync(sparse, noise(1024, index + 1), 0, 1024, index * 3072);
      fs.closeSync(sparse);
    });
  } finally {
    fs.rmSync(content, { recursive: true });
  }
}

function makeContent(content: string): void {
  const put = (name: string, bytes: Uint8Array | string) => fs.writeFileSync(path.join(content, name), bytes);
  put("f", noise(100_000, 1));
  for (const name of ["d", "block", "leaf", "node"]) fs.mkdirSync(path.join(content, name));
  put("d/a", "a");
  put("d/b", "b");
  for (const [name, count] of Object.entries(NAMES)) {
    for (let index = 0; index < count; index++) put(`${name}/a-name-of-some-length-${index}`, String(index));
  }
  fs.symlinkSync("d/a", path.join(content, "short"));
  fs.symlinkSync(`./${"./".repeat(300)}f`, path.join(content, "long"));
}
