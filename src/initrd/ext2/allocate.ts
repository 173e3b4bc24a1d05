/**
 * Takes blocks and inodes, gives inodes back, and keeps the counts that go with them. When none is free, the image grows.
 */
import { GuestbootError } from "../../base/errors.ts";
import { addGroup, addInodes, extendLastGroup, isWithoutDescriptors } from "./grow.ts";
import { damaged } from "./superblock.ts";
import { isSet, setBit, sum, type Group, type Volume } from "./volume.ts";

/** By how much an inode table gets longer when there is no inode left. */
const INODE_STEP = 64;

/**
 * Makes sure of that many free inodes where it is cheap: while the image has one group only. What is missing later
 * costs a group.
 */
export function reserveInodes(volume: Volume, count: number): void {
  const missing = count - sum(volume.groups, ({ freeInodes }) => freeInodes);
  if (missing > 0 && volume.groups.length === 1) addInodes(volume, missing + INODE_STEP);
}

/**
 * A free block, now taken: `goal` or the next one behind it, so that a file lies in one piece where it can.
 * @throws NO_SPACE when the image may not grow any more
 */
export function takeBlock(volume: Volume, goal: number): number {
  for (;;) {
    const found = findBlock(volume, goal);
    if (found !== null) {
      const { group, bit } = found;
      setBit(group.blockBitmap, bit, true);
      group.freeBlocks -= 1;
      return group.firstBlock + bit;
    }
    if (!extendLastGroup(volume) && !addGroup(volume)) throw full(volume);
  }
}

/**
 * The number of a free inode, now taken, near the inode `near`; its bytes are whatever they were.
 * @throws NO_SPACE when the image may not grow any more
 */
export function takeInode(volume: Volume, near: number, isDirectory: boolean): number {
  for (;;) {
    const { inodesPerGroup } = volume;
    for (const group of from(volume.groups, Math.floor((near - 1) / inodesPerGroup))) {
      const bit = group.freeInodes === 0 ? null : findClear(group.inodeBitmap, 0, inodesPerGroup);
      if (bit === null) continue;
      setBit(group.inodeBitmap, bit, true);
      group.freeInodes -= 1;
      if (isDirectory) group.directories += 1;
      return group.number * inodesPerGroup + bit + 1;
    }
    if (!addInodes(volume, INODE_STEP)) throw full(volume);
  }
}

export function freeInode(volume: Volume, number: number, isDirectory: boolean): void {
  const { inodesPerGroup } = volume;
  const group = volume.groups[Math.floor((number - 1) / inodesPerGroup)];
  const bit = (number - 1) % inodesPerGroup;
  if (group === undefined || !isSet(group.inodeBitmap, bit)) {
    throw damaged(volume.file.what, `inode ${number} is free and in use`);
  }
  setBit(group.inodeBitmap, bit, false);
  group.freeInodes += 1;
  if (isDirectory) group.directories -= 1;
}

function findBlock(volume: Volume, goal: number): { group: Group; bit: number } | null {
  const { firstDataBlock } = volume.superblock;
  const { blocksPerGroup } = volume;
  const first = Math.max(0, Math.floor((goal - firstDataBlock) / blocksPerGroup));
  for (const group of from(volume.groups, first)) {
    if (group.freeBlocks === 0) continue;
    const end = volume.blocksOf(group);
    const start = group.number === first ? Math.max(0, goal - group.firstBlock) : 0;
    const bit = findClear(group.blockBitmap, start, end) ?? findClear(group.blockBitmap, 0, start);
    if (bit !== null) return { group, bit };
  }
  return null;
}

/** All groups, from that one on and around. */
function* from(groups: readonly Group[], first: number): Generator<Group> {
  yield* groups.slice(first);
  yield* groups.slice(0, first);
}

function findClear(bitmap: Uint8Array, start: number, end: number): number | null {
  for (let bit = start; bit < end; bit++) {
    if (bit % 8 === 0 && bitmap[bit >> 3] === 0xff) bit += 7;
    else if (!isSet(bitmap, bit)) return bit;
  }
  return null;
}

function full(volume: Volume): GuestbootError {
  const kib = (volume.blockCount * volume.blockSize) / 1024;
  const reason = isWithoutDescriptors(volume)
    ? "its group descriptors have no room for another group"
    : `it may not grow over ${Math.floor(volume.limit / 1024)} KiB`;
  return new GuestbootError("NO_SPACE", `${volume.file.what}: the ext2 image is full at ${kib} KiB: ${reason}`, {
    hint: "make the overlay smaller",
  });
}
