/**
 * The index of a folder: from the hash of a name to where its entries may lie. At the end of the block in a folder of
 * one block, else in blocks of its own, in one or below nodes of a tree.
 * Specification: XFS Algorithms & Data Structures, "Directories" and "Directory Hash"
 */
import { firstIndex } from "../../base/first-index.ts";
import { Budget } from "../../base/budget.ts";
import { CheckedReader } from "../../base/checked-reader.ts";
import { damaged } from "./damage.ts";
import {
  FREE_OFFSET,
  INDEX_ENTRY_SIZE,
  INDEX_OFFSET,
  placeOf,
  type DataBlock,
  type Folder,
} from "./directory-block.ts";
import type { SelfDescription } from "./layout.ts";

/** The hash under which a name is filed. */
export function hashOf(name: Uint8Array): number {
  let hash = 0;
  for (const byte of name) hash = byte ^ ((hash << 7) | (hash >>> 25));
  return hash >>> 0;
}

/** Where entries with that hash lie, in a folder of one block: byte offsets in the folder. */
export function* placesInBlock(block: DataBlock, hash: number): Generator<number> {
  const index = { reader: block.reader, at: block.end, count: block.indexCount };
  yield* placesIn(index, firstWith(index, hash), hash);
}

/** The same in a folder that has index blocks. @throws FILESYSTEM_DAMAGED, BUDGET_EXCEEDED */
export function* placesInTree(folder: Folder, hash: number): Generator<number> {
  const budget = new Budget("index blocks with the same hash", MAX_SIBLINGS);
  let leaf: Leaf | null = findLeaf(folder, hash);
  while (leaf !== null) {
    budget.spend();
    const first = firstWith(leaf, hash);
    yield* placesIn(leaf, first, hash);
    // Names with the same hash may go on in the next block, but only behind the end of this one.
    const isAtEnd = leaf.count === 0 || hashAt(leaf, leaf.count - 1) <= hash;
    leaf = isAtEnd && leaf.next !== 0 ? readLeaf(folder, leaf.next) : null;
    if (leaf !== null && leaf.count > 0 && hashAt(leaf, 0) > hash) return;
  }
}

/** Blocks of a chain that are looked at for one name. */
const MAX_SIBLINGS = 1000;
/** The specification's XFS_DA_NODE_MAXDEPTH. */
const MAX_DEPTH = 5;
/** Places are counted in units of that many bytes; 0 stands for an entry that is gone. */
const PLACE_UNIT = 8;

interface Entries {
  readonly reader: CheckedReader;
  /** Where the entries begin: bytes. */
  readonly at: number;
  readonly count: number;
}

interface Leaf extends Entries {
  /** The next block of the index, in filesystem blocks from the folder's start; 0 for none. */
  readonly next: number;
}

type IndexBlock = Leaf & { readonly level: number };

function* placesIn(entries: Entries, first: number, hash: number): Generator<number> {
  for (let index = first; index < entries.count && hashAt(entries, index) === hash; index++) {
    const place = entries.reader.u32be(entries.at + index * INDEX_ENTRY_SIZE + 4, "address");
    if (place !== 0) yield place * PLACE_UNIT;
  }
}

/** The first entry whose hash is not less; they are in ascending order. */
function firstWith(entries: Entries, hash: number): number {
  return firstIndex(entries.count, (index) => hashAt(entries, index) >= hash);
}

function hashAt(entries: Entries, index: number): number {
  return entries.reader.u32be(entries.at + index * INDEX_ENTRY_SIZE, "hashval");
}

/** The leaf in which the hash would be first; null when it is higher than all. */
function findLeaf(folder: Folder, hash: number): Leaf | null {
  let block = readIndexBlock(folder, INDEX_OFFSET / folder.layout.superblock.blockSize);
  if (block.level > MAX_DEPTH) throw damaged(`the index of ${folder.what} has ${block.level} levels`);
  while (block.level > 0) {
    // A node names for each block below the highest hash in it.
    const index = firstWith(block, hash);
    if (index === block.count) return null;
    const child = readIndexBlock(folder, block.reader.u32be(block.at + index * INDEX_ENTRY_SIZE + 4, "before"));
    if (child.level !== block.level - 1) {
      throw damaged(`the index of ${folder.what} has a block of level ${child.level} below one of ${block.level}`);
    }
    block = child;
  }
  return block;
}

function readLeaf(folder: Folder, block: number): Leaf {
  const leaf = readIndexBlock(folder, block);
  if (leaf.level !== 0) throw damaged(`the index of ${folder.what} has a leaf of level ${leaf.level}`);
  return leaf;
}

/** The first magic is that of the only leaf, which has a tail, the second that of a leaf among others. */
const MAGICS = { v4: { leaves: [0xd2f1, 0xd2ff], node: 0xfebe }, v5: { leaves: [0x3df1, 0x3dff], node: 0x3ebe } };
const HEADER_SIZES = { v4: 16, v5: 64 };
const COUNT_OFFSETS = { v4: 12, v5: 56 };
const FIELDS: SelfDescription = { crc: 12, blkno: 16, uuid: 32, owner: 48 };

function readIndexBlock(folder: Folder, block: number): IndexBlock {
  const { layout, inode } = folder;
  const { version, blockSize } = layout.superblock;
  const what = `a block of the index of ${folder.what}`;
  const offset = block * blockSize;
  if (offset < INDEX_OFFSET || offset >= FREE_OFFSET || offset % layout.superblock.directoryBlockSize !== 0) {
    throw damaged(`${what} is said to be at block ${block}`);
  }
  const { leaves, node } = MAGICS[`v${version}`];
  const magicOf = (bytes: Uint8Array) => new CheckedReader(bytes, what).u16be(8, "magic");
  const bytes = folder.read(offset, (read) => {
    if (magicOf(read) !== node && !leaves.includes(magicOf(read))) throw damaged(`${what} is none`);
    layout.checkMetadata(read, FIELDS, placeOf(folder, offset), inode.number, what);
  });
  const reader = new CheckedReader(bytes, what);
  const isNode = magicOf(bytes) === node;
  const at = HEADER_SIZES[`v${version}`];
  const count = reader.u16be(COUNT_OFFSETS[`v${version}`], "count");
  if (count * INDEX_ENTRY_SIZE > bytes.length - at) throw damaged(`${what} has ${count} entries`);
  const level = isNode ? reader.u16be(COUNT_OFFSETS[`v${version}`] + 2, "level") : 0;
  if (isNode && (level === 0 || count === 0)) throw damaged(`${what} has ${count} entries, level ${level}`);
  return { reader, at, count, level, next: reader.u32be(0, "forw") };
}
