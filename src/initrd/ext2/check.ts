/**
 * Is the image whole? Everything is looked at before anything is written: a writer that trusts crossed bitmaps
 * overwrites one file with another. What is found here is refused, never repaired.
 *
 * Looked at: that every block belongs to one owner and the bitmaps and counts say so; that every inode in use is
 * reached from the root folder as often as its link count says, every folder once. Not looked at: what is in extended
 * attributes, times, sizes of files against their blocks (a reader of the image bounds those by itself); nor the counts of
 * the superblock, which every writer makes anew from those of the groups.
 */
import { CheckedReader } from "../../base/checked-reader.ts";
import { isMapped, mapBlocks } from "./block-map.ts";
import { readEntries } from "./directory.ts";
import { isDirectory, parseInode, readInode, sectorsPerBlock, type Inode } from "./inode.ts";
import { damaged, ROOT_INODE } from "./superblock.ts";
import { isSet, type Group, type Volume } from "./volume.ts";

/** @throws FILESYSTEM_DAMAGED, BUDGET_EXCEEDED */
export function checkVolume(volume: Volume): void {
  const owners = new BlockOwners(volume);
  for (const group of volume.groups) {
    if (volume.hasSuperblock(group.number)) owners.claim(group.firstBlock, 1 + volume.descriptorBlocks);
    owners.claim(group.blockBitmapAt, 1);
    owners.claim(group.inodeBitmapAt, 1);
    owners.claim(group.tableAt, volume.tableBlocks);
  }
  const inodes = new InodeUse(volume);
  for (const group of volume.groups) checkInodes(volume, group, owners, inodes);
  owners.checkBitmaps();
  checkFolders(volume, inodes);
}

/** Who owns which block: nobody or one, and for blocks of attributes, which inodes may share, how many. */
class BlockOwners {
  readonly #volume: Volume;
  readonly #taken: Uint8Array;
  readonly #attributeOwners = new Map<number, number>();

  constructor(volume: Volume) {
    this.#volume = volume;
    this.#taken = new Uint8Array(volume.blockCount);
  }

  claim(first: number, count: number): void {
    const { firstDataBlock } = this.#volume.superblock;
    for (let block = first; block < first + count; block++) {
      if (block < firstDataBlock || block >= this.#volume.blockCount) {
        throw damaged(this.#volume.file.what, `block ${block} of ${this.#volume.blockCount} belongs to something`);
      }
      if (this.#taken[block] !== 0) throw damaged(this.#volume.file.what, `block ${block} belongs to two things`);
      this.#taken[block] = 1;
    }
  }

  claimAttributes(block: number): void {
    const owners = this.#attributeOwners.get(block) ?? 0;
    if (owners === 0) this.claim(block, 1);
    this.#attributeOwners.set(block, owners + 1);
  }

  checkBitmaps(): void {
    const { file, groups } = this.#volume;
    for (const group of groups) {
      const count = this.#volume.blocksOf(group);
      let free = 0;
      for (let bit = 0; bit < this.#volume.blockSize * 8; bit++) {
        const inUse = isSet(group.blockBitmap, bit);
        if (bit >= count) {
          if (!inUse) throw damaged(file.what, `the block bitmap of group ${group.number} goes past its end`);
        } else if (inUse !== (this.#taken[group.firstBlock + bit] !== 0)) {
          const says = inUse ? "in use, and belongs to nothing" : "free, and belongs to something";
          throw damaged(file.what, `block ${group.firstBlock + bit} is ${says}`);
        } else if (!inUse) free += 1;
      }
      if (free !== group.freeBlocks) {
        throw damaged(file.what, `group ${group.number} has ${free} free blocks and counts ${group.freeBlocks}`);
      }
    }
    for (const [block, owners] of this.#attributeOwners) checkAttributes(this.#volume, block, owners);
  }
}

const ATTRIBUTES_MAGIC = 0xea02_0000;

function checkAttributes(volume: Volume, block: number, owners: number): void {
  const reader = new CheckedReader(volume.block(block), "extended attributes");
  const counted = reader.u32le(4, "h_refcount");
  if (reader.u32le(0, "h_magic") !== ATTRIBUTES_MAGIC || counted !== owners) {
    throw damaged(volume.file.what, `block ${block} should hold extended attributes of ${owners} inodes`);
  }
}

/** The inodes in use, by number: how many links they claim, how many were found. */
class InodeUse {
  readonly links: Uint16Array;
  readonly found: Uint32Array;
  readonly #directories: Uint8Array;

  constructor(volume: Volume) {
    this.links = new Uint16Array(volume.inodeCount + 1);
    this.found = new Uint32Array(volume.inodeCount + 1);
    this.#directories = new Uint8Array(volume.inodeCount + 1);
  }

  add(inode: Inode): void {
    this.links[inode.number] = inode.links;
    this.#directories[inode.number] = isDirectory(inode) ? 1 : 0;
  }

  isDirectory(number: number): boolean {
    return this.#directories[number] === 1;
  }
}

function checkInodes(volume: Volume, group: Group, owners: BlockOwners, inodes: InodeUse): void {
  const { inodesPerGroup } = volume;
  const { inodeSize, firstInode } = volume.superblock;
  const { what } = volume.file;
  let free = 0;
  let directories = 0;
  let block: Uint8Array = new Uint8Array();
  for (let bit = 0; bit < inodesPerGroup; bit++) {
    const number = group.number * inodesPerGroup + bit + 1;
    const offset = (bit * inodeSize) % volume.blockSize;
    if (offset === 0) block = volume.block(group.tableAt + (bit * inodeSize) / volume.blockSize);
    const inode = parseInode(volume, number, block.subarray(offset, offset + inodeSize));
    if (!isSet(group.inodeBitmap, bit)) {
      free += 1;
      if (inode.links !== 0) throw damaged(what, `inode ${number} is marked as free, and has ${inode.links} links`);
      if (number < firstInode) throw damaged(what, `inode ${number} is reserved, and marked as free`);
      continue;
    }
    if (isDirectory(inode)) directories += 1;
    const isReserved = number < firstInode && number !== ROOT_INODE;
    if (!isReserved) {
      if (inode.links === 0) throw damaged(what, `inode ${number} is marked as in use, and has no links`);
      inodes.add(inode);
    }
    claimBlocks(volume, inode, owners);
  }
  if (free !== group.freeInodes || directories !== group.directories) {
    throw damaged(
      what,
      `group ${group.number} has ${free} free inodes and ${directories} folders, and counts ${group.freeInodes} and ${group.directories}`,
    );
  }
}

function claimBlocks(volume: Volume, inode: Inode, owners: BlockOwners): void {
  let count = 0;
  if (inode.attributes !== 0) {
    owners.claimAttributes(inode.attributes);
    count += 1;
  }
  if (isMapped(volume, inode)) {
    for (const { block } of mapBlocks(volume, inode)) {
      owners.claim(block, 1);
      count += 1;
    }
  }
  if (inode.sectors !== count * sectorsPerBlock(volume)) {
    throw damaged(volume.file.what, `inode ${inode.number} counts ${inode.sectors} sectors and has ${count} blocks`);
  }
}

function checkFolders(volume: Volume, inodes: InodeUse): void {
  const { what } = volume.file;
  const { inodeCount } = volume;
  if (!inodes.isDirectory(ROOT_INODE)) throw damaged(what, "its root is no folder");
  const visited = new Uint8Array(inodeCount + 1);
  const waiting: { readonly number: number; readonly parent: number }[] = [{ number: ROOT_INODE, parent: ROOT_INODE }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { number, parent } = next;
    if (visited[number] === 1) throw damaged(what, `the folder with inode ${number} is in two places`);
    visited[number] = 1;
    let index = 0;
    for (const entry of readEntries(volume, readInode(volume, number))) {
      const dots = index < 2 ? [".", ".."][index] : undefined;
      const name = Buffer.from(entry.name).toString("latin1");
      if ((name === "." || name === "..") !== (dots !== undefined) || (dots !== undefined && name !== dots)) {
        throw damaged(what, `the folder with inode ${number} does not begin with itself and its parent`);
      }
      index += 1;
      if (entry.inode === 0) continue;
      if (entry.inode > inodeCount || inodes.links[entry.inode] === 0) {
        throw damaged(
          what,
          `a name in the folder with inode ${number} stands for inode ${entry.inode}, which is not in use`,
        );
      }
      inodes.found[entry.inode] = (inodes.found[entry.inode] ?? 0) + 1;
      if (dots !== undefined) {
        const expected = dots === "." ? number : parent;
        if (entry.inode !== expected)
          throw damaged(what, `"${dots}" of the folder with inode ${number} is another one`);
      } else if (inodes.isDirectory(entry.inode)) waiting.push({ number: entry.inode, parent: number });
    }
    if (index < 2) throw damaged(what, `the folder with inode ${number} is empty`);
  }
  for (let number = 1; number <= inodeCount; number++) {
    if (inodes.links[number] !== inodes.found[number]) {
      throw damaged(
        what,
        `inode ${number} has ${inodes.links[number] ?? 0} links, and ${inodes.found[number] ?? 0} names`,
      );
    }
  }
}
