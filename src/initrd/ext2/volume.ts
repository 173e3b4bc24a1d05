/**
 * An ext2 image that is being changed: its groups with their bitmaps in memory, its blocks by number.
 *
 * Changed blocks are gathered and written by `flush` and `finish`. From `begin` to `finish` the image has no magic
 * number: a result that is not complete cannot be taken for an image.
 * Specification: https://www.nongnu.org/ext2-doc/ext2.html
 */
import { CheckedReader } from "../../base/checked-reader.ts";
import { GuestbootError } from "../../base/errors.ts";
import type { ImageFile } from "./image-file.ts";
import {
  COMPAT_RESIZE_INODE,
  damaged,
  DESCRIPTOR_SIZE,
  FIELD,
  MAGIC,
  readSuperblock,
  SUPERBLOCK_OFFSET,
  SUPERBLOCK_SIZE,
  type Superblock,
} from "./superblock.ts";

/** A block group; `…At` are block numbers. Bit 0 of a bitmap is the group's first block or inode. */
export interface Group {
  readonly number: number;
  readonly firstBlock: number;
  readonly blockBitmapAt: number;
  readonly inodeBitmapAt: number;
  readonly blockBitmap: Uint8Array;
  readonly inodeBitmap: Uint8Array;
  tableAt: number;
  freeBlocks: number;
  freeInodes: number;
  directories: number;
}

/** Blocks that wait to be written before `flush` is worth its while: 4 to 16 MiB. */
const ENOUGH_CHANGED = 4096;

export class Volume {
  readonly file: ImageFile;
  readonly superblock: Superblock;
  readonly groups: Group[];
  /** Bytes that the image may grow to. */
  readonly limit: number;
  blockCount: number;
  blocksPerGroup: number;
  inodesPerGroup: number;
  hasResizeInode: boolean;
  /** Must the copies of superblock and descriptors be written too? Only what does not change often differs there. */
  layoutChanged = false;
  readonly #changed = new Map<number, Uint8Array>();

  /** @throws as `readSuperblock`; FILE_TOO_LARGE for an image over the limit; FILESYSTEM_DAMAGED for descriptors that point out of their groups */
  constructor(file: ImageFile, limit: number) {
    this.file = file;
    this.limit = limit;
    this.superblock = readSuperblock(file, file.what);
    this.blockCount = this.superblock.blockCount;
    if (this.blockCount > limit / this.blockSize) {
      throw new GuestbootError(
        "FILE_TOO_LARGE",
        `${file.what}: an ext2 image of ${(this.blockCount / 1024) * this.blockSize} KiB; at most ${Math.floor(limit / 1024)} KiB are taken`,
      );
    }
    this.hasResizeInode = this.superblock.hasResizeInode;
    this.blocksPerGroup = this.superblock.blocksPerGroup;
    this.inodesPerGroup = this.superblock.inodesPerGroup;
    this.groups = [];
    const count = this.superblock.inodeCount / this.inodesPerGroup;
    for (let number = 0; number < count; number++) this.groups.push(this.#readGroup(number));
  }

  get blockSize(): number {
    return this.superblock.blockSize;
  }

  get inodeCount(): number {
    return this.groups.length * this.inodesPerGroup;
  }

  /** How many blocks a group's inode table takes. */
  get tableBlocks(): number {
    return Math.ceil((this.inodesPerGroup * this.superblock.inodeSize) / this.blockSize);
  }

  /** How many blocks the group descriptors take, in each place. */
  get descriptorBlocks(): number {
    return Math.ceil((this.groups.length * DESCRIPTOR_SIZE) / this.blockSize);
  }

  /** Does a copy of superblock and descriptors stand at the group's start? */
  hasSuperblock(group: number): boolean {
    if (group <= 1 || !this.superblock.hasSparseSuperblocks) return true;
    return [3, 5, 7].some((base) => isPowerOf(base, group));
  }

  /** How many blocks a group has, past its end those that the image does not have. */
  blocksOf(group: Group): number {
    return Math.min(this.blocksPerGroup, this.blockCount - group.firstBlock);
  }

  /** A block's bytes, to be read only. @throws FILESYSTEM_DAMAGED outside the image */
  block(number: number): Uint8Array {
    this.#checkNumber(number);
    return this.#changed.get(number) ?? this.file.read(number * this.blockSize, this.blockSize);
  }

  /** A block's bytes, to be changed; not across a `flush`. */
  change(number: number): Uint8Array {
    const bytes = this.block(number);
    this.#changed.set(number, bytes);
    return bytes;
  }

  /** A block of zeros in place of whatever was there, to be changed. */
  clear(number: number): Uint8Array {
    this.#checkNumber(number);
    const bytes = new Uint8Array(this.blockSize);
    this.#changed.set(number, bytes);
    return bytes;
  }

  /** Content, for as many blocks from `number` on as it has; written at once. */
  writeContent(number: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += this.blockSize) this.#changed.delete(number + at / this.blockSize);
    this.file.write(number * this.blockSize, bytes);
  }

  /** Gives a block back. @throws FILESYSTEM_DAMAGED when it is not in use */
  freeBlock(number: number): void {
    this.#checkNumber(number);
    const group = this.groups[Math.floor((number - this.superblock.firstDataBlock) / this.blocksPerGroup)];
    const bit = number - (group?.firstBlock ?? 0);
    if (group === undefined || !isSet(group.blockBitmap, bit)) {
      throw damaged(this.file.what, `block ${number} is free and in use`);
    }
    setBit(group.blockBitmap, bit, false);
    group.freeBlocks += 1;
    this.#changed.delete(number);
  }

  /** Takes the magic number away. */
  begin(): void {
    this.file.write(SUPERBLOCK_OFFSET + FIELD.magic, new Uint8Array(2));
  }

  /** Writes the changed blocks when there are many. */
  flush(): void {
    if (this.#changed.size >= ENOUGH_CHANGED) this.#writeChanged();
  }

  /** Writes all that is left, the superblock with its magic number last. */
  finish(): void {
    this.#writeChanged();
    for (const group of this.groups) {
      this.file.write(group.blockBitmapAt * this.blockSize, group.blockBitmap);
      this.file.write(group.inodeBitmapAt * this.blockSize, group.inodeBitmap);
    }
    const descriptors = this.#descriptors();
    const copies = this.groups.filter(
      ({ number }) => number === 0 || (this.layoutChanged && this.hasSuperblock(number)),
    );
    for (const { number, firstBlock } of copies.reverse()) {
      this.file.write((firstBlock + 1) * this.blockSize, descriptors);
      const offset = number === 0 ? SUPERBLOCK_OFFSET : firstBlock * this.blockSize;
      this.file.write(offset, this.#superblockFor(number));
    }
  }

  #writeChanged(): void {
    for (const [number, bytes] of this.#changed) this.file.write(number * this.blockSize, bytes);
    this.#changed.clear();
  }

  #descriptorsAt(): number {
    return (this.superblock.firstDataBlock + 1) * this.blockSize;
  }

  #readGroup(number: number): Group {
    const { blocksPerGroup } = this;
    const { firstDataBlock } = this.superblock;
    const what = `descriptor of group ${number}`;
    const bytes = this.file.read(this.#descriptorsAt() + number * DESCRIPTOR_SIZE, DESCRIPTOR_SIZE);
    const reader = new CheckedReader(bytes, what);
    const firstBlock = firstDataBlock + number * blocksPerGroup;
    const end = Math.min(firstBlock + blocksPerGroup, this.blockCount);
    const blockIn = (offset: number, field: string, count: number) => {
      const block = reader.u32le(offset, field);
      if (block >= firstBlock && block + count <= end) return block;
      throw damaged(this.file.what, `${field} of group ${number} lies at block ${block}, outside its group`);
    };
    const blockBitmapAt = blockIn(0x0, "bg_block_bitmap", 1);
    const inodeBitmapAt = blockIn(0x4, "bg_inode_bitmap", 1);
    return {
      number,
      firstBlock,
      blockBitmapAt,
      inodeBitmapAt,
      tableAt: blockIn(0x8, "bg_inode_table", this.tableBlocks),
      blockBitmap: this.file.read(blockBitmapAt * this.blockSize, this.blockSize),
      inodeBitmap: this.file.read(inodeBitmapAt * this.blockSize, this.blockSize),
      freeBlocks: reader.u16le(0xc, "bg_free_blocks_count"),
      freeInodes: reader.u16le(0xe, "bg_free_inodes_count"),
      directories: reader.u16le(0x10, "bg_used_dirs_count"),
    };
  }

  #descriptors(): Uint8Array {
    const bytes = this.file.read(this.#descriptorsAt(), this.descriptorBlocks * this.blockSize);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (const group of this.groups) {
      const at = group.number * DESCRIPTOR_SIZE;
      view.setUint32(at, group.blockBitmapAt, true);
      view.setUint32(at + 0x4, group.inodeBitmapAt, true);
      view.setUint32(at + 0x8, group.tableAt, true);
      view.setUint16(at + 0xc, group.freeBlocks, true);
      view.setUint16(at + 0xe, group.freeInodes, true);
      view.setUint16(at + 0x10, group.directories, true);
    }
    return bytes;
  }

  #superblockFor(group: number): Uint8Array {
    const bytes = this.file.read(SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    view.setUint32(FIELD.inodeCount, this.inodeCount, true);
    view.setUint32(FIELD.blockCount, this.blockCount, true);
    view.setUint32(FIELD.blocksPerGroup, this.blocksPerGroup, true);
    view.setUint32(FIELD.fragmentsPerGroup, this.blocksPerGroup, true);
    view.setUint32(FIELD.inodesPerGroup, this.inodesPerGroup, true);
    view.setUint32(
      FIELD.freeBlocks,
      sum(this.groups, ({ freeBlocks }) => freeBlocks),
      true,
    );
    view.setUint32(
      FIELD.freeInodes,
      sum(this.groups, ({ freeInodes }) => freeInodes),
      true,
    );
    view.setUint16(FIELD.magic, MAGIC, true);
    if (this.superblock.revision === 1) view.setUint16(FIELD.groupNumber, group, true);
    if (this.superblock.hasResizeInode && !this.hasResizeInode) {
      view.setUint32(FIELD.compatible, view.getUint32(FIELD.compatible, true) & ~COMPAT_RESIZE_INODE, true);
      view.setUint16(FIELD.reservedDescriptorBlocks, 0, true);
    }
    return bytes;
  }

  #checkNumber(number: number): void {
    if (number < this.superblock.firstDataBlock || number >= this.blockCount) {
      throw damaged(this.file.what, `it speaks of block ${number} of ${this.blockCount}`);
    }
  }
}

export function isSet(bitmap: Uint8Array, bit: number): boolean {
  return ((bitmap[bit >> 3] ?? 0xff) & (1 << (bit & 7))) !== 0;
}

export function setBit(bitmap: Uint8Array, bit: number, value: boolean): void {
  const byte = bitmap[bit >> 3] ?? 0;
  const mask = 1 << (bit & 7);
  bitmap[bit >> 3] = value ? byte | mask : byte & ~mask;
}

export function sum<T>(values: Iterable<T>, of: (value: T) => number): number {
  let total = 0;
  for (const value of values) total += of(value);
  return total;
}

function isPowerOf(base: number, value: number): boolean {
  let power = base;
  while (power < value) power *= base;
  return power === value;
}
