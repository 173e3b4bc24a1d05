/**
 * Where an ext filesystem keeps what: blocks by number, group descriptors, inodes by number.
 * Specification: https://docs.kernel.org/filesystems/ext4/blockgroup.html
 */
import type { ByteSource } from "../../base/byte-source.ts";
import { Budget } from "../../base/budget.ts";
import { CheckedReader } from "../../base/checked-reader.ts";
import { damaged } from "./damage.ts";
import { inodeAfter, type FastChanges } from "./fast-changes.ts";
import { SUPERBLOCK_OFFSET, type Superblock } from "./superblock.ts";

/** A few blocks are remembered: neighbouring inodes and descriptors share theirs. */
const REMEMBERED_BLOCKS = 16;

/**
 * Bytes of folders and of files' maps that are looked through while one filesystem is open. A boot needs some hundred
 * kilobytes; but a path may name the same huge folder two thousand times over.
 */
const MAX_SEARCHED = 2 * 1024 ** 3;

export class Layout {
  readonly superblock: Superblock;
  readonly source: ByteSource;
  /** What stands in place of inodes, pieces of files and names of folders. */
  readonly changes: FastChanges | null;
  readonly #remembered = new Map<number, Uint8Array>();
  readonly #searched = new Budget("bytes of folders and block maps", MAX_SEARCHED);

  constructor(source: ByteSource, superblock: Superblock, changes: FastChanges | null = null) {
    this.source = source;
    this.changes = changes;
    this.superblock = superblock;
  }

  /** One block, remembered; for metadata. @throws FILESYSTEM_DAMAGED for a number outside the filesystem */
  block(number: number, what: string): CheckedReader {
    let bytes = this.#remembered.get(number);
    if (bytes === undefined) {
      const { blockSize } = this.superblock;
      bytes = this.source.read(this.byteOffset(number, 1, what), blockSize);
      if (this.#remembered.size === REMEMBERED_BLOCKS) this.#remembered.delete(firstOf(this.#remembered));
      this.#remembered.set(number, bytes);
    }
    return new CheckedReader(bytes, what);
  }

  /** To be called for every block of a folder or of a file's map. @throws BUDGET_EXCEEDED */
  spendSearch(bytes: number): void {
    this.#searched.spend(bytes);
  }

  /** Where `count` blocks begin, in bytes. @throws FILESYSTEM_DAMAGED when they are not all inside the filesystem */
  byteOffset(number: number, count: number, what: string): number {
    const { blockCount, blockSize } = this.superblock;
    if (number <= 0 || number + count > blockCount) {
      throw damaged(`${what} is said to be in blocks ${number} + ${count} of ${blockCount}`);
    }
    return number * blockSize;
  }

  /** The bytes of an inode. @throws FILESYSTEM_DAMAGED for a number that no inode has */
  inode(number: number): CheckedReader {
    const { inodeCount, inodesPerGroup, inodeSize, blockSize } = this.superblock;
    if (number < 1 || number > inodeCount) throw damaged(`inode ${number} of ${inodeCount} is named`);
    const group = Math.floor((number - 1) / inodesPerGroup);
    const offset = ((number - 1) % inodesPerGroup) * inodeSize;
    const block = this.#inodeTable(group) + Math.floor(offset / blockSize);
    const what = `inode ${number}`;
    const onDisk = this.block(block, what).bytes(offset % blockSize, inodeSize, what);
    const changed = this.changes?.inodes.get(number);
    return new CheckedReader(changed === undefined ? onDisk : inodeAfter(onDisk, changed), what);
  }

  #inodeTable(group: number): number {
    const { blockSize, descriptorSize } = this.superblock;
    const perBlock = blockSize / descriptorSize;
    const block = this.block(this.#descriptorBlock(Math.floor(group / perBlock)), "group descriptors");
    const at = (group % perBlock) * descriptorSize;
    const low = block.u32le(at + 0x8, "bg_inode_table_lo");
    const high = descriptorSize >= 64 ? block.u32le(at + 0x28, "bg_inode_table_hi") : 0;
    return low + high * 2 ** 32;
  }

  /** Descriptors lie behind the first superblock, or (meta_bg) each block of them in the groups that it describes. */
  #descriptorBlock(metaGroup: number): number {
    const { firstDataBlock, hasMetaGroups, firstMetaGroup, blockSize, descriptorSize, blocksPerGroup } =
      this.superblock;
    // Not the first data block: with 1 KiB blocks and clusters (bigalloc) that is 0, and the superblock is in block 1.
    const superblockNumber = Math.floor(SUPERBLOCK_OFFSET / blockSize);
    if (!hasMetaGroups || metaGroup < firstMetaGroup || metaGroup === 0) return superblockNumber + 1 + metaGroup;
    const group = metaGroup * (blockSize / descriptorSize);
    return firstDataBlock + group * blocksPerGroup + (this.#hasSuperblock(group) ? 1 : 0);
  }

  #hasSuperblock(group: number): boolean {
    const { backupGroups, hasSparseSuperblocks } = this.superblock;
    if (backupGroups !== null) return backupGroups.includes(group);
    if (!hasSparseSuperblocks || group === 1) return true;
    return [3, 5, 7].some((base) => isPowerOf(base, group));
  }
}

function isPowerOf(base: number, value: number): boolean {
  let power = base;
  while (power < value) power *= base;
  return power === value;
}

function firstOf(map: ReadonlyMap<number, unknown>): number {
  for (const key of map.keys()) return key;
  return 0;
}
