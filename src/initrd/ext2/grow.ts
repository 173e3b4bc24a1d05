/**
 * Makes an image longer: its last group up to the size of the others, then more groups, each with bitmaps and an inode
 * table of its own. More inodes come with another group; an image of a single group gets a longer inode table instead.
 *
 * In small steps: a kernel with a ramdisk of a fixed size has to take the image whole. The descriptors keep the blocks
 * that they have; where another group needs one more block of descriptors, it is taken right behind them if it is free
 * in front of each group that has a copy, and the image cannot grow otherwise. Blocks that resize2fs would use for
 * descriptors (feature resize_inode) are given back when the first group is added.
 */
import { mapBlocks } from "./block-map.ts";
import { eraseInode, readInode } from "./inode.ts";
import { DESCRIPTOR_SIZE, RESIZE_INODE } from "./superblock.ts";
import { isSet, setBit, type Group, type Volume } from "./volume.ts";

/** Blocks. */
const STEP = 32;

/** Adds blocks to the last group. @returns false when it has all it can have, or the limit is reached */
export function extendLastGroup(volume: Volume): boolean {
  const group = volume.groups.at(-1);
  if (group === undefined) return false;
  const present = volume.blocksOf(group);
  const most = mostIn(volume, group);
  if (present >= most) return false;
  extendTo(volume, group, Math.min(present + STEP, most));
  return true;
}

/**
 * Adds inodes: `count` of them if the image has a single group, else as many as a group has.
 * @returns false when the limit is reached, or there is no place for them
 */
export function addInodes(volume: Volume, count: number): boolean {
  const [group] = volume.groups;
  if (group !== undefined && volume.groups.length === 1 && lengthenTable(volume, group, count)) return true;
  // A group follows a full one only.
  while (!addGroup(volume)) if (!extendLastGroup(volume)) return false;
  return true;
}

/** Are all descriptors in use, and the last group full? */
export function isWithoutDescriptors(volume: Volume): boolean {
  const isFull = volume.groups.length * volume.blocksPerGroup === volume.blockCount - volume.superblock.firstDataBlock;
  return isFull && (volume.groups.length * DESCRIPTOR_SIZE) % volume.blockSize === 0;
}

/** Moves the inode table of the only group to where it can be longer. All inodes keep their numbers. */
function lengthenTable(volume: Volume, group: Group, count: number): boolean {
  const { blockSize, inodesPerGroup, tableBlocks } = volume;
  const perBlock = blockSize / volume.superblock.inodeSize;
  // Whole blocks, and whole bytes of the bitmap: e2fsck finds the rest of a last byte wrong, however it is set.
  const unit = Math.max(1, 8 / perBlock);
  const wanted = Math.ceil((inodesPerGroup + count) / perBlock / unit) * unit;
  const length = Math.min(wanted, (8 * blockSize) / perBlock);
  const most = mostIn(volume, group);
  const start = length > tableBlocks ? findRun(group, volume.blocksOf(group), most, length) : null;
  if (start === null) return false;
  if (start + length > volume.blocksOf(group)) extendTo(volume, group, start + length);

  for (let index = 0; index < length; index++) {
    setBit(group.blockBitmap, start + index, true);
    const bytes = index < tableBlocks ? volume.block(group.tableAt + index).slice() : new Uint8Array(blockSize);
    // Behind the last inode of a table that ends within a block anything may stand.
    bytes.fill(0, Math.max(0, (inodesPerGroup - index * perBlock) * volume.superblock.inodeSize));
    volume.writeContent(group.firstBlock + start + index, bytes);
  }
  group.freeBlocks -= length;
  for (let index = 0; index < tableBlocks; index++) volume.freeBlock(group.tableAt + index);
  group.tableAt = group.firstBlock + start;
  volume.inodesPerGroup = length * perBlock;
  for (let bit = inodesPerGroup; bit < volume.inodesPerGroup; bit++) setBit(group.inodeBitmap, bit, false);
  group.freeInodes += volume.inodesPerGroup - inodesPerGroup;
  volume.layoutChanged = true;
  return true;
}

/** The first `length` neighbouring blocks of a group that are free, or not there yet. */
function findRun(group: Group, present: number, most: number, length: number): number | null {
  let start = 0;
  for (let bit = 0; bit < most; bit++) {
    if (bit < present && isSet(group.blockBitmap, bit)) start = bit + 1;
    else if (bit + 1 - start === length) return start;
  }
  return null;
}

function extendTo(volume: Volume, group: Group, count: number): void {
  const present = volume.blocksOf(group);
  volume.file.extend((group.firstBlock + count) * volume.blockSize);
  for (let bit = present; bit < count; bit++) setBit(group.blockBitmap, bit, false);
  group.freeBlocks += count - present;
  volume.blockCount = group.firstBlock + count;
  volume.layoutChanged = true;
}

/**
 * Adds a group with nothing in it but what a group needs.
 * @returns false when the last one is not full, the limit is reached, or there is no place for its descriptor
 */
export function addGroup(volume: Volume): boolean {
  widenOnlyGroup(volume);
  const { firstDataBlock } = volume.superblock;
  const { blocksPerGroup, inodesPerGroup } = volume;
  const number = volume.groups.length;
  const firstBlock = firstDataBlock + number * blocksPerGroup;
  if (volume.blockCount !== firstBlock) return false;

  const needed = Math.ceil(((number + 1) * DESCRIPTOR_SIZE) / volume.blockSize);
  const ahead = volume.hasSuperblock(number) ? 1 + needed : 0;
  const overhead = ahead + 2 + volume.tableBlocks;
  const size = overhead + STEP;
  if (size > blocksPerGroup || firstBlock + size > mostBlocks(volume)) return false;
  if (volume.hasResizeInode) removeResizeInode(volume);
  if (needed > volume.descriptorBlocks && !takeBehindDescriptors(volume)) return false;

  const blockBitmap = new Uint8Array(volume.blockSize).fill(0xff);
  for (let bit = overhead; bit < size; bit++) setBit(blockBitmap, bit, false);
  const inodeBitmap = new Uint8Array(volume.blockSize).fill(0xff);
  for (let bit = 0; bit < inodesPerGroup; bit++) setBit(inodeBitmap, bit, false);
  const group: Group = {
    number,
    firstBlock,
    blockBitmapAt: firstBlock + ahead,
    inodeBitmapAt: firstBlock + ahead + 1,
    tableAt: firstBlock + ahead + 2,
    blockBitmap,
    inodeBitmap,
    freeBlocks: size - overhead,
    freeInodes: inodesPerGroup,
    directories: 0,
  };
  volume.file.extend((firstBlock + size) * volume.blockSize);
  volume.groups.push(group);
  volume.blockCount = firstBlock + size;
  volume.layoutChanged = true;
  // The file may have gone on behind the image, with anything.
  const zeros = new Uint8Array(volume.blockSize);
  for (let block = firstBlock; block < firstBlock + overhead; block++) volume.writeContent(block, zeros);
  return true;
}

/** How many blocks a group may have. */
function mostIn(volume: Volume, group: Group): number {
  widenOnlyGroup(volume);
  return Math.min(volume.blocksPerGroup, mostBlocks(volume) - group.firstBlock);
}

/**
 * The only group of an image is the measure of the others, so it may have as many blocks as its bitmap has bits.
 * genext2fs makes groups that are as long as the image: beside such a one, others would be too small to be worth it.
 */
function widenOnlyGroup(volume: Volume): void {
  if (volume.groups.length === 1) volume.blocksPerGroup = 8 * volume.blockSize;
}

/** Numbers of blocks have 32 bits. */
function mostBlocks(volume: Volume): number {
  return Math.min(Math.floor(volume.limit / volume.blockSize), 2 ** 32 - 1);
}

/** The inode stays reserved, with nothing in it. */
function removeResizeInode(volume: Volume): void {
  for (const { block } of mapBlocks(volume, readInode(volume, RESIZE_INODE))) volume.freeBlock(block);
  eraseInode(volume, RESIZE_INODE);
  volume.hasResizeInode = false;
  volume.layoutChanged = true;
}

/** One block more for descriptors, in each place that has them; or none at all. */
function takeBehindDescriptors(volume: Volume): boolean {
  const places = volume.groups.filter(({ number }) => volume.hasSuperblock(number));
  const bit = 1 + volume.descriptorBlocks;
  if (places.some((group) => bit >= volume.blocksOf(group) || isSet(group.blockBitmap, bit))) return false;
  for (const group of places) {
    setBit(group.blockBitmap, bit, true);
    group.freeBlocks -= 1;
    volume.writeContent(group.firstBlock + bit, new Uint8Array(volume.blockSize));
  }
  return true;
}
