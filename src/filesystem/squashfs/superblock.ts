/**
 * The superblock of squashfs 4.0. Older versions, and those of big-endian machines, are refused by name.
 * Specification: https://docs.kernel.org/filesystems/squashfs.html and https://dr-emann.github.io/squashfs/
 */
import type { ByteSource } from "../../base/byte-source.ts";
import { CheckedReader } from "../../base/checked-reader.ts";
import { GuestbootError } from "../../base/errors.ts";
import type { BlockFormat } from "../../compress/block.ts";
import { damaged } from "./damage.ts";

export interface Superblock {
  /** How everything in it that is compressed is compressed. */
  readonly format: BlockFormat;
  /** Bytes of a block of content before it is compressed. */
  readonly blockSize: number;
  /** Where tables begin, in bytes. */
  readonly inodeTable: number;
  readonly directoryTable: number;
  readonly fragmentTable: number;
  readonly fragmentCount: number;
  /** Where the inode of the root folder is: see `metadata.ts`. */
  readonly rootInode: number;
  /** Bytes of the whole filesystem. */
  readonly bytesUsed: number;
}

const MAGIC = "hsqs";
const BIG_ENDIAN_MAGIC = "sqsh";

export function hasSquashfsMagic(source: ByteSource): boolean {
  return [MAGIC, BIG_ENDIAN_MAGIC].includes(magicOf(source));
}

/** @throws FEATURE_UNSUPPORTED, FILESYSTEM_DAMAGED, OUT_OF_BOUNDS */
export function readSuperblock(source: ByteSource): Superblock {
  if (magicOf(source) === BIG_ENDIAN_MAGIC) throw unreadable("of a big-endian machine (squashfs 3 or older)");
  const reader = new CheckedReader(source.read(0, SIZE), "squashfs superblock");
  const version = `${reader.u16le(28, "version_major")}.${reader.u16le(30, "version_minor")}`;
  if (version !== "4.0") throw unreadable(`of version ${version}, and only 4.0 can be read`);
  const compression = reader.u16le(20, "compression_id");
  const format = FORMATS[compression];
  if (format === undefined) throw unreadable(`compressed in a way that is not known (${compression})`);
  const blockSize = reader.u32le(12, "block_size");
  const isBlockSize = blockSize >= MIN_BLOCK_SIZE && blockSize <= MAX_BLOCK_SIZE && (blockSize & (blockSize - 1)) === 0;
  if (!isBlockSize || 2 ** reader.u16le(22, "block_log") !== blockSize)
    throw damaged(`its blocks have ${blockSize} bytes`);
  const fragmentCount = reader.u32le(16, "fragment_entry_count");
  return {
    format,
    blockSize,
    inodeTable: reader.u64le(64, "inode_table_start"),
    directoryTable: reader.u64le(72, "directory_table_start"),
    // Without fragments there may be no table: all ones, which is no number.
    fragmentTable: fragmentCount === 0 ? 0 : reader.u64le(80, "fragment_table_start"),
    fragmentCount,
    rootInode: reader.u64le(32, "root_inode_ref"),
    bytesUsed: reader.u64le(40, "bytes_used"),
  };
}

const SIZE = 96;
const MIN_BLOCK_SIZE = 4096;
const MAX_BLOCK_SIZE = 1024 * 1024;
/** By `compression_id`. The gzip of squashfs is zlib. */
const FORMATS: readonly (BlockFormat | undefined)[] = [undefined, "zlib", "lzma", "lzo1x", "xz", "lz4-block", "zstd"];

function magicOf(source: ByteSource): string {
  return source.size < SIZE ? "" : Buffer.from(source.read(0, MAGIC.length)).toString("latin1");
}

function unreadable(how: string): GuestbootError {
  return new GuestbootError("FEATURE_UNSUPPORTED", `a squashfs filesystem ${how}`);
}
