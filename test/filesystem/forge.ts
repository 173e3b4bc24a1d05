/** Ext images made by mke2fs whose bytes are then forged. Fields: https://docs.kernel.org/filesystems/ext4/ */
import * as fs from "node:fs";
import { makeFilesystemImage, type ExtType } from "../../fixtures/disk-images.ts";
import { memorySource } from "../../src/base/byte-source.ts";
import { openFilesystem } from "../../src/filesystem/detect.ts";
import type { GuestFilesystem } from "../../src/filesystem/filesystem.ts";
import { debugfs } from "./ext-judges.ts";

export const SUPERBLOCK = 1024;

/** An image whose bytes can be forged, with the places that are worth it. */
export interface Forged {
  readonly bytes: Buffer;
  readonly blockSize: number;
  /** Where the inode of a name lies. */
  readonly inodeOf: (name: string) => number;
  /** The first block of the content of a name. */
  readonly blockOf: (name: string) => number;
  /** A block that nothing uses, as a byte offset by its number. */
  readonly freeBlock: number;
  readonly open: () => GuestFilesystem;
}

/** @param image where it is made; `content` becomes its content */
export function forgeImage(image: string, content: string, type: ExtType, options: readonly string[]): Forged {
  makeFilesystemImage({ path: image, type, sizeMiB: 4, folder: content, options: ["-O", "^has_journal", ...options] });
  const bytes = fs.readFileSync(image);
  const blockSize = 1024 << bytes.readUInt32LE(SUPERBLOCK + 0x18);
  const freeBlock = Number(debugfs(image, "ffb").replace(/\D+/g, ""));
  return {
    bytes,
    blockSize,
    inodeOf: (name) => {
      const place = /located at block (\d+), offset 0x([0-9a-f]+)/.exec(debugfs(image, `imap ${name}`));
      return Number(place?.[1]) * blockSize + Number.parseInt(place?.[2] ?? "", 16);
    },
    blockOf: (name) => Number(debugfs(image, `blocks ${name}`).trim().split(/\s+/)[0]),
    freeBlock,
    open: () => openFilesystem(memorySource(bytes)),
  };
}

export const SIZE = 0x4;
export const FLAGS = 0x20;
export const MAP = 0x28;
const SIZE_HIGH = 0x6c;

export function putSize(bytes: Buffer, inode: number, size: bigint): void {
  bytes.writeUInt32LE(Number(size & 0xffffffffn), inode + SIZE);
  bytes.writeUInt32LE(Number(size >> 32n), inode + SIZE_HIGH);
}

export function putExtentHeader(bytes: Buffer, at: number, entries: number, depth: number): void {
  bytes.writeUInt16LE(0xf30a, at);
  bytes.writeUInt16LE(entries, at + 2);
  bytes.writeUInt16LE(entries, at + 4);
  bytes.writeUInt16LE(depth, at + 6);
}

export function putIndex(bytes: Buffer, at: number, logical: number, child: number): void {
  bytes.writeUInt32LE(logical, at);
  bytes.writeUInt32LE(child, at + 4);
  bytes.writeUInt32LE(0, at + 8);
}

export function putExtent(bytes: Buffer, at: number, logical: number, count: number, physical: number): void {
  bytes.writeUInt32LE(logical, at);
  bytes.writeUInt16LE(count, at + 4);
  bytes.writeUInt16LE(0, at + 6);
  bytes.writeUInt32LE(physical, at + 8);
}
