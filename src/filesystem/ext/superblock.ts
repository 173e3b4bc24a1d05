/**
 * The superblock of ext2, ext3 and ext4.
 * Specification: https://docs.kernel.org/filesystems/ext4/globals.html#super-block
 */
import type { ByteSource } from "../../base/byte-source.ts";
import { CheckedReader } from "../../base/checked-reader.ts";
import { nameText, uuidOrNone } from "../volume-names.ts";
import { damaged } from "./damage.ts";
import {
  COMPAT_DIR_INDEX,
  COMPAT_HAS_JOURNAL,
  COMPAT_SPARSE_SUPER2,
  INCOMPAT_64BIT,
  INCOMPAT_FILETYPE,
  INCOMPAT_META_BG,
  INCOMPAT_RECOVER,
  refuseUnreadable,
  RO_COMPAT_SPARSE_SUPER,
  type FeatureWords,
} from "./features.ts";

export interface Superblock {
  readonly type: "ext2" | "ext3" | "ext4";
  /** Bytes. */
  readonly blockSize: number;
  readonly blockCount: number;
  readonly inodeCount: number;
  readonly firstDataBlock: number;
  readonly blocksPerGroup: number;
  readonly inodesPerGroup: number;
  /** Bytes. */
  readonly inodeSize: number;
  readonly descriptorSize: number;
  /** Metablock groups before this one have their descriptors at the start of the filesystem. */
  readonly firstMetaGroup: number;
  readonly hasMetaGroups: boolean;
  /** Do only some groups have a copy of the superblock in front? */
  readonly hasSparseSuperblocks: boolean;
  /** The two groups that have one, where the filesystem names them. */
  readonly backupGroups: readonly [number, number] | null;
  readonly uuid: string | null;
  readonly label: string | null;
  readonly features: FeatureWords;
  /** Where the journal lies, when it holds what must be read in place of older blocks. */
  readonly pendingJournal: PendingJournal | null;
  readonly hasIndexedFolders: boolean;
  /** What the hashes in folders' indexes begin with; null for the one that is built in. */
  readonly hashSeed: readonly [number, number, number, number] | null;
  /** Do hashes take the bytes of names for signed numbers? The machine that made the filesystem did. */
  readonly hasSignedHashes: boolean;
}

/** The number of the inode whose content is the journal; or the journal is a device of its own. */
export type PendingJournal = { readonly inode: number } | "external";

/** Bytes, from the start of the volume. */
export const SUPERBLOCK_OFFSET = 1024;
const SIZE = 1024;
const MAGIC = 0xef53;
const DYNAMIC_REVISION = 1;
const MIN_INODE_SIZE = 128;
const MIN_DESCRIPTOR_SIZE = 32;
const MAX_LOG_BLOCK_SIZE = 6;
const FLAG_UNSIGNED_HASH = 0x2;

/** Is there an ext superblock at all? Cheap, and no proof. */
export function hasExtMagic(source: ByteSource): boolean {
  if (source.size < SUPERBLOCK_OFFSET + SIZE) return false;
  return new CheckedReader(source.read(SUPERBLOCK_OFFSET + 0x38, 2), "ext superblock").u16le(0, "s_magic") === MAGIC;
}

/** @throws FEATURE_UNSUPPORTED naming the feature; FILESYSTEM_DAMAGED for numbers that cannot be */
export function readSuperblock(source: ByteSource): Superblock {
  const reader = new CheckedReader(source.read(SUPERBLOCK_OFFSET, SIZE), "ext superblock");
  const isDynamic = reader.u32le(0x4c, "s_rev_level") >= DYNAMIC_REVISION;
  const compat = isDynamic ? reader.u32le(0x5c, "s_feature_compat") : 0;
  const incompat = isDynamic ? reader.u32le(0x60, "s_feature_incompat") : 0;
  const roCompat = isDynamic ? reader.u32le(0x64, "s_feature_ro_compat") : 0;
  const features: FeatureWords = { compat, incompat, roCompat };
  refuseUnreadable(features);

  const logBlockSize = reader.u32le(0x18, "s_log_block_size");
  if (logBlockSize > MAX_LOG_BLOCK_SIZE) throw damaged(`its block size is 2^${logBlockSize} KiB`);
  const blockSize = 1024 << logBlockSize;
  const is64bit = (incompat & INCOMPAT_64BIT) !== 0;
  const blockCount =
    reader.u32le(0x4, "s_blocks_count_lo") + (is64bit ? reader.u32le(0x150, "s_blocks_count_hi") : 0) * 2 ** 32;
  const superblock: Superblock = {
    type: typeOf(compat, incompat, roCompat),
    blockSize,
    blockCount,
    inodeCount: reader.u32le(0x0, "s_inodes_count"),
    firstDataBlock: reader.u32le(0x14, "s_first_data_block"),
    blocksPerGroup: reader.u32le(0x20, "s_blocks_per_group"),
    inodesPerGroup: reader.u32le(0x28, "s_inodes_per_group"),
    inodeSize: isDynamic ? reader.u16le(0x58, "s_inode_size") : MIN_INODE_SIZE,
    descriptorSize: is64bit ? reader.u16le(0xfe, "s_desc_size") : MIN_DESCRIPTOR_SIZE,
    firstMetaGroup: reader.u32le(0x104, "s_first_meta_bg"),
    hasMetaGroups: (incompat & INCOMPAT_META_BG) !== 0,
    hasSparseSuperblocks: (roCompat & RO_COMPAT_SPARSE_SUPER) !== 0,
    backupGroups:
      (compat & COMPAT_SPARSE_SUPER2) === 0
        ? null
        : [reader.u32le(0x24c, "s_backup_bgs[0]"), reader.u32le(0x250, "s_backup_bgs[1]")],
    uuid: uuidOrNone(reader.bytes(0x68, 16, "s_uuid")),
    label: nameText(reader.bytes(0x78, 16, "s_volume_name")),
    features,
    pendingJournal: pendingJournal(reader, features),
    hasIndexedFolders: (compat & COMPAT_DIR_INDEX) !== 0,
    hashSeed: hashSeedOf(reader),
    hasSignedHashes: (reader.u32le(0x160, "s_flags") & FLAG_UNSIGNED_HASH) === 0,
  };
  checkNumbers(superblock);
  return superblock;
}

function checkNumbers(superblock: Superblock): void {
  const { blockSize, blockCount, blocksPerGroup, inodesPerGroup, inodeSize, descriptorSize, inodeCount } = superblock;
  const isPowerOf2 = (value: number) => (value & (value - 1)) === 0;
  if (blockCount === 0 || !Number.isSafeInteger(blockCount * blockSize)) throw damaged(`it has ${blockCount} blocks`);
  if (superblock.firstDataBlock > 1) throw damaged(`its first data block is ${superblock.firstDataBlock}`);
  if (blocksPerGroup === 0) throw damaged("a group has no blocks");
  if (inodesPerGroup === 0 || inodeCount === 0) throw damaged("it has no inodes");
  if (inodeSize < MIN_INODE_SIZE || inodeSize > blockSize || !isPowerOf2(inodeSize)) {
    throw damaged(`an inode has ${inodeSize} bytes`);
  }
  if (descriptorSize < MIN_DESCRIPTOR_SIZE || descriptorSize > blockSize || !isPowerOf2(descriptorSize)) {
    throw damaged(`a group descriptor has ${descriptorSize} bytes`);
  }
}

function pendingJournal(reader: CheckedReader, { compat, incompat }: FeatureWords): PendingJournal | null {
  if ((compat & COMPAT_HAS_JOURNAL) === 0 || (incompat & INCOMPAT_RECOVER) === 0) return null;
  const inode = reader.u32le(0xe0, "s_journal_inum");
  return inode === 0 ? "external" : { inode };
}

function hashSeedOf(reader: CheckedReader): Superblock["hashSeed"] {
  const word = (index: number) => reader.u32le(0xec + index * 4, "s_hash_seed");
  const seed = [word(0), word(1), word(2), word(3)] as const;
  return seed.every((part) => part === 0) ? null : seed;
}

/** As blkid tells them apart: ext4 has a feature that ext3's driver does not know; ext3 is ext2 with a journal. */
function typeOf(compat: number, incompat: number, roCompat: number): Superblock["type"] {
  const ext3Incompat = INCOMPAT_FILETYPE | INCOMPAT_RECOVER | INCOMPAT_META_BG;
  const ext3RoCompat = 0x7;
  if ((incompat & ~ext3Incompat) !== 0 || (roCompat & ~ext3RoCompat) !== 0) return "ext4";
  return (compat & COMPAT_HAS_JOURNAL) === 0 ? "ext2" : "ext3";
}
