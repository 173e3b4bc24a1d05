/**
 * Folders of an ext2 image: looking a name up, adding one, changing and removing one.
 *
 * An indexed folder is read as a plain one, which it is too; when it is changed, its mark as indexed goes, since the
 * index would not know of the change.
 * Specification: https://www.nongnu.org/ext2-doc/ext2.html#directory
 */
import { CheckedReader } from "../../base/checked-reader.ts";
import { takeBlock } from "./allocate.ts";
import { contentBlocks, mapBlock } from "./block-map.ts";
import { FLAG_INDEX, readInode, TYPE, typeOf, writeInode, type Inode } from "./inode.ts";
import { damaged } from "./superblock.ts";
import type { Volume } from "./volume.ts";

export interface DirectoryEntry {
  /** 0 in an entry that holds no name. */
  readonly inode: number;
  readonly name: Uint8Array;
  /** The kind's number, 0 in images that do not note it. */
  readonly type: number;
  /** Where it stands: the block's number in the image, and the bytes in it. */
  readonly block: number;
  readonly at: number;
  readonly length: number;
}

export const MAX_NAME = 255;
const HEADER = 8;

/** What stands behind a name for each kind of inode, with the feature filetype. */
const TYPE_NUMBERS: Readonly<Record<number, number>> = {
  [TYPE.file]: 1,
  [TYPE.directory]: 2,
  [TYPE.characterDevice]: 3,
  [TYPE.blockDevice]: 4,
  [TYPE.fifo]: 5,
  [TYPE.socket]: 6,
  [TYPE.symlink]: 7,
};

export function typeNumber(volume: Volume, inode: Inode): number {
  return volume.superblock.hasFileTypes ? (TYPE_NUMBERS[typeOf(inode)] ?? 0) : 0;
}

/** All entries, empty ones, `.` and `..` too. @throws FILESYSTEM_DAMAGED */
export function* readEntries(volume: Volume, directory: Inode): Generator<DirectoryEntry> {
  for (const block of directoryBlocks(volume, directory)) yield* entriesOf(volume, block);
}

/** @returns null when there is no such name. @throws FILESYSTEM_DAMAGED */
export function findEntry(volume: Volume, directory: Inode, name: Uint8Array): DirectoryEntry | null {
  for (const block of directoryBlocks(volume, directory)) {
    // The platform's search is quick, and says of most blocks that the name is not there.
    if (!bufferOf(volume.block(block)).includes(name)) continue;
    for (const entry of entriesOf(volume, block)) {
      if (entry.inode !== 0 && Buffer.compare(entry.name, name) === 0) return entry;
    }
  }
  return null;
}

/** Nothing in it but `.` and `..`? */
export function isEmptyDirectory(volume: Volume, directory: Inode): boolean {
  for (const { inode, name } of readEntries(volume, directory)) if (inode !== 0 && !isDots(name)) return false;
  return true;
}

/** Adds a name that is not there yet. @throws NO_SPACE */
export function addEntry(volume: Volume, directoryNumber: number, name: Uint8Array, inode: Inode): void {
  const directory = readInode(volume, directoryNumber);
  const needed = lengthFor(name);
  const entry = { inode: inode.number, name, type: typeNumber(volume, inode) };
  const blocks = directoryBlocks(volume, directory);
  const last = blocks.at(-1) ?? 0;
  // The last block first: a folder that is being filled has room there, and in no other.
  for (const number of [last, ...blocks.slice(0, -1)]) {
    for (const place of entriesOf(volume, number)) {
      const used = place.inode === 0 ? 0 : lengthFor(place.name);
      if (place.length - used < needed) continue;
      const bytes = volume.change(place.block);
      if (used > 0) setLength(bytes, place.at, used);
      writeEntry(volume, bytes, place.at + used, place.length - used, entry);
      writeInode(volume, withoutIndex(directory));
      return;
    }
  }
  const block = takeBlock(volume, last + 1);
  writeEntry(volume, volume.clear(block), 0, volume.blockSize, entry);
  const logical = directory.size / volume.blockSize;
  const mapped = mapBlock(volume, directory, logical, block, () => takeBlock(volume, block + 1));
  writeInode(volume, withoutIndex({ ...mapped, size: directory.size + volume.blockSize }));
}

/** Takes a name away; the inode is the caller's business. */
export function removeEntry(volume: Volume, directoryNumber: number, entry: DirectoryEntry): void {
  const bytes = volume.change(entry.block);
  let before: DirectoryEntry | null = null;
  for (const other of entriesOf(volume, entry.block)) {
    if (other.at === entry.at) break;
    before = other;
  }
  if (before === null) new DataView(bytes.buffer, bytes.byteOffset).setUint32(entry.at, 0, true);
  else setLength(bytes, before.at, before.length + entry.length);
  writeInode(volume, withoutIndex(readInode(volume, directoryNumber)));
}

/** A new folder's only block. */
export function writeDots(volume: Volume, block: number, self: Inode, parent: Inode): void {
  const bytes = volume.clear(block);
  const type = typeNumber(volume, self);
  const dot = { inode: self.number, name: Uint8Array.of(0x2e), type };
  const dots = { inode: parent.number, name: Uint8Array.of(0x2e, 0x2e), type };
  const first = lengthFor(dot.name);
  writeEntry(volume, bytes, 0, first, dot);
  writeEntry(volume, bytes, first, volume.blockSize - first, dots);
}

export function isDots(name: Uint8Array): boolean {
  return name[0] === 0x2e && (name.length === 1 || (name.length === 2 && name[1] === 0x2e));
}

function directoryBlocks(volume: Volume, directory: Inode): number[] {
  if (directory.size === 0 || directory.size % volume.blockSize !== 0) {
    throw damaged(volume.file.what, `a folder (inode ${directory.number}) has ${directory.size} bytes`);
  }
  return contentBlocks(volume, directory);
}

function* entriesOf(volume: Volume, block: number): Generator<DirectoryEntry> {
  const bytes = volume.block(block);
  const reader = new CheckedReader(bytes, "directory entry");
  for (let at = 0; at < bytes.length;) {
    const length = bytes.length - at < HEADER ? 0 : reader.u16le(at + 4, "rec_len");
    if (length < HEADER || length % 4 !== 0 || at + length > bytes.length) {
      throw damaged(volume.file.what, `block ${block} has a directory entry of ${length} bytes at ${at}`);
    }
    const inode = reader.u32le(at, "inode");
    const nameLength = reader.u8(at + 6, "name_len");
    if (inode !== 0 && (nameLength === 0 || HEADER + nameLength > length)) {
      throw damaged(volume.file.what, `block ${block} has a name of ${nameLength} bytes in an entry of ${length}`);
    }
    yield {
      inode,
      name: inode === 0 ? new Uint8Array() : bytes.slice(at + HEADER, at + HEADER + nameLength),
      type: reader.u8(at + 7, "file_type"),
      block,
      at,
      length,
    };
    at += length;
  }
}

function writeEntry(
  volume: Volume,
  bytes: Uint8Array,
  at: number,
  length: number,
  { inode, name, type }: Pick<DirectoryEntry, "inode" | "name" | "type">,
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, volume.blockSize);
  view.setUint32(at, inode, true);
  view.setUint16(at + 4, length, true);
  view.setUint8(at + 6, name.length);
  view.setUint8(at + 7, type);
  bytes.fill(0, at + HEADER, at + lengthFor(name));
  bytes.set(name, at + HEADER);
}

function setLength(bytes: Uint8Array, at: number, length: number): void {
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).setUint16(at + 4, length, true);
}

/** Entries begin at multiples of 4. */
function lengthFor(name: Uint8Array): number {
  return HEADER + Math.ceil(name.length / 4) * 4;
}

function withoutIndex(directory: Inode): Inode {
  return { ...directory, flags: directory.flags & ~FLAG_INDEX };
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
