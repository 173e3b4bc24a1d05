/**
 * Where an XFS filesystem keeps what: blocks by number, inodes by number, and whether a block is what it says it is.
 *
 * Block and inode numbers have the number of their allocation group in their upper bits. The inode indexes are not
 * consulted: an inode's number alone says where it lies, and the inode itself whether it is one.
 */
import { Budget } from "../../base/budget.ts";
import type { ByteSource } from "../../base/byte-source.ts";
import { CheckedReader } from "../../base/checked-reader.ts";
import { isIntact } from "./checksum.ts";
import { damaged } from "./damage.ts";
import { Remembered } from "./remembered.ts";
import type { Superblock } from "./superblock.ts";

/** Neighbouring inodes share a piece, and the names of one folder its index. Bytes, but at least a few pieces. */
const REMEMBERED_BYTES = 256 * 1024;
const REMEMBERED_PIECES = 16;
/** Inodes are read with their neighbours, but not with all 64 KiB that a block may have. */
const INODES_PIECE = 4096;

/**
 * Bytes of folders, of extent trees and of inodes that are looked through while one filesystem is open. A boot needs
 * some hundred kilobytes; but a path may name the same huge folder two thousand times over.
 */
const MAX_SEARCHED = 1024 ** 3;

/** A block by its place on the disk: groups do not leave gaps there, as they do in block numbers. */
export type DiskBlock = number;

/** Where a kind of block keeps what version 5 writes into all of them: byte offsets. */
export interface SelfDescription {
  readonly crc: number;
  readonly blkno: number;
  readonly uuid: number;
  readonly owner: number;
}

export class Layout {
  readonly source: ByteSource;
  readonly superblock: Superblock;
  readonly #blocks: Remembered<DiskBlock, Uint8Array>;
  readonly #inodes = new Remembered<number, Uint8Array>(REMEMBERED_BYTES / INODES_PIECE);
  readonly #folderBlocks: Remembered<string, Uint8Array>;
  readonly #searched = new Budget("bytes of folders, extent trees and inodes", MAX_SEARCHED);

  constructor(source: ByteSource, superblock: Superblock) {
    this.source = source;
    this.superblock = superblock;
    this.#blocks = new Remembered(capacityFor(superblock.blockSize));
    this.#folderBlocks = new Remembered(capacityFor(superblock.directoryBlockSize));
  }

  /** One block of an extent tree, remembered unchecked. @throws as the source */
  block(place: DiskBlock): Uint8Array {
    const { blockSize } = this.superblock;
    return this.#blocks.get(place, () => this.source.read(place * blockSize, blockSize));
  }

  /** A block of a folder, at that many bytes from the folder's start, remembered once `read` has found it good. */
  folderBlock(folder: number, offset: number, read: () => Uint8Array): Uint8Array {
    return this.#folderBlocks.get(`${folder} ${offset}`, read);
  }

  /** To be called for what is looked through. @throws BUDGET_EXCEEDED */
  spendSearch(bytes: number): void {
    this.#searched.spend(bytes);
  }

  /**
   * Where `count` blocks from the block of that number on lie.
   * @throws FILESYSTEM_DAMAGED when they are not all inside one allocation group
   */
  diskBlock(number: number, count: number, what: string): DiskBlock {
    const { groupBlockBits, groupBlocks, groupCount, blockCount } = this.superblock;
    const perGroup = 2 ** groupBlockBits;
    const group = Math.floor(number / perGroup);
    const inGroup = number % perGroup;
    const block = group * groupBlocks + inGroup;
    // The first blocks of every group are its headers: no content is ever in block 0.
    if (group >= groupCount || inGroup === 0 || inGroup + count > groupBlocks || block + count > blockCount) {
      throw damaged(`${what} is said to be in ${count} blocks from block ${inGroup} of group ${group} on`);
    }
    return block;
  }

  /** The bytes of an inode. @throws FILESYSTEM_DAMAGED for a number that no inode has */
  inode(number: number): CheckedReader {
    const { inodesPerBlockBits, inodeSize, blockSize } = this.superblock;
    const perBlock = 2 ** inodesPerBlockBits;
    const what = `inode ${number}`;
    const block = this.diskBlock(Math.floor(number / perBlock), 1, what);
    const at = block * blockSize + (number % perBlock) * inodeSize;
    // Blocks may be smaller than a piece: then their neighbours come along.
    const start = Math.floor(at / INODES_PIECE) * INODES_PIECE;
    const piece = this.#inodes.get(start, () => {
      this.spendSearch(INODES_PIECE);
      return this.source.read(start, Math.min(INODES_PIECE, this.source.size - start));
    });
    return new CheckedReader(piece.subarray(at - start, at - start + inodeSize), what);
  }

  /**
   * Version 5 blocks name the filesystem, the inode and the place that they belong to, so that a stale or stray one is
   * not taken for the right one. Version 4 has nothing to check.
   * @throws FILESYSTEM_DAMAGED
   */
  checkMetadata(bytes: Uint8Array, fields: SelfDescription, at: DiskBlock, owner: number, what: string): void {
    if (this.superblock.version !== 5) return;
    const reader = new CheckedReader(bytes, what);
    if (!isIntact(bytes, fields.crc)) throw damaged(`the checksum of ${what} is wrong`);
    this.checkUuid(reader.bytes(fields.uuid, 16, "uuid"), what);
    const place = reader.u64be(fields.blkno, "blkno");
    if (place * SECTOR !== at * this.superblock.blockSize) throw damaged(`${what} belongs at sector ${place}`);
    const named = reader.u64be(fields.owner, "owner");
    if (named !== owner) throw damaged(`${what} belongs to inode ${named}`);
  }

  /** @throws FILESYSTEM_DAMAGED when it is not the one that this filesystem signs its metadata with */
  checkUuid(uuid: Uint8Array, what: string): void {
    if (Buffer.compare(uuid, this.superblock.metadataUuid) !== 0) throw damaged(`${what} is another filesystem's`);
  }
}

/** The unit of `blkno` fields, whatever the disk's own sectors are. */
const SECTOR = 512;

function capacityFor(size: number): number {
  return Math.max(REMEMBERED_PIECES, REMEMBERED_BYTES / size);
}
