/**
 * What the superblock of an ext2 image says, and which images may be written to at all. A feature that changes what a
 * writer has to keep right is refused by its name; so is an image that needs e2fsck first.
 *
 * Written to: ext2 of revision 0 and 1 and cleanly unmounted ext3, blocks of 1, 2 and 4 KiB. Not: whatever only ext4
 * has (extents, checksums, 64-bit block numbers, flexible groups).
 * Specification: https://www.nongnu.org/ext2-doc/ext2.html, https://docs.kernel.org/filesystems/ext4/globals.html
 */
import type { ByteSource } from "../../base/byte-source.ts";
import { CheckedReader } from "../../base/checked-reader.ts";
import { GuestbootError } from "../../base/errors.ts";

export interface Superblock {
  /** Bytes. */
  readonly blockSize: number;
  readonly firstDataBlock: number;
  readonly blocksPerGroup: number;
  readonly inodesPerGroup: number;
  /** Bytes. */
  readonly inodeSize: number;
  /** The first inode that is not reserved. */
  readonly firstInode: number;
  readonly blockCount: number;
  readonly inodeCount: number;
  readonly revision: 0 | 1;
  /** Do directory entries carry the kind of what they name? */
  readonly hasFileTypes: boolean;
  /** Do only some groups have a copy of the superblock in front? */
  readonly hasSparseSuperblocks: boolean;
  /** Are blocks kept free behind the group descriptors, as the content of an inode of their own? */
  readonly hasResizeInode: boolean;
}

/** Bytes, from the start of the image. */
export const SUPERBLOCK_OFFSET = 1024;
export const SUPERBLOCK_SIZE = 1024;
export const ROOT_INODE = 2;
export const RESIZE_INODE = 7;
/** Bytes of a group descriptor without the 64bit feature. */
export const DESCRIPTOR_SIZE = 32;

/** Where the fields are that are written. */
export const FIELD = {
  inodeCount: 0x0,
  blockCount: 0x4,
  freeBlocks: 0xc,
  freeInodes: 0x10,
  blocksPerGroup: 0x20,
  fragmentsPerGroup: 0x24,
  inodesPerGroup: 0x28,
  magic: 0x38,
  groupNumber: 0x5a,
  compatible: 0x5c,
  reservedDescriptorBlocks: 0xce,
} as const;

export const MAGIC = 0xef53;
export const COMPAT_RESIZE_INODE = 0x10;
const COMPAT_KNOWN = 0x1 | 0x4 | 0x8 | COMPAT_RESIZE_INODE | 0x20;
const INCOMPAT_FILETYPE = 0x2;
const RO_COMPAT_SPARSE_SUPER = 0x1;
const RO_COMPAT_LARGE_FILE = 0x2;

const STATE_ERRORS = 0x2;
const OLD_INODE_SIZE = 128;
const OLD_FIRST_INODE = 11;
const MAX_LOG_BLOCK_SIZE = 2;
/** As mke2fs has it. */
const MIN_BLOCKS_PER_GROUP = 256;

/** As tune2fs and mke2fs name them; what is not here is refused by its number. */
const COMPAT_NAMES: Readonly<Record<number, string>> = {
  0x1: "dir_prealloc",
  0x2: "imagic_inodes",
  0x4: "has_journal",
  0x8: "ext_attr",
  0x10: "resize_inode",
  0x20: "dir_index",
  0x200: "sparse_super2",
  0x400: "fast_commit",
  0x800: "stable_inodes",
  0x1000: "orphan_file",
};
const INCOMPAT_NAMES: Readonly<Record<number, string>> = {
  0x1: "compression",
  0x2: "filetype",
  0x4: "needs_recovery",
  0x8: "journal_dev",
  0x10: "meta_bg",
  0x40: "extents",
  0x80: "64bit",
  0x100: "mmp",
  0x200: "flex_bg",
  0x400: "ea_inode",
  0x1000: "dirdata",
  0x2000: "metadata_csum_seed",
  0x4000: "large_dir",
  0x8000: "inline_data",
  0x10000: "encrypt",
  0x20000: "casefold",
};
const RO_COMPAT_NAMES: Readonly<Record<number, string>> = {
  0x1: "sparse_super",
  0x2: "large_file",
  0x4: "btree_dir",
  0x8: "huge_file",
  0x10: "uninit_bg",
  0x20: "dir_nlink",
  0x40: "extra_isize",
  0x100: "quota",
  0x200: "bigalloc",
  0x400: "metadata_csum",
  0x1000: "read-only",
  0x2000: "project",
  0x4000: "shared_blocks",
  0x8000: "verity",
};

/**
 * @throws NO_FILESYSTEM when there is no ext superblock; FEATURE_UNSUPPORTED naming the features; FILESYSTEM_DAMAGED for
 *   an image that needs e2fsck, or for numbers that cannot be
 */
export function readSuperblock(source: ByteSource, what: string): Superblock {
  const isLongEnough = source.size >= SUPERBLOCK_OFFSET + SUPERBLOCK_SIZE;
  const bytes = isLongEnough ? source.read(SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE) : new Uint8Array(SUPERBLOCK_SIZE);
  const reader = new CheckedReader(bytes, "ext2 superblock");
  if (reader.u16le(FIELD.magic, "s_magic") !== MAGIC) {
    throw new GuestbootError("NO_FILESYSTEM", `${what} is not an ext2 image`);
  }
  const revision = reader.u32le(0x4c, "s_rev_level");
  if (revision > 1) throw unsupported(what, `revision ${revision}`);
  const isDynamic = revision === 1;
  const compatible = isDynamic ? reader.u32le(FIELD.compatible, "s_feature_compat") : 0;
  const incompatible = isDynamic ? reader.u32le(0x60, "s_feature_incompat") : 0;
  const readOnly = isDynamic ? reader.u32le(0x64, "s_feature_ro_compat") : 0;
  refuseFeatures(what, compatible, incompatible, readOnly);
  const creator = reader.u32le(0x48, "s_creator_os");
  if (creator !== 0) throw unsupported(what, `inodes as operating system ${creator} writes them`);
  refuseUnchecked(what, reader);

  const logBlockSize = reader.u32le(0x18, "s_log_block_size");
  if (logBlockSize > MAX_LOG_BLOCK_SIZE) throw unsupported(what, `blocks of 2^${logBlockSize} KiB`);
  const superblock: Superblock = {
    blockSize: 1024 << logBlockSize,
    firstDataBlock: reader.u32le(0x14, "s_first_data_block"),
    blocksPerGroup: reader.u32le(FIELD.blocksPerGroup, "s_blocks_per_group"),
    inodesPerGroup: reader.u32le(FIELD.inodesPerGroup, "s_inodes_per_group"),
    inodeSize: isDynamic ? reader.u16le(0x58, "s_inode_size") : OLD_INODE_SIZE,
    firstInode: isDynamic ? reader.u32le(0x54, "s_first_ino") : OLD_FIRST_INODE,
    blockCount: reader.u32le(FIELD.blockCount, "s_blocks_count"),
    inodeCount: reader.u32le(FIELD.inodeCount, "s_inodes_count"),
    revision: isDynamic ? 1 : 0,
    hasFileTypes: (incompatible & INCOMPAT_FILETYPE) !== 0,
    hasSparseSuperblocks: (readOnly & RO_COMPAT_SPARSE_SUPER) !== 0,
    hasResizeInode: (compatible & COMPAT_RESIZE_INODE) !== 0,
  };
  const fragment = {
    log: reader.u32le(0x1c, "s_log_frag_size"),
    perGroup: reader.u32le(FIELD.fragmentsPerGroup, "s_frags_per_group"),
  };
  if (fragment.log !== logBlockSize || fragment.perGroup !== superblock.blocksPerGroup) {
    throw unsupported(what, "fragments smaller than blocks");
  }
  checkNumbers(superblock, source.size, what);
  return superblock;
}

export function damaged(what: string, found: string): GuestbootError {
  return new GuestbootError("FILESYSTEM_DAMAGED", `${what}: damaged ext2 image: ${found}`, {
    hint: "e2fsck -fn on the uncompressed image tells more",
  });
}

function unsupported(what: string, feature: string): GuestbootError {
  return new GuestbootError("FEATURE_UNSUPPORTED", `${what}: ext2 images with ${feature} cannot be written`);
}

function refuseFeatures(what: string, compatible: number, incompatible: number, readOnly: number): void {
  const refused = [
    ...namesOf(compatible & ~COMPAT_KNOWN, COMPAT_NAMES, "compatible"),
    ...namesOf(incompatible & ~INCOMPAT_FILETYPE, INCOMPAT_NAMES, "incompatible"),
    ...namesOf(readOnly & ~(RO_COMPAT_SPARSE_SUPER | RO_COMPAT_LARGE_FILE), RO_COMPAT_NAMES, "read-only compatible"),
  ];
  if (refused.length === 0) return;
  throw unsupported(what, `the ${refused.length === 1 ? "feature" : "features"} ${refused.join(", ")}`);
}

function namesOf(bits: number, names: Readonly<Record<number, string>>, set: string): string[] {
  return Array.from({ length: 32 }, (_, index) => (1 << index) >>> 0)
    .filter((bit) => (bits & bit) !== 0)
    .map((bit) => names[bit] ?? `0x${bit.toString(16)} (unknown, ${set})`);
}

function refuseUnchecked(what: string, reader: CheckedReader): void {
  if ((reader.u16le(0x3a, "s_state") & STATE_ERRORS) !== 0) {
    throw damaged(what, "it is marked as having errors");
  }
  const orphan = reader.u32le(0x4c, "s_rev_level") === 1 ? reader.u32le(0xe8, "s_last_orphan") : 0;
  if (orphan !== 0) throw damaged(what, `files that were being deleted are still there (inode ${orphan})`);
}

function checkNumbers(superblock: Superblock, size: number, what: string): void {
  const { blockSize, blockCount, blocksPerGroup, inodesPerGroup, inodeSize, firstInode, firstDataBlock } = superblock;
  if (firstDataBlock !== (blockSize === 1024 ? 1 : 0)) {
    throw damaged(what, `its first data block is ${firstDataBlock}`);
  }
  if (blockCount <= firstDataBlock + 1) throw damaged(what, `it has ${blockCount} blocks`);
  if (blockCount * blockSize > size) {
    throw damaged(what, `it ends at byte ${size}, its ${blockCount} blocks of ${blockSize} bytes do not`);
  }
  const perBitmap = 8 * blockSize;
  if (blocksPerGroup < 8 || blocksPerGroup > perBitmap || blocksPerGroup % 8 !== 0) {
    throw damaged(what, `a group has ${blocksPerGroup} blocks`);
  }
  if (inodeSize < OLD_INODE_SIZE || inodeSize > blockSize || (inodeSize & (inodeSize - 1)) !== 0) {
    throw damaged(what, `an inode has ${inodeSize} bytes`);
  }
  const tableBlocks = Math.ceil((inodesPerGroup * inodeSize) / blockSize);
  if (inodesPerGroup < 1 || inodesPerGroup > perBitmap || tableBlocks >= blocksPerGroup) {
    throw damaged(what, `a group has ${inodesPerGroup} inodes`);
  }
  const groups = Math.ceil((blockCount - firstDataBlock) / blocksPerGroup);
  // Each group's bitmaps are kept in memory.
  if (groups > 1 && blocksPerGroup < MIN_BLOCKS_PER_GROUP) {
    throw damaged(what, `its ${groups} groups have ${blocksPerGroup} blocks each`);
  }
  if (superblock.inodeCount !== groups * inodesPerGroup) {
    throw damaged(what, `it has ${superblock.inodeCount} inodes in ${groups} groups of ${inodesPerGroup}`);
  }
  if (firstInode < OLD_FIRST_INODE || firstInode > superblock.inodeCount) {
    throw damaged(what, `its first free inode would be ${firstInode}`);
  }
}
