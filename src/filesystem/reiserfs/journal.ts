/**
 * A filesystem that was not unmounted, as it reads after its journal was replayed: a byte source over the volume in
 * which the blocks that the journal holds stand in their places. Replayed in memory only; the disk is never written.
 *
 * The journal is a ring of transactions: a block that describes, the blocks' new content, a block that commits. One that
 * has no commit, or whose number is not the next, ends it. Not read: a journal on another device.
 * Specification: Florian Buchholz, "The structure of the Reiser file system", section "The journal".
 */
import { firstIndex } from "../../base/first-index.ts";
import { checkRange, targetOf, type ByteSource, type DiskRange } from "../../base/byte-source.ts";
import { CheckedReader } from "../../base/checked-reader.ts";
import { GuestbootError } from "../../base/errors.ts";
import { damaged } from "./damage.ts";
import { readSuperblock, type Superblock } from "./superblock.ts";

export interface Recovered {
  readonly source: ByteSource;
  readonly superblock: Superblock;
  readonly notes: readonly string[];
}

/**
 * The volume and its superblock after the replay; as they are when nothing waits in the journal.
 * @throws FEATURE_UNSUPPORTED for a journal that is needed and on another device; FILESYSTEM_DAMAGED, OUT_OF_BOUNDS
 */
export function recover(source: ByteSource): Recovered {
  const superblock = readSuperblock(source);
  if (superblock.journal.isExternal) {
    if (superblock.isClean) return { source, superblock, notes: [] };
    throw new GuestbootError(
      "FEATURE_UNSUPPORTED",
      "ReiserFS filesystem that was not unmounted, and whose journal is on another device",
      { hint: "mount it once in the guest" },
    );
  }
  const { blocks, transactions } = replay(source, superblock);
  if (blocks.size === 0) return { source, superblock, notes: [] };
  const recovered = recoveredSource(source, superblock.blockSize, blocks);
  const note = `the filesystem was not unmounted: ${blocks.size} blocks of ${transactions} transactions are read from its journal`;
  const after = readSuperblock(recovered);
  if (after.blockSize !== superblock.blockSize) throw damaged("its journal changes the size of its blocks");
  return { source: recovered, superblock: after, notes: [note] };
}

const MAGIC = "ReIsErLB";
/** From the end of a describing block. */
const MAGIC_DISTANCE = 12;
/** Transaction, length, and (in a describing block) the mount; then the numbers of blocks. */
const DESCRIPTION_HEADER = 12;
const COMMIT_HEADER = 8;
/** Bytes at a block's end that hold no numbers of blocks. */
const TRAILER = 12;
/** The largest journal that mkreiserfs makes has 32,749 blocks of 4 KiB. */
const MAX_JOURNAL_BLOCKS = 262_144;

interface Replayed {
  /** By the filesystem's block: the block in which its newest content lies. */
  readonly blocks: ReadonlyMap<number, number>;
  readonly transactions: number;
}

function replay(source: ByteSource, { blockSize, blockCount, journal }: Superblock): Replayed {
  const { first, size } = journal;
  if (size < 1 || size > MAX_JOURNAL_BLOCKS) throw damaged(`its journal has ${size} blocks`);
  if (first === 0 || first + size >= blockCount) throw damaged(`its journal lies at block ${first} of ${blockCount}`);
  const read = (block: number) =>
    new CheckedReader(source.read(block * blockSize, blockSize), `ReiserFS journal block ${block}`);
  const header = read(first + size);
  let expected = (header.u32le(0, "jh_last_flushed") + 1) >>> 0;
  let at = header.u32le(4, "jh_first_unflushed_offset");
  const blocks = new Map<number, number>();
  let transactions = 0;
  if (at >= size) throw damaged(`its journal begins at ${at} of ${size} blocks`);
  const lastMount = header.u32le(8, "jh_mount_id");
  for (let left = size; left > 0;) {
    const description = read(first + at);
    const transaction = readTransaction(description, blockSize);
    if (transaction?.number !== expected || transaction.mount < lastMount) break;
    const { length } = transaction;
    // Its own two blocks and the content.
    if (length + 2 > left) break;
    const commit = read(first + ((at + length + 1) % size));
    if (commit.u32le(0, "j_trans_id") !== expected || commit.u32le(4, "j_len") !== length) break;
    for (const [index, block] of numbersOf(description, commit, length, blockSize).entries()) {
      if (block === 0 || block >= blockCount) throw damaged(`its journal writes block ${block} of ${blockCount}`);
      if (block >= first && block <= first + size) throw damaged("its journal writes itself");
      blocks.set(block, first + ((at + 1 + index) % size));
    }
    left -= length + 2;
    at = (at + length + 2) % size;
    expected = (expected + 1) >>> 0;
    transactions += 1;
  }
  return { blocks, transactions };
}

/** null for a block that describes no transaction. */
function readTransaction(block: CheckedReader, blockSize: number) {
  const magic = block.bytes(blockSize - MAGIC_DISTANCE, MAGIC.length, "magic");
  if (Buffer.from(magic).toString("latin1") !== MAGIC) return null;
  const length = block.u32le(4, "j_len");
  if (length === 0 || length > numbersIn(blockSize) * 2) return null;
  return { number: block.u32le(0, "j_trans_id"), length, mount: block.u32le(8, "j_mount_id") };
}

/** How many numbers of blocks each of the two blocks has room for. */
function numbersIn(blockSize: number): number {
  return (blockSize - DESCRIPTION_HEADER - TRAILER) / 4;
}

function numbersOf(description: CheckedReader, commit: CheckedReader, length: number, blockSize: number): number[] {
  const half = numbersIn(blockSize);
  return Array.from({ length }, (_, index) =>
    index < half
      ? description.u32le(DESCRIPTION_HEADER + index * 4, "j_realblock")
      : commit.u32le(COMMIT_HEADER + (index - half) * 4, "j_realblock"),
  );
}

function recoveredSource(source: ByteSource, blockSize: number, blocks: Replayed["blocks"]): ByteSource {
  /** The numbers of all replaced blocks, ascending. */
  const replaced = Float64Array.from(blocks.keys()).sort();
  /** The next bytes that lie in one piece: where, and how many. */
  const pieceAt = (offset: number, length: number) => {
    const block = Math.floor(offset / blockSize);
    const stands = blocks.get(block);
    if (stands !== undefined) {
      const inBlock = offset % blockSize;
      return { from: stands * blockSize + inBlock, count: Math.min(length, blockSize - inBlock) };
    }
    return { from: offset, count: Math.min(length, nextAfter(replaced, block) * blockSize - offset) };
  };
  return {
    size: source.size,
    read(offset, length, into) {
      checkRange(offset, length, source.size, "volume");
      const target = targetOf(length, into);
      for (let at = 0; at < length;) {
        const { from, count } = pieceAt(offset + at, length - at);
        source.read(from, count, target.subarray(at, at + count));
        at += count;
      }
      return target;
    },
    onDisk(offset, length): DiskRange | null {
      checkRange(offset, length, source.size, "volume");
      const { from, count } = pieceAt(offset, length);
      return source.onDisk?.(from, count) ?? null;
    },
  };
}

/** The first of the ascending numbers that is larger; Infinity behind the last. */
function nextAfter(numbers: Float64Array, number: number): number {
  return numbers[firstIndex(numbers.length, (index) => (numbers[index] ?? Infinity) > number)] ?? Infinity;
}
