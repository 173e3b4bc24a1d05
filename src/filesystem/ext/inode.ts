/**
 * Inodes: what a file is, and where its content lies.
 * Specification: https://docs.kernel.org/filesystems/ext4/inodes.html
 */
import type { CheckedReader } from "../../base/checked-reader.ts";
import { GuestbootError } from "../../base/errors.ts";
import type { NodeKind } from "../filesystem.ts";
import type { Layout } from "./layout.ts";
import { damaged } from "./damage.ts";

export interface Inode {
  readonly number: number;
  readonly kind: NodeKind;
  /** Bytes. */
  readonly size: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  readonly flags: number;
  /** `i_block`: the map of the content, or the content itself. */
  readonly map: Uint8Array;
  /** The inode whole, for what lies behind its fixed part. */
  readonly raw: CheckedReader;
}

const FLAG_ENCRYPTED = 0x800;
const FLAG_INDEXED = 0x1000;
const FLAG_EXTENTS = 0x80000;
const FLAG_INLINE_DATA = 0x10000000;
const FLAG_CASEFOLD = 0x40000000;

const MAP_OFFSET = 0x28;
const MAP_SIZE = 60;

const KINDS: Readonly<Record<number, NodeKind>> = { 0x4000: "directory", 0x8000: "file", 0xa000: "symlink" };

/** @throws FILESYSTEM_DAMAGED, OUT_OF_BOUNDS */
export function readInode(layout: Layout, number: number): Inode {
  const raw = layout.inode(number);
  const mode = raw.u16le(0x0, "i_mode");
  const low = raw.u32le(0x4, "i_size_lo");
  const high = raw.u32le(0x6c, "i_size_high");
  const kind = KINDS[mode & 0xf000] ?? "other";
  // In inodes that are no files and no folders, the field was something else once.
  const size = low + (kind === "file" || kind === "directory" ? high * 2 ** 32 : 0);
  if (!Number.isSafeInteger(size)) throw damaged(`inode ${number} has ${size} bytes`);
  return {
    number,
    kind,
    size,
    mtime: raw.u32le(0x10, "i_mtime"),
    flags: raw.u32le(0x20, "i_flags"),
    map: raw.bytes(MAP_OFFSET, MAP_SIZE, "i_block"),
    raw,
  };
}

export function hasExtents(inode: Inode): boolean {
  return (inode.flags & FLAG_EXTENTS) !== 0;
}

/** A folder with an index of its names. */
export function isIndexed(inode: Inode): boolean {
  return inode.kind === "directory" && (inode.flags & FLAG_INDEXED) !== 0;
}

/** A folder in which case is no difference between names. */
export function foldsCase(inode: Inode): boolean {
  return inode.kind === "directory" && (inode.flags & FLAG_CASEFOLD) !== 0;
}

export function hasInlineData(inode: Inode): boolean {
  return (inode.flags & FLAG_INLINE_DATA) !== 0;
}

/** Links of up to 59 bytes lie where others have their map (they end in a zero byte there). */
export function isFastLink(inode: Inode): boolean {
  return inode.kind === "symlink" && inode.size < MAP_SIZE && !hasInlineData(inode);
}

/** @throws FEATURE_UNSUPPORTED when the content, or the names in the folder, are encrypted */
export function refuseEncrypted(inode: Inode): void {
  if ((inode.flags & FLAG_ENCRYPTED) === 0) return;
  throw new GuestbootError("FEATURE_UNSUPPORTED", `an encrypted ${inode.kind} (inode ${inode.number}) cannot be read`);
}

/**
 * Content that lies in the inode: the first 60 bytes in `i_block`, more in the extended attribute `system.data`.
 * Specification: https://docs.kernel.org/filesystems/ext4/inlinedata.html and attributes.html
 */
export function inlineData(inode: Inode): { readonly head: Uint8Array; readonly rest: Uint8Array } {
  return { head: inode.map, rest: inlineAttribute(inode) };
}

const FIXED_SIZE = 128;
const ATTRIBUTE_MAGIC = 0xea020000;
const ATTRIBUTE_HEADER_SIZE = 16;
const INDEX_SYSTEM = 7;
/** More entries than that do not fit into the largest inode. */
const MAX_ATTRIBUTES = 4096;

function inlineAttribute(inode: Inode): Uint8Array {
  const { raw } = inode;
  if (raw.length < FIXED_SIZE + 4) return new Uint8Array();
  const start = FIXED_SIZE + raw.u16le(0x80, "i_extra_isize");
  if (start + 4 > raw.length || raw.u32le(start, "h_magic") !== ATTRIBUTE_MAGIC) return new Uint8Array();
  const first = start + 4;
  let at = first;
  for (let count = 0; count < MAX_ATTRIBUTES && at + ATTRIBUTE_HEADER_SIZE <= raw.length; count++) {
    const nameLength = raw.u8(at, "e_name_len");
    if (nameLength === 0) break;
    const name = Buffer.from(raw.bytes(at + ATTRIBUTE_HEADER_SIZE, nameLength, "e_name")).toString("latin1");
    if (raw.u8(at + 1, "e_name_index") === INDEX_SYSTEM && name === "data") {
      const offset = raw.u16le(at + 2, "e_value_offs");
      return raw.bytes(first + offset, raw.u32le(at + 8, "e_value_size"), "e_value");
    }
    at += Math.ceil((ATTRIBUTE_HEADER_SIZE + nameLength) / 4) * 4;
  }
  return new Uint8Array();
}
