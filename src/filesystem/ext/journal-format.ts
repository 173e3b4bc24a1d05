/**
 * The journal's own structures (jbd2), all big-endian: its superblock, the header of its blocks, and the tags that say
 * which block of the filesystem a block of the journal stands for.
 * Specification: https://docs.kernel.org/filesystems/ext4/journal.html
 */
import { CheckedReader } from "../../base/checked-reader.ts";
import { GuestbootError } from "../../base/errors.ts";
import { updateCrc32c } from "../crc32c.ts";
import { damaged } from "./damage.ts";

export interface JournalSuperblock {
  /** The ring of blocks that transactions lie in: from `first` up to, not including, `end`. Counted in the journal. */
  readonly first: number;
  readonly end: number;
  /** Where the oldest transaction begins that must be replayed; 0 when there is none. */
  readonly start: number;
  /** The number of that transaction. */
  readonly sequence: number;
  /** Block numbers of 64 bits. */
  readonly is64bit: boolean;
  /** 1: a CRC-32 over each transaction; 2, 3: a CRC-32C for each block; 0: none. */
  readonly checksums: 0 | 1 | 2 | 3;
  /** What the checksums of kinds 2 and 3 begin with. */
  readonly checksumSeed: number;
  /** The first block of fast commits, which lie behind the ring; null without them. */
  readonly fastCommits: number | null;
}

export const BLOCK_HEADER_SIZE = 12;
const SUPERBLOCK_SIZE = 1024;
const MAGIC = 0xc03b3998;
const VERSION_1 = 3;
const VERSION_2 = 4;
const DEFAULT_FAST_COMMIT_BLOCKS = 256;

const COMPAT_CHECKSUM = 0x1;
const INCOMPAT_64BIT = 0x2;
const INCOMPAT_CSUM_V2 = 0x8;
const INCOMPAT_CSUM_V3 = 0x10;
const INCOMPAT_FAST_COMMIT = 0x20;
/** The others: revoke records, and commits that do not wait (which only a writer must know). */
const INCOMPAT_KNOWN = 0x1 | INCOMPAT_64BIT | 0x4 | INCOMPAT_CSUM_V2 | INCOMPAT_CSUM_V3 | INCOMPAT_FAST_COMMIT;

/**
 * @param blocks how many the journal has; `blockSize` is the filesystem's, in bytes
 * @throws FEATURE_UNSUPPORTED, FILESYSTEM_DAMAGED
 */
export function readJournalSuperblock(block: Uint8Array, blocks: number, blockSize: number): JournalSuperblock {
  const reader = new CheckedReader(block, "journal superblock");
  const header = readBlockHeader(reader);
  if (header?.type !== VERSION_1 && header?.type !== VERSION_2) throw damaged("its journal has no superblock");
  const has = (offset: number, field: string) => (header.type === VERSION_2 ? reader.u32be(offset, field) : 0);
  const compat = has(0x24, "s_feature_compat");
  const incompat = has(0x28, "s_feature_incompat");
  const unknown = (incompat & ~INCOMPAT_KNOWN) >>> 0;
  if (unknown !== 0) {
    const message = `ext filesystem whose journal has a feature that cannot be read: 0x${unknown.toString(16)}`;
    throw new GuestbootError("FEATURE_UNSUPPORTED", message, { hint: "run e2fsck on the volume" });
  }
  if ((incompat & INCOMPAT_CSUM_V2) !== 0 && (incompat & INCOMPAT_CSUM_V3) !== 0) {
    throw damaged("its journal has checksums of two kinds");
  }
  const checksums = checksumsOf(compat, incompat);
  if (checksums >= 2 && !isIntactAt(~0, block.subarray(0, SUPERBLOCK_SIZE), 0xfc)) {
    throw damaged("the superblock of its journal does not have the checksum that it says");
  }
  const [first, length, start] = [
    reader.u32be(0x14, "s_first"),
    reader.u32be(0x10, "s_maxlen"),
    reader.u32be(0x1c, "s_start"),
  ];
  if (reader.u32be(0xc, "s_blocksize") !== blockSize) throw damaged("its journal has blocks of another size");
  const hasFastCommits = (incompat & INCOMPAT_FAST_COMMIT) !== 0;
  const fastBlocks = hasFastCommits ? reader.u32be(0x54, "s_num_fc_blks") || DEFAULT_FAST_COMMIT_BLOCKS : 0;
  const end = length - fastBlocks;
  if (length > blocks || first < 1 || first >= end || (start !== 0 && (start < first || start >= end))) {
    throw damaged(`its journal of ${blocks} blocks is said to be in ${first} to ${length}, and to begin at ${start}`);
  }
  return {
    first,
    end,
    start,
    sequence: reader.u32be(0x18, "s_sequence"),
    is64bit: (incompat & INCOMPAT_64BIT) !== 0,
    checksums,
    checksumSeed: checksums >= 2 ? updateCrc32c(~0, reader.bytes(0x30, 16, "s_uuid")) : 0,
    fastCommits: hasFastCommits ? end : null,
  };
}

function checksumsOf(compat: number, incompat: number): JournalSuperblock["checksums"] {
  if ((incompat & INCOMPAT_CSUM_V3) !== 0) return 3;
  if ((incompat & INCOMPAT_CSUM_V2) !== 0) return 2;
  return (compat & COMPAT_CHECKSUM) === 0 ? 0 : 1;
}

/** Kind and transaction of a block; null for one that has no header. */
export function readBlockHeader(block: CheckedReader): { readonly type: number; readonly sequence: number } | null {
  if (block.u32be(0, "h_magic") !== MAGIC) return null;
  return { type: block.u32be(4, "h_blocktype"), sequence: block.u32be(8, "h_sequence") };
}

/** Does a block hold the CRC-32C of itself at `field`, where that field counts as zeros? */
export function isIntactAt(seed: number, block: Uint8Array, field: number): boolean {
  const before = updateCrc32c(seed, block, 0, field);
  const across = updateCrc32c(before, new Uint8Array(4));
  return updateCrc32c(across, block, field + 4) === new CheckedReader(block, "journal block").u32be(field, "checksum");
}

export interface Tag {
  /** The block of the filesystem. */
  readonly block: number;
  /** The block began with the journal's magic number, which was replaced by zeros. */
  readonly isEscaped: boolean;
  /** Of the block as it is in the journal; 16 bits in kind 2. */
  readonly checksum: number;
}

const FLAG_ESCAPED = 0x1;
const FLAG_SAME_UUID = 0x2;
const FLAG_LAST = 0x8;
const UUID_SIZE = 16;

/** The tags of a descriptor block, in the order of the blocks behind it. @throws FILESYSTEM_DAMAGED, OUT_OF_BOUNDS */
export function readTags(journal: JournalSuperblock, block: CheckedReader): Tag[] {
  const tags: Tag[] = [];
  const isWide = journal.checksums === 3;
  const size = tagSize(journal);
  const end = block.length - tailSize(journal);
  for (let at = BLOCK_HEADER_SIZE; at + size <= end;) {
    const flags = isWide ? block.u32be(at + 4, "t_flags") : block.u16be(at + 6, "t_flags");
    const high = journal.is64bit ? block.u32be(at + 8, "t_blocknr_high") : 0;
    const number = block.u32be(at, "t_blocknr") + high * 2 ** 32;
    if (!Number.isSafeInteger(number)) throw damaged(`its journal names block ${number}`);
    tags.push({
      block: number,
      isEscaped: (flags & FLAG_ESCAPED) !== 0,
      checksum: isWide ? block.u32be(at + 12, "t_checksum") : block.u16be(at + 4, "t_checksum"),
    });
    at += size + ((flags & FLAG_SAME_UUID) === 0 ? UUID_SIZE : 0);
    if ((flags & FLAG_LAST) !== 0) break;
  }
  return tags;
}

/** As jbd2 lays them out: kind 2 has two bytes more that nothing uses. */
function tagSize({ checksums, is64bit }: JournalSuperblock): number {
  if (checksums === 3) return 16;
  return 8 + (is64bit ? 4 : 0) + (checksums === 2 ? 2 : 0);
}

/** Descriptors and revoke blocks end with their checksum. */
export function tailSize({ checksums }: JournalSuperblock): number {
  return checksums >= 2 ? 4 : 0;
}

/** The blocks that a revoke block names: what older transactions say of them counts no more. @throws as `readTags` */
export function readRevoked(journal: JournalSuperblock, block: CheckedReader): number[] {
  const width = journal.is64bit ? 8 : 4;
  const end = block.u32be(BLOCK_HEADER_SIZE, "r_count");
  if (end > block.length - tailSize(journal)) throw damaged(`a revoke block of its journal says it has ${end} bytes`);
  const revoked: number[] = [];
  for (let at = BLOCK_HEADER_SIZE + 4; at + width <= end; at += width) {
    revoked.push(journal.is64bit ? block.u64be(at, "block number") : block.u32be(at, "block number"));
  }
  return revoked;
}

/** Is a block of the journal what its tag says? */
export function isIntactData(journal: JournalSuperblock, sequence: number, tag: Tag, bytes: Uint8Array): boolean {
  if (journal.checksums < 2) return true;
  const number = Buffer.alloc(4);
  number.writeUInt32BE(sequence);
  const checksum = updateCrc32c(updateCrc32c(journal.checksumSeed, number), bytes);
  return (journal.checksums === 2 ? checksum & 0xffff : checksum) === tag.checksum;
}
