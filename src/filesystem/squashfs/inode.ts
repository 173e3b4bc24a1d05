/**
 * Inodes, in their short and their long forms.
 * Specification: https://dr-emann.github.io/squashfs/squashfs.html#_inode_table
 */
import { damaged } from "./damage.ts";
import { MetadataCursor, type Reference } from "./metadata.ts";
import type { Storage } from "./storage.ts";

export type Inode =
  | ({ readonly kind: "directory" } & DirectoryInode)
  | ({ readonly kind: "file" } & FileInode)
  | { readonly kind: "symlink"; readonly size: number; readonly target: Uint8Array }
  | { readonly kind: "other"; readonly size: 0 };

export interface DirectoryInode {
  /** Bytes of its listing. */
  readonly size: number;
  /** Where the listing begins: its block, from the start of the table of folders, and the offset in it. */
  readonly block: number;
  readonly offset: number;
  /** Entries of its index, which follow the inode at `rest`. */
  readonly indexCount: number;
  readonly rest: () => MetadataCursor;
}

export interface FileInode {
  readonly size: number;
  /** Where its blocks begin, in bytes. */
  readonly start: number;
  /** The block of ends of files that holds the end of this one; null when it has none there. */
  readonly fragment: { readonly index: number; readonly offset: number } | null;
  /** The list of blocks follows the inode there. */
  readonly rest: () => MetadataCursor;
}

/** @throws FILESYSTEM_DAMAGED, DATA_DAMAGED, OUT_OF_BOUNDS, BUDGET_EXCEEDED */
export function readInode(storage: Storage, reference: Reference): Inode {
  const cursor = MetadataCursor.at(storage, storage.superblock.inodeTable, reference);
  const type = cursor.take(HEADER_SIZE, "squashfs inode").u16le(0, "inode_type");
  const body = (length: number) => cursor.take(length, "squashfs inode");
  /** A new one each time: what follows the inode may be read more than once. */
  const rest = (length: number) => () => {
    const anew = MetadataCursor.at(storage, storage.superblock.inodeTable, reference);
    anew.take(HEADER_SIZE + length, "squashfs inode");
    return anew;
  };
  switch (type) {
    case 1: {
      const reader = body(16);
      return {
        kind: "directory",
        size: listingSize(reader.u16le(8, "file_size")),
        block: reader.u32le(0, "dir_block_start"),
        offset: reader.u16le(10, "block_offset"),
        indexCount: 0,
        rest: rest(16),
      };
    }
    case 8: {
      const reader = body(24);
      return {
        kind: "directory",
        size: listingSize(reader.u32le(4, "file_size")),
        block: reader.u32le(8, "dir_block_start"),
        offset: reader.u16le(18, "block_offset"),
        indexCount: reader.u16le(16, "index_count"),
        rest: rest(24),
      };
    }
    case 2: {
      const reader = body(16);
      const fragment = fragmentOf(reader.u32le(4, "fragment_index"), reader.u32le(8, "block_offset"));
      const start = reader.u32le(0, "blocks_start");
      return { kind: "file", size: reader.u32le(12, "file_size"), start, fragment, rest: rest(16) };
    }
    case 9: {
      const reader = body(40);
      const fragment = fragmentOf(reader.u32le(28, "fragment_index"), reader.u32le(32, "block_offset"));
      const start = reader.u64le(0, "blocks_start");
      return { kind: "file", size: reader.u64le(8, "file_size"), start, fragment, rest: rest(40) };
    }
    case 3:
    case 10: {
      const size = body(8).u32le(4, "target_size");
      if (size > MAX_TARGET) throw damaged(`a symbolic link of ${size} bytes`);
      return { kind: "symlink", size, target: body(size).bytes(0, size, "target_path") };
    }
    default:
      if (type === 0 || type > LAST_TYPE) throw damaged(`an inode of an unknown kind (${type})`);
      return { kind: "other", size: 0 };
  }
}

const HEADER_SIZE = 16;
const NO_FRAGMENT = 0xffffffff;
/** PATH_MAX of Linux. */
const MAX_TARGET = 4096;
const LAST_TYPE = 14;

/** `.` and `..`, which are not there, count three bytes. */
function listingSize(size: number): number {
  return Math.max(0, size - 3);
}

function fragmentOf(index: number, offset: number): FileInode["fragment"] {
  return index === NO_FRAGMENT ? null : { index, offset };
}
