/**
 * The superblock of ext2, ext3 and ext4, and which of their features we can read.
 * Specification: https://docs.kernel.org/filesystems/ext4/globals.html#super-block
 */
import type { ByteSource } from "../../base/byte-source.ts";
import { CheckedReader } from "../../base/checked-reader.ts";
import { GuestbootError } from "../../base/errors.ts";
import { decodeText } from "../../base/text.ts";

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
  readonly notes: readonly string[];
}

/** Bytes, from the start of the volume. */
export const SUPERBLOCK_OFFSET = 1024;
const SIZE = 1024;
const MAGIC = 0xef53;
const DYNAMIC_REVISION = 1;
const MIN_INODE_SIZE = 128;
const MIN_DESCRIPTOR_SIZE = 32;
const MAX_LOG_BLOCK_SIZE = 6;

const COMPAT_HAS_JOURNAL = 0x4;
const COMPAT_SPARSE_SUPER2 = 0x200;
const RO_COMPAT_SPARSE_SUPER = 0x1;
const INCOMPAT_FILETYPE = 0x2;
const INCOMPAT_RECOVER = 0x4;
const INCOMPAT_META_BG = 0x10;
const INCOMPAT_64BIT = 0x80;

/**
 * Every incompatible feature by what it means for a reader. What is in none of the sets is refused by its number: a
 * feature that nobody here knows may change the meaning of any byte.
 */
const INCOMPATIBLE_FEATURES: readonly {
  readonly bit: number;
  readonly name: string;
  readonly verdict: "read" | "ignored" | "refused";
  readonly reason: string;
}[] = [
  { bit: 0x1, name: "compression", verdict: "refused", reason: "content is compressed in a form nobody uses any more" },
  { bit: INCOMPAT_FILETYPE, name: "filetype", verdict: "ignored", reason: "the type byte of directory entries" },
  { bit: INCOMPAT_RECOVER, name: "needs_recovery", verdict: "ignored", reason: "what the journal holds may be newer" },
  { bit: 0x8, name: "journal_dev", verdict: "refused", reason: "holds another filesystem's journal and no files" },
  { bit: INCOMPAT_META_BG, name: "meta_bg", verdict: "read", reason: "group descriptors are spread over the disk" },
  { bit: 0x40, name: "extents", verdict: "read", reason: "files are mapped by extent trees" },
  { bit: INCOMPAT_64BIT, name: "64bit", verdict: "read", reason: "block numbers have a high half" },
  { bit: 0x100, name: "mmp", verdict: "ignored", reason: "guards against a second writer, and we never write" },
  {
    bit: 0x200,
    name: "flex_bg",
    verdict: "ignored",
    reason: "tables may lie in another group: we look them up anyway",
  },
  { bit: 0x400, name: "ea_inode", verdict: "ignored", reason: "only where large extended attributes lie" },
  { bit: 0x1000, name: "dirdata", verdict: "refused", reason: "directory entries carry data behind their names" },
  { bit: 0x2000, name: "metadata_csum_seed", verdict: "ignored", reason: "only how checksums begin" },
  { bit: 0x4000, name: "large_dir", verdict: "ignored", reason: "only how deep a folder's index may be" },
  { bit: 0x8000, name: "inline_data", verdict: "read", reason: "small files lie in their inodes" },
  { bit: 0x10000, name: "encrypt", verdict: "ignored", reason: "only files that are encrypted cannot be read" },
  { bit: 0x20000, name: "casefold", verdict: "ignored", reason: "exact names are found without folding" },
];

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
  refuseUnreadable(incompat);

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
    uuid: uuidOf(reader.bytes(0x68, 16, "s_uuid")),
    label: textOf(reader.bytes(0x78, 16, "s_volume_name")),
    notes:
      (incompat & INCOMPAT_RECOVER) === 0
        ? []
        : ["the filesystem was not unmounted: its journal may hold newer content, which is not read yet"],
  };
  checkNumbers(superblock);
  return superblock;
}

function refuseUnreadable(incompat: number): void {
  const refused = INCOMPATIBLE_FEATURES.filter(({ bit, verdict }) => verdict === "refused" && (incompat & bit) !== 0);
  const known = INCOMPATIBLE_FEATURES.reduce((bits, { bit }) => bits | bit, 0);
  const unknown = (incompat & ~known) >>> 0;
  const names = refused.map(({ name, reason }) => `${name} (${reason})`);
  if (unknown !== 0) names.push(`0x${unknown.toString(16)} (not known)`);
  if (names.length === 0) return;
  throw new GuestbootError(
    "FEATURE_UNSUPPORTED",
    `ext filesystem with a feature that cannot be read: ${names.join(", ")}`,
  );
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

/** As blkid tells them apart: ext4 has a feature that ext3's driver does not know; ext3 is ext2 with a journal. */
function typeOf(compat: number, incompat: number, roCompat: number): Superblock["type"] {
  const ext3Incompat = INCOMPAT_FILETYPE | INCOMPAT_RECOVER | INCOMPAT_META_BG;
  const ext3RoCompat = 0x7;
  if ((incompat & ~ext3Incompat) !== 0 || (roCompat & ~ext3RoCompat) !== 0) return "ext4";
  return (compat & COMPAT_HAS_JOURNAL) === 0 ? "ext2" : "ext3";
}

function uuidOf(bytes: Uint8Array): string | null {
  if (bytes.every((byte) => byte === 0)) return null;
  const hex = Buffer.from(bytes).toString("hex");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function textOf(bytes: Uint8Array): string | null {
  const end = bytes.indexOf(0);
  const text = decodeText(end === -1 ? bytes : bytes.subarray(0, end));
  return text === "" ? null : text;
}

export function damaged(what: string): GuestbootError {
  return new GuestbootError("FILESYSTEM_DAMAGED", `damaged ext filesystem: ${what}`, {
    hint: "e2fsck -n on the volume tells more",
  });
}
