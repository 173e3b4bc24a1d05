/**
 * Which bytes of a file lie where. Extents are looked up one at a time as the file is read: a file may have any number.
 * Specification: https://btrfs.readthedocs.io/en/latest/dev/On-disk-format.html, "EXTENT_DATA".
 */
import type { CheckedReader } from "../../base/checked-reader.ts";
import { GuestbootError } from "../../base/errors.ts";
import { damaged } from "./damage.ts";
import type { Inode } from "./inode.ts";
import type { Storage } from "./storage.ts";
import type { TreeRoot } from "./tree-root.ts";
import { itemsFrom, lastItemUpTo } from "./tree.ts";

export type ExtentCompression = "zlib" | "lzo" | "zstd";

/** Part of a file, from `start` to before `end`, in bytes; an inline extent may be asked for what is behind its bytes. */
export type Extent = { readonly start: number; readonly end: number } & (
  | { readonly kind: "zeros" }
  | { readonly kind: "inline"; readonly bytes: Uint8Array; readonly packed: Packing | null }
  | { readonly kind: "plain"; readonly logical: number }
  | {
      readonly kind: "packed";
      readonly logical: number;
      /** Bytes on the disk. */
      readonly length: number;
      readonly packed: Packing;
      /** Where in what comes out the part begins. */
      readonly offset: number;
    }
);

export interface Packing {
  readonly compression: ExtentCompression;
  /** Bytes that come out. */
  readonly size: number;
}

/** The extent, or hole, that a byte of a file is in. @throws FILESYSTEM_DAMAGED, FEATURE_UNSUPPORTED */
export function extentAt(storage: Storage, tree: TreeRoot, inode: Inode, position: number): Extent {
  const key = { objectid: inode.number, type: EXTENT_DATA, offset: position };
  const item = lastItemUpTo(storage, tree, key);
  const isOfFile = item?.key.objectid === inode.number && item.key.type === EXTENT_DATA;
  const extent = isOfFile ? decode(item.data, item.key.offset, storage.superblock.sectorSize) : null;
  if (extent !== null && position < extent.end) return extent;
  const start = extent?.end ?? 0;
  for (const { key: next } of itemsFrom(storage, tree, { ...key, offset: position + 1 })) {
    if (next.objectid !== inode.number || next.type !== EXTENT_DATA) break;
    return { kind: "zeros", start, end: next.offset };
  }
  return { kind: "zeros", start, end: Infinity };
}

const EXTENT_DATA = 108;
const HEADER_SIZE = 21;
const INLINE = 0;
const PREALLOCATED = 2;
const COMPRESSIONS: readonly (ExtentCompression | null)[] = [null, "zlib", "lzo", "zstd"];
/** What one compressed extent holds at most, before and after. */
const MAX_PACKED = 128 * 1024;

function decode(data: CheckedReader, start: number, sectorSize: number): Extent {
  const size = data.u64le(8, "ram_bytes");
  const compression = compressionOf(data);
  const type = data.u8(20, "type");
  if (type > PREALLOCATED) throw damaged(`an extent of an unknown kind (${type})`);
  if (type === INLINE) {
    const bytes = data.bytes(HEADER_SIZE, data.length - HEADER_SIZE, "inline data");
    if (compression !== null && size > sectorSize) throw damaged(`an inline extent of ${size} bytes`);
    const end = start + (compression === null ? bytes.length : size);
    return { kind: "inline", start, end, bytes, packed: compression === null ? null : { compression, size } };
  }
  const logical = data.u64le(21, "disk_bytenr");
  const length = data.u64le(29, "disk_num_bytes");
  const offset = data.u64le(37, "offset");
  const count = data.u64le(45, "num_bytes");
  const end = start + count;
  if (count === 0 || !Number.isSafeInteger(end)) throw damaged(`an extent of ${count} bytes`);
  if (type === PREALLOCATED || logical === 0) return { kind: "zeros", start, end };
  if ([start, logical, length, offset, count].some((number) => number % sectorSize !== 0)) {
    throw damaged("an extent that is not in whole sectors");
  }
  if (compression === null) {
    if (offset + count > length) throw damaged("an extent that is longer than what it is part of");
    return { kind: "plain", start, end, logical: logical + offset };
  }
  if (length > MAX_PACKED || size > MAX_PACKED) {
    throw damaged(`a compressed extent of ${length} bytes that holds ${size}`);
  }
  if (offset + count > size) throw damaged("a compressed extent that is longer than what it is part of");
  return { kind: "packed", start, end, logical, length, offset, packed: { compression, size } };
}

function compressionOf(data: CheckedReader): ExtentCompression | null {
  const number = data.u8(16, "compression");
  const compression = COMPRESSIONS[number];
  if (compression === undefined) throw unreadable(`compressed in a way that is not known (${number})`);
  if (data.u8(17, "encryption") !== 0 || data.u16le(18, "other_encoding") !== 0) throw unreadable("encrypted");
  return compression;
}

function unreadable(how: string): GuestbootError {
  return new GuestbootError("FEATURE_UNSUPPORTED", `a file of the btrfs filesystem is ${how}`);
}
