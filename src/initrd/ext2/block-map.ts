/**
 * The map from a file's blocks to the image's: 12 block numbers in the inode, then one block of block numbers, one of
 * blocks of them, and one of blocks of those. A zero is a hole, as wide as everything that would be below it.
 * Specification: https://www.nongnu.org/ext2-doc/ext2.html#i-block
 */
import { Budget } from "../../base/budget.ts";
import { hasBlocks, MAP_SIZE, sectorsPerBlock, type Inode } from "./inode.ts";
import { damaged, RESIZE_INODE } from "./superblock.ts";
import type { Volume } from "./volume.ts";

export interface MappedBlock {
  readonly block: number;
  /** The block's place in the file; null for a block that holds block numbers. */
  readonly logical: number | null;
}

const DIRECT = 12;
const SLOTS = MAP_SIZE / 4;

/**
 * Every block that the map leads to, each block of numbers after what it holds.
 * @throws FILESYSTEM_DAMAGED for a number outside the image; BUDGET_EXCEEDED for a map with more blocks than the image
 */
export function* mapBlocks(volume: Volume, inode: Inode): Generator<MappedBlock> {
  const budget = new Budget(`blocks of inode ${inode.number}`, volume.blockCount);
  const perBlock = volume.blockSize / 4;
  let logical = 0;
  for (let slot = 0; slot < SLOTS; slot++) {
    const level = levelOf(slot);
    yield* treeBlocks(volume, numberAt(inode.map, slot), level, logical, budget);
    logical += perBlock ** level;
  }
}

/** The content's blocks in their order. @throws FILESYSTEM_DAMAGED for a hole: folders and links have none */
export function contentBlocks(volume: Volume, inode: Inode): number[] {
  const blocks: number[] = [];
  for (const { block, logical } of mapBlocks(volume, inode)) {
    if (logical === null) continue;
    if (logical !== blocks.length) throw damaged(volume.file.what, `inode ${inode.number} has holes`);
    blocks.push(block);
  }
  if (blocks.length !== Math.ceil(inode.size / volume.blockSize)) {
    throw damaged(volume.file.what, `inode ${inode.number} has ${inode.size} bytes in ${blocks.length} blocks`);
  }
  return blocks;
}

/**
 * Puts `block` into the map as the file's block `logical`, with the blocks of numbers that are missing on the way.
 * @param take takes a free block
 * @returns the inode with its new map and what it takes on the disk, not written yet
 */
export function mapBlock(volume: Volume, inode: Inode, logical: number, block: number, take: () => number): Inode {
  const { slot, path } = wayTo(volume, logical);
  const map = inode.map.slice();
  let added = 1;
  const through = (number: number): number => {
    if (number !== 0) return number;
    const fresh = take();
    volume.clear(fresh);
    added += 1;
    return fresh;
  };
  let bytes: Uint8Array = map;
  let index = slot;
  for (const next of path) {
    const number = through(numberAt(bytes, index));
    setNumberAt(bytes, index, number);
    bytes = volume.change(number);
    index = next;
  }
  setNumberAt(bytes, index, block);
  return { ...inode, map, sectors: inode.sectors + added * sectorsPerBlock(volume) };
}

/** Does the inode have a map that leads to blocks, or may it have one although it is no file? */
export function isMapped(volume: Volume, inode: Inode): boolean {
  if (inode.number === RESIZE_INODE) return true;
  const isReserved = inode.number < volume.superblock.firstInode && inode.mode === 0;
  return isReserved || hasBlocks(volume, inode);
}

function* treeBlocks(
  volume: Volume,
  block: number,
  level: number,
  logical: number,
  budget: Budget,
): Generator<MappedBlock> {
  if (block === 0) return;
  budget.spend();
  if (level > 0) {
    const perBlock = volume.blockSize / 4;
    const numbers = volume.block(block);
    const below = perBlock ** (level - 1);
    for (let index = 0; index < perBlock; index++) {
      const number = numberAt(numbers, index);
      if (number !== 0) yield* treeBlocks(volume, number, level - 1, logical + index * below, budget);
    }
  }
  yield { block, logical: level === 0 ? logical : null };
}

function levelOf(slot: number): number {
  return Math.max(0, slot - DIRECT + 1);
}

/** The inode's slot, and the index in each block of numbers below it. */
function wayTo(volume: Volume, logical: number): { slot: number; path: readonly number[] } {
  const perBlock = volume.blockSize / 4;
  if (logical < DIRECT) return { slot: logical, path: [] };
  let rest = logical - DIRECT;
  for (const level of [1, 2, 3]) {
    const held = perBlock ** level;
    if (rest < held) {
      const path = Array.from(
        { length: level },
        (_, step) => Math.floor(rest / perBlock ** (level - 1 - step)) % perBlock,
      );
      return { slot: DIRECT + level - 1, path };
    }
    rest -= held;
  }
  throw new RangeError(`no file has a block ${logical}`);
}

function numberAt(bytes: Uint8Array, index: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(index * 4, true);
}

function setNumberAt(bytes: Uint8Array, index: number, number: number): void {
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).setUint32(index * 4, number, true);
}
