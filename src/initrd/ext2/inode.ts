/**
 * Inodes of an ext2 image: read as a record, written back without touching the fields that nobody here knows.
 * Specification: https://www.nongnu.org/ext2-doc/ext2.html#inode-table
 */
import { CheckedReader } from "../../base/checked-reader.ts";
import { damaged } from "./superblock.ts";
import type { Volume } from "./volume.ts";

export interface Inode {
  readonly number: number;
  /** Type and permissions. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes. */
  readonly size: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  readonly links: number;
  /** `i_blocks`: what it takes on the disk, in units of 512 bytes. */
  readonly sectors: number;
  readonly flags: number;
  /** Block of extended attributes, 0 when there is none. */
  readonly attributes: number;
  /** `i_block`, 60 bytes: the map of the content, a device's number, or a short link's target. */
  readonly map: Uint8Array;
}

export const TYPE = {
  fifo: 0x1000,
  characterDevice: 0x2000,
  directory: 0x4000,
  blockDevice: 0x6000,
  file: 0x8000,
  symlink: 0xa000,
  socket: 0xc000,
} as const;

export const FLAG_INDEX = 0x1000;
export const MAP_SIZE = 60;
const MAP_OFFSET = 0x28;
const SECTOR = 512;

/** @throws FILESYSTEM_DAMAGED for a number that no inode has */
export function readInode(volume: Volume, number: number): Inode {
  const { block, offset } = placeOf(volume, number);
  return parseInode(volume, number, volume.block(block).subarray(offset, offset + volume.superblock.inodeSize));
}

export function parseInode(volume: Volume, number: number, bytes: Uint8Array): Inode {
  const reader = new CheckedReader(bytes, `inode ${number}`);
  const mode = reader.u16le(0x0, "i_mode");
  const isFile = (mode & 0xf000) === TYPE.file;
  // Folders, and whatever lived in revision 0, have an ACL where files have the high half of their size.
  const high = isFile && volume.superblock.revision === 1 ? reader.u32le(0x6c, "i_size_high") : 0;
  return {
    number,
    mode,
    uid: reader.u16le(0x2, "i_uid") + reader.u16le(0x78, "l_i_uid_high") * 0x1_0000,
    gid: reader.u16le(0x18, "i_gid") + reader.u16le(0x7a, "l_i_gid_high") * 0x1_0000,
    size: reader.u32le(0x4, "i_size") + high * 2 ** 32,
    mtime: reader.u32le(0x10, "i_mtime"),
    links: reader.u16le(0x1a, "i_links_count"),
    sectors: reader.u32le(0x1c, "i_blocks"),
    flags: reader.u32le(0x20, "i_flags"),
    attributes: reader.u32le(0x68, "i_file_acl"),
    map: reader.bytes(MAP_OFFSET, MAP_SIZE, "i_block").slice(),
  };
}

/** A new inode in place of whatever was there. */
export function createInode(volume: Volume, inode: Inode): void {
  eraseInode(volume, inode.number);
  writeInode(volume, inode);
}

export function writeInode(volume: Volume, inode: Inode): void {
  const { block, offset } = placeOf(volume, inode.number);
  const bytes = volume.change(block);
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, volume.superblock.inodeSize);
  view.setUint16(0x0, inode.mode, true);
  view.setUint16(0x2, inode.uid & 0xffff, true);
  view.setUint32(0x4, inode.size >>> 0, true);
  // The times of access and of the inode's own change follow where the content's is set, and stay otherwise.
  if (view.getUint32(0x10, true) !== inode.mtime) {
    for (const field of [0x8, 0xc, 0x10]) view.setUint32(field, inode.mtime, true);
  }
  view.setUint16(0x18, inode.gid & 0xffff, true);
  view.setUint16(0x1a, inode.links, true);
  view.setUint32(0x1c, inode.sectors, true);
  view.setUint32(0x20, inode.flags, true);
  bytes.set(inode.map, offset + MAP_OFFSET);
  view.setUint32(0x68, inode.attributes, true);
  view.setUint16(0x78, inode.uid >>> 16, true);
  view.setUint16(0x7a, inode.gid >>> 16, true);
}

/** Zeros all of it. An inode that is free needs no time of deletion when it has no mode and no links. */
export function eraseInode(volume: Volume, number: number): void {
  const { block, offset } = placeOf(volume, number);
  volume.change(block).fill(0, offset, offset + volume.superblock.inodeSize);
}

export function typeOf(inode: Inode): number {
  return inode.mode & 0xf000;
}

export function isDirectory(inode: Inode): boolean {
  return typeOf(inode) === TYPE.directory;
}

/** A link's target that lies in the inode itself: such a link takes no blocks but that of its attributes. */
export function isFastLink(volume: Volume, inode: Inode): boolean {
  const attributeSectors = inode.attributes === 0 ? 0 : volume.blockSize / SECTOR;
  return typeOf(inode) === TYPE.symlink && inode.sectors === attributeSectors;
}

/** Does `map` lead to blocks? */
export function hasBlocks(volume: Volume, inode: Inode): boolean {
  const type = typeOf(inode);
  return type === TYPE.file || type === TYPE.directory || (type === TYPE.symlink && !isFastLink(volume, inode));
}

export function sectorsPerBlock(volume: Volume): number {
  return volume.blockSize / SECTOR;
}

function placeOf(volume: Volume, number: number): { block: number; offset: number } {
  const { inodesPerGroup } = volume;
  const { inodeSize } = volume.superblock;
  const group = volume.groups[Math.floor((number - 1) / inodesPerGroup)];
  if (number < 1 || group === undefined) throw damaged(volume.file.what, `it speaks of inode ${number}`);
  const at = ((number - 1) % inodesPerGroup) * inodeSize;
  return { block: group.tableAt + Math.floor(at / volume.blockSize), offset: at % volume.blockSize };
}
