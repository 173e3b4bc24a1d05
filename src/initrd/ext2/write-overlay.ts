/**
 * Writes an overlay's files, folders, links and devices into an ext2 image: the installer initrds of the RHEL 3 and 4
 * era. Without mounting it, so without rights, and without trusting it: the image is checked whole before anything is
 * written.
 *
 * The image is changed in place: hand in a copy. After an error it is good for nothing (it has no magic number then,
 * unless it was refused before it was touched). A name that is there already is replaced by a new inode, so that other
 * names of the old one keep their content; folders are merged. A folder of the overlay where the image has a symbolic
 * link to a folder means the folder behind it. Nothing depends on the time of day: the same image and the same overlay
 * give the same bytes.
 */
import { checkRange } from "../../base/byte-source.ts";
import { GuestbootError } from "../../base/errors.ts";
import { quote } from "../../base/printable.ts";
import { encodeText } from "../../base/text.ts";
import type { OverlayEntry } from "../overlay.ts";
import { reserveInodes, takeBlock } from "./allocate.ts";
import { mapBlock } from "./block-map.ts";
import { checkVolume } from "./check.ts";
import { addEntry, findEntry, MAX_NAME } from "./directory.ts";
import { imageFile } from "./image-file.ts";
import { isDirectory, MAP_SIZE, readInode, TYPE, typeOf, writeInode, type Inode } from "./inode.ts";
import { ROOT_INODE } from "./superblock.ts";
import { addLinks, firstGoal, folderAt, makeFolder, makeInode, unlink, type Attributes } from "./tree.ts";
import { Volume } from "./volume.ts";

export interface Ext2Image {
  /** A descriptor of the image, open for reading and writing; it is not closed here. */
  readonly fd: number;
  /** How errors call it. */
  readonly what: string;
  /** Bytes that the image may grow to. Default: 1 GiB. */
  readonly limit?: number;
}

export interface WrittenExt2Image {
  /** Bytes of the filesystem before and after. A kernel's ramdisk must have room for them (`ramdisk_size=`, in KiB). */
  readonly sizeBefore: number;
  readonly size: number;
}

const DEFAULT_LIMIT = 1024 ** 3;
/** A file of 2 GiB or more needs the feature large_file. */
const MAX_FILE_SIZE = 2 ** 31 - 1;
/** Content that is read and written at once, in bytes. */
const PIECE = 256 * 1024;
const MISSING_FOLDER_MODE = 0o755;

/**
 * @throws NO_FILESYSTEM, FEATURE_UNSUPPORTED, FILESYSTEM_DAMAGED for an image that cannot be written to (unchanged);
 *   OVERLAY_INVALID, NOT_A_FILE, FILE_MISSING, LINK_LOOP, FILE_TOO_LARGE for an entry that cannot be put there;
 *   NO_SPACE when the image may not grow any more, or the disk is full; OUTPUT_FAILED
 */
export function writeIntoExt2Image(image: Ext2Image, overlay: readonly OverlayEntry[]): WrittenExt2Image {
  const volume = new Volume(imageFile(image.fd, image.what), image.limit ?? DEFAULT_LIMIT);
  checkVolume(volume);
  const sizeBefore = volume.blockCount * volume.blockSize;
  volume.begin();
  reserveInodes(volume, overlay.length);
  for (const entry of overlay) {
    writeEntry(volume, entry);
    volume.flush();
  }
  volume.finish();
  return { sizeBefore, size: volume.blockCount * volume.blockSize };
}

function writeEntry(volume: Volume, entry: OverlayEntry): void {
  const attributes = attributesOf(entry);
  const path = componentsOf(entry, entry.path);
  const last = path.pop();
  if (last === undefined) {
    if (entry.kind !== "directory") throw invalid(entry, "it would replace the root folder");
    setAttributes(volume, ROOT_INODE, attributes);
    return;
  }
  const folder = folderAt(volume, path, missingFolder(attributes));
  const name = encodeText(last);
  if (entry.kind === "directory") {
    mergeFolder(volume, folder, name, [...path, last], attributes);
    return;
  }
  if (entry.kind === "hard link") {
    writeHardLink(volume, folder, name, entry, attributes);
    return;
  }
  const there = findEntry(volume, readInode(volume, folder), name);
  if (there !== null) unlink(volume, folder, there);
  switch (entry.kind) {
    case "file":
      writeFile(volume, folder, name, entry, attributes);
      break;
    case "symlink":
      writeSymlink(volume, folder, name, entry, attributes);
      break;
    case "character device":
      makeInode(volume, folder, name, { ...attributes, type: TYPE.characterDevice, map: deviceMap(entry) });
      break;
    case "block device":
      makeInode(volume, folder, name, { ...attributes, type: TYPE.blockDevice, map: deviceMap(entry) });
      break;
    case "fifo":
      makeInode(volume, folder, name, { ...attributes, type: TYPE.fifo });
      break;
    case "socket":
      makeInode(volume, folder, name, { ...attributes, type: TYPE.socket });
      break;
  }
}

function mergeFolder(
  volume: Volume,
  parent: number,
  name: Uint8Array,
  path: readonly string[],
  attributes: Attributes,
): void {
  const there = findEntry(volume, readInode(volume, parent), name);
  const inode = there === null ? null : readInode(volume, there.inode);
  const isLink = inode !== null && typeOf(inode) === TYPE.symlink;
  if (inode !== null && (isDirectory(inode) || isLink)) {
    setAttributes(volume, folderAt(volume, path, missingFolder(attributes)), attributes);
    return;
  }
  if (there !== null) unlink(volume, parent, there);
  makeFolder(volume, parent, name, attributes);
}

function setAttributes(volume: Volume, number: number, { mode, uid, gid, mtime }: Attributes): void {
  const inode = readInode(volume, number);
  writeInode(volume, { ...inode, mode: typeOf(inode) | (mode & 0o7777), uid, gid, mtime });
}

function writeFile(
  volume: Volume,
  folder: number,
  name: Uint8Array,
  entry: OverlayEntry,
  attributes: Attributes,
): void {
  const { content } = entry;
  const size = content?.size ?? 0;
  if (size > MAX_FILE_SIZE) {
    throw new GuestbootError(
      "FILE_TOO_LARGE",
      `the overlay's file ${quote(entry.path)} has ${size} bytes; at most ${MAX_FILE_SIZE} go into an ext2 image`,
    );
  }
  const inode = makeInode(volume, folder, name, { ...attributes, type: TYPE.file, size });
  if (content === null || size === 0) return;
  writeInode(
    volume,
    writeContent(volume, inode, size, (offset, length) => content.read(offset, length)),
  );
}

/** @returns the inode with the map of what was written, not written itself */
function writeContent(
  volume: Volume,
  inode: Inode,
  size: number,
  read: (offset: number, length: number) => Uint8Array,
): Inode {
  const { blockSize } = volume;
  const perPiece = PIECE / blockSize;
  const count = Math.ceil(size / blockSize);
  let mapped = inode;
  let goal = firstGoal(volume, inode);
  const take = () => {
    const block = takeBlock(volume, goal);
    goal = block + 1;
    return block;
  };
  for (let logical = 0; logical < count; logical += perPiece) {
    const blocks: number[] = [];
    for (let index = logical; index < Math.min(logical + perPiece, count); index++) {
      const block = take();
      mapped = mapBlock(volume, mapped, index, block, take);
      blocks.push(block);
    }
    const offset = logical * blockSize;
    const piece = new Uint8Array(blocks.length * blockSize);
    const length = Math.min(piece.length, size - offset);
    checkRange(offset, length, size, "content");
    piece.set(read(offset, length));
    writeRuns(volume, blocks, piece);
  }
  return mapped;
}

/** Neighbouring blocks are written together. */
function writeRuns(volume: Volume, blocks: readonly number[], bytes: Uint8Array): void {
  let start = 0;
  for (let index = 1; index <= blocks.length; index++) {
    const first = blocks[start] ?? 0;
    if (index < blocks.length && blocks[index] === first + (index - start)) continue;
    volume.writeContent(first, bytes.subarray(start * volume.blockSize, index * volume.blockSize));
    start = index;
  }
}

/** A target of up to 59 bytes lies in the inode, where a zero byte ends it; a longer one has a block. */
function writeSymlink(
  volume: Volume,
  folder: number,
  name: Uint8Array,
  entry: OverlayEntry,
  attributes: Attributes,
): void {
  const target = encodeText(entry.target ?? "");
  if (target.length === 0 || target.length >= volume.blockSize || target.includes(0)) {
    throw invalid(
      entry,
      `a symbolic link to ${target.length} bytes; 1 to ${volume.blockSize - 1} without NUL are possible`,
    );
  }
  const type = TYPE.symlink;
  if (target.length < MAP_SIZE) {
    const map = new Uint8Array(MAP_SIZE);
    map.set(target);
    makeInode(volume, folder, name, { ...attributes, type, size: target.length, map });
    return;
  }
  const inode = makeInode(volume, folder, name, { ...attributes, type, size: target.length });
  writeInode(
    volume,
    writeContent(volume, inode, target.length, (offset, length) => target.subarray(offset, offset + length)),
  );
}

function writeHardLink(
  volume: Volume,
  folder: number,
  name: Uint8Array,
  entry: OverlayEntry,
  attributes: Attributes,
): void {
  const path = componentsOf(entry, entry.target ?? "");
  const last = path.pop();
  const source =
    last === undefined
      ? null
      : findEntry(volume, readInode(volume, folderAt(volume, path, missingFolder(attributes))), encodeText(last));
  if (source === null) throw invalid(entry, `a hard link to ${quote(entry.target ?? "")}, which is not there`);
  const inode = readInode(volume, source.inode);
  if (isDirectory(inode)) throw invalid(entry, `a hard link to ${quote(entry.target ?? "")}, which is a folder`);
  const there = findEntry(volume, readInode(volume, folder), name);
  if (there?.inode === inode.number) return;
  if (there !== null) unlink(volume, folder, there);
  addLinks(volume, inode.number, 1);
  addEntry(volume, folder, name, inode);
}

/**
 * The number of a device, where files have their map: as old kernels know it where it fits, else as since Linux 2.6.
 * @throws OVERLAY_INVALID for numbers that Linux does not have
 */
function deviceMap(entry: OverlayEntry): Uint8Array {
  const major = entry.major ?? 0;
  const minor = entry.minor ?? 0;
  const isPossible = (value: number, bits: number) => Number.isInteger(value) && value >= 0 && value < 2 ** bits;
  if (!isPossible(major, 12) || !isPossible(minor, 20))
    throw invalid(entry, `a device with the number ${major}:${minor}`);
  const map = new Uint8Array(MAP_SIZE);
  const view = new DataView(map.buffer);
  if (major < 256 && minor < 256) view.setUint32(0, major * 256 + minor, true);
  else view.setUint32(4, (minor & 0xff) | (major << 8) | ((minor & 0xfff00) << 12), true);
  return map;
}

/** @throws OVERLAY_INVALID for a path that leaves the image, or a name that is none */
function componentsOf(entry: OverlayEntry, path: string): string[] {
  const components = path.split("/").filter((name) => name !== "" && name !== ".");
  for (const name of components) {
    if (name === "..") throw invalid(entry, `the path ${quote(path)} has ".." in it`);
    if (name.includes("\0")) throw invalid(entry, `the path ${quote(path)} has a NUL in it`);
    if (encodeText(name).length > MAX_NAME)
      throw invalid(entry, `the path ${quote(path)} has a name over ${MAX_NAME} bytes`);
  }
  return components;
}

/** @throws OVERLAY_INVALID for what the inode's fields cannot hold */
function attributesOf(entry: OverlayEntry): Attributes {
  const { mode, uid, gid, mtime } = entry;
  for (const [field, value] of Object.entries({ mode, uid, gid, mtime })) {
    if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) {
      throw invalid(entry, `its ${field} is ${value}; 32 bits are possible`);
    }
  }
  return { mode, uid, gid, mtime };
}

function missingFolder({ mtime }: Attributes): Attributes {
  return { mode: MISSING_FOLDER_MODE, uid: 0, gid: 0, mtime };
}

function invalid(entry: OverlayEntry, found: string): GuestbootError {
  return new GuestbootError("OVERLAY_INVALID", `the overlay's entry ${quote(entry.path)} cannot be written: ${found}`);
}
