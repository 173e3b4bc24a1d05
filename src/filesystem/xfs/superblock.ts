/**
 * The superblock of XFS, versions 4 and 5. Only the first one is read, not the copies in the other allocation groups.
 * Specification: XFS Algorithms & Data Structures, "Superblocks"
 * (https://mirrors.edge.kernel.org/pub/linux/utils/fs/xfs/docs/xfs_filesystem_structure.pdf)
 */
import type { ByteSource } from "../../base/byte-source.ts";
import { CheckedReader } from "../../base/checked-reader.ts";
import { GuestbootError } from "../../base/errors.ts";
import { isIntact } from "./checksum.ts";
import { nameText, uuidText } from "../volume-names.ts";
import { damaged } from "./damage.ts";
import {
  FEATURES2_FTYPE,
  INCOMPAT_FTYPE,
  INCOMPAT_META_UUID,
  INCOMPAT_NEEDSREPAIR,
  refuseUnreadable,
  VERSION_ASCII_CI,
  VERSION_MOREBITS,
  type FeatureWords,
} from "./features.ts";

export interface Superblock {
  readonly version: 4 | 5;
  /** Bytes, a power of 2 from 512 to 65536. */
  readonly blockSize: number;
  readonly blockCount: number;
  /** Blocks of an allocation group; the last one may have fewer. */
  readonly groupBlocks: number;
  readonly groupCount: number;
  /** In a block number, the bits that count blocks inside their group. */
  readonly groupBlockBits: number;
  /** Bytes, from 256 to 2048. */
  readonly inodeSize: number;
  /** In an inode number, the bits that count inodes inside their block. */
  readonly inodesPerBlockBits: number;
  readonly rootInode: number;
  /** Bytes: folders are made of blocks of this size, one or more filesystem blocks each. */
  readonly directoryBlockSize: number;
  /** Do directory entries carry a type byte? */
  readonly hasFileTypes: boolean;
  readonly ignoresCase: boolean;
  /** The first block of the log (a block number), 0 when it is on another device. */
  readonly logStart: number;
  readonly logBlocks: number;
  readonly uuid: string;
  /** What version 5 signs blocks with. */
  readonly metadataUuid: Uint8Array;
  readonly label: string | null;
  readonly needsRepair: boolean;
  readonly features: FeatureWords;
}

const MAGIC = 0x58465342;
const SIZE = 512;
const CHECKSUM = 224;
const MAX_DIRECTORY_BLOCK_BITS = 16;

/** Is there an XFS superblock at all? Cheap, and no proof. */
export function hasXfsMagic(source: ByteSource): boolean {
  if (source.size < SIZE) return false;
  return new CheckedReader(source.read(0, 4), "XFS superblock").u32be(0, "sb_magicnum") === MAGIC;
}

/** @throws FEATURE_UNSUPPORTED naming the feature; FILESYSTEM_DAMAGED for numbers that cannot be */
export function readSuperblock(source: ByteSource): Superblock {
  const reader = new CheckedReader(source.read(0, SIZE), "XFS superblock");
  const versionnum = reader.u16be(100, "sb_versionnum");
  const version = versionnum & 0xf;
  if (version !== 4 && version !== 5) {
    throw new GuestbootError("FEATURE_UNSUPPORTED", `XFS of version ${version}: only 4 and 5 can be read`);
  }
  if (version === 5) checkIntact(source, reader);
  const features = featureWords(reader, version);
  refuseUnreadable(features);
  if (reader.u8(126, "sb_inprogress") !== 0) throw damaged("mkfs.xfs did not finish making it");

  const uuid = reader.bytes(32, 16, "sb_uuid");
  const blockBits = bitsOf(reader.u32be(4, "sb_blocksize"), reader.u8(120, "sb_blocklog"), 9, 16, "block");
  const inodeBits = bitsOf(reader.u16be(104, "sb_inodesize"), reader.u8(122, "sb_inodelog"), 8, 11, "inode");
  const directoryBits = blockBits + reader.u8(192, "sb_dirblklog");
  if (directoryBits > MAX_DIRECTORY_BLOCK_BITS) throw damaged(`a folder's block has 2^${directoryBits} bytes`);
  const superblock: Superblock = {
    version,
    blockSize: 2 ** blockBits,
    blockCount: reader.u64be(8, "sb_dblocks"),
    groupBlocks: reader.u32be(84, "sb_agblocks"),
    groupCount: reader.u32be(88, "sb_agcount"),
    groupBlockBits: reader.u8(124, "sb_agblklog"),
    inodeSize: 2 ** inodeBits,
    inodesPerBlockBits: reader.u8(123, "sb_inopblog"),
    rootInode: reader.u64be(56, "sb_rootino"),
    directoryBlockSize: 2 ** directoryBits,
    hasFileTypes:
      version === 5 ? (features.incompat & INCOMPAT_FTYPE) !== 0 : (features.features2 & FEATURES2_FTYPE) !== 0,
    ignoresCase: (features.versionnum & VERSION_ASCII_CI) !== 0,
    logStart: reader.u64be(48, "sb_logstart"),
    logBlocks: reader.u32be(96, "sb_logblocks"),
    uuid: uuidText(uuid),
    metadataUuid: (features.incompat & INCOMPAT_META_UUID) === 0 ? uuid : reader.bytes(248, 16, "sb_meta_uuid"),
    label: nameText(reader.bytes(108, 12, "sb_fname")),
    needsRepair: (features.incompat & INCOMPAT_NEEDSREPAIR) !== 0,
    features,
  };
  checkNumbers(superblock, blockBits - inodeBits);
  return superblock;
}

/** The checksum covers a sector, whose size is one of the things that it guards. */
function checkIntact(source: ByteSource, reader: CheckedReader): void {
  const size = reader.u16be(102, "sb_sectsize");
  bitsOf(size, reader.u8(121, "sb_sectlog"), 9, 15, "sector");
  if (!isIntact(source.read(0, Math.min(size, source.size)), CHECKSUM)) {
    throw damaged("the superblock's checksum is wrong");
  }
}

function featureWords(reader: CheckedReader, version: 4 | 5): FeatureWords {
  const versionnum = reader.u16be(100, "sb_versionnum") & 0xfff0;
  // A slip of early 64-bit kernels put sb_features2 four bytes too far: what is in either place counts.
  const features2 = reader.u32be(200, "sb_features2") | reader.u32be(204, "sb_bad_features2");
  const word = (offset: number, field: string) => (version === 5 ? reader.u32be(offset, field) : 0);
  return {
    versionnum,
    features2: (versionnum & VERSION_MOREBITS) === 0 ? 0 : features2 >>> 0,
    roCompat: word(212, "sb_features_ro_compat"),
    incompat: word(216, "sb_features_incompat"),
    logIncompat: word(220, "sb_features_log_incompat"),
  };
}

/** The logarithm of a size that is stored both ways. */
function bitsOf(size: number, bits: number, least: number, most: number, what: string): number {
  if (bits < least || bits > most || size !== 2 ** bits) throw damaged(`a ${what} has ${size} bytes, or 2^${bits}`);
  return bits;
}

function checkNumbers(superblock: Superblock, inodesPerBlockBits: number): void {
  const { blockSize, blockCount, groupBlocks, groupCount, groupBlockBits } = superblock;
  if (superblock.inodesPerBlockBits !== inodesPerBlockBits || inodesPerBlockBits < 1) {
    throw damaged(`a block of ${blockSize} bytes has 2^${superblock.inodesPerBlockBits} inodes`);
  }
  if (groupBlocks === 0 || groupBlockBits > 31 || groupBlocks > 2 ** groupBlockBits) {
    throw damaged(`an allocation group has ${groupBlocks} blocks, numbered with ${groupBlockBits} bits`);
  }
  if (blockCount > groupBlocks * groupCount || blockCount <= groupBlocks * (groupCount - 1)) {
    throw damaged(`${blockCount} blocks are in ${groupCount} groups of ${groupBlocks}`);
  }
  if (!Number.isSafeInteger(blockCount * blockSize)) throw damaged(`it has ${blockCount} blocks`);
}
