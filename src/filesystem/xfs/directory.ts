/**
 * Folders: names and the inodes they stand for. A name is found through the folder's index; a list is made from the
 * entries themselves, without the index.
 */
import { directoryBudget } from "../../base/limits.ts";
import { damaged } from "./damage.ts";
import {
  entriesOf,
  entryAt,
  INDEX_OFFSET,
  openFolderBlocks,
  readDataBlock,
  shortEntries,
  type Folder,
  type RawEntry,
} from "./directory-block.ts";
import { hashOf, placesInBlock, placesInTree } from "./directory-index.ts";
import type { Run } from "../mapped-content.ts";
import { readRuns } from "./extents.ts";
import type { Inode } from "./inode.ts";
import type { Layout } from "./layout.ts";

export interface NamedInode {
  readonly name: Uint8Array;
  readonly inode: number;
}

/**
 * The entries of a folder, `.` and `..` left out.
 * @throws FILESYSTEM_DAMAGED, BUDGET_EXCEEDED
 */
export function readDirectory(layout: Layout, directory: Inode): NamedInode[] {
  const budget = directoryBudget();
  const found: NamedInode[] = [];
  for (const entry of allEntries(layout, directory)) {
    const name = nameOf(entry).slice();
    if (isDots(name)) continue;
    if (name.includes(SLASH) || name.includes(0)) throw damaged("a folder has a name with a slash or a zero in it");
    budget.spend();
    found.push({ name, inode: entry.inode });
  }
  return found;
}

/** The inode of that name, or null. @throws as `readDirectory` */
export function findInDirectory(layout: Layout, directory: Inode, name: Uint8Array): number | null {
  if (isDots(name) || name.length === 0 || name.length > MAX_NAME_LENGTH) return null;
  if (!layout.superblock.ignoresCase) {
    for (const entry of entriesWithHash(layout, directory, [hashOf(name)])) {
      if (isSame(nameOf(entry), name)) return entry.inode;
    }
    return null;
  }
  const folded = lowerCase(name);
  let alike: number | null = null;
  // mkfs.xfs files names by their ASCII letters in lower case, the kernel by those of Latin-1.
  for (const entry of entriesWithHash(layout, directory, [hashOf(folded), hashOf(lowerCase(name, LAST_ASCII))])) {
    if (isSame(nameOf(entry), name)) return entry.inode;
    if (alike === null && isSame(lowerCase(nameOf(entry)), folded)) alike = entry.inode;
  }
  return alike;
}

const MAX_NAME_LENGTH = 255;
const SLASH = 0x2f;

function* allEntries(layout: Layout, directory: Inode): Generator<RawEntry> {
  if (directory.format === "local") {
    yield* shortEntries(layout, directory);
    return;
  }
  const folder = openFolderBlocks(layout, directory, readRuns(layout, directory));
  for (const offset of dataBlocks(folder)) yield* entriesOf(layout, readDataBlock(folder, offset));
}

/** The blocks of entries of a folder, as byte offsets in it; holes between them are what emptied blocks leave. */
function* dataBlocks(folder: Folder): Generator<number> {
  const { blockSize, directoryBlockSize } = folder.layout.superblock;
  let next = 0;
  for (const run of folder.runs) {
    const end = Math.min((run.logical + run.count) * blockSize, INDEX_OFFSET);
    const start = Math.floor((run.logical * blockSize) / directoryBlockSize) * directoryBlockSize;
    for (next = Math.max(next, start); next < end; next += directoryBlockSize) yield next;
  }
}

/** The entries whose names may have one of the hashes: in a short folder, all. */
function* entriesWithHash(layout: Layout, directory: Inode, hashes: readonly number[]): Generator<RawEntry> {
  if (directory.format === "local") {
    yield* shortEntries(layout, directory);
    return;
  }
  const { blockSize, directoryBlockSize } = layout.superblock;
  const folder = openFolderBlocks(layout, directory, readRuns(layout, directory));
  const isSingle = isOneBlock(folder.runs, directoryBlockSize / blockSize);
  const single = isSingle ? readDataBlock(folder, 0) : null;
  // Names that share a hash are often neighbours: the block that was looked into last is kept.
  let block = single;
  let blockAt = single === null ? -1 : 0;
  for (const hash of new Set(hashes)) {
    for (const place of single === null ? placesInTree(folder, hash) : placesInBlock(single, hash)) {
      const offset = Math.floor(place / directoryBlockSize) * directoryBlockSize;
      if (offset >= (single === null ? INDEX_OFFSET : directoryBlockSize)) {
        throw damaged(`an entry of ${folder.what} is said to be at ${place}`);
      }
      if (block === null || blockAt !== offset) block = readDataBlock(folder, offset);
      blockAt = offset;
      const { entry, length } = entryAt(layout, block, place - offset);
      // Hashes can be made to collide: each candidate counts.
      layout.spendSearch(length);
      yield entry;
    }
  }
}

/** A folder of one block has nothing behind it, and its index inside. */
function isOneBlock(runs: readonly Run[], blocks: number): boolean {
  const last = runs.at(-1);
  return last !== undefined && last.logical + last.count === blocks;
}

function nameOf({ bytes, nameAt, nameLength }: RawEntry): Uint8Array {
  return bytes.subarray(nameAt, nameAt + nameLength);
}

function isDots(name: Uint8Array): boolean {
  const dot = 0x2e;
  return name[0] === dot && (name.length === 1 || (name.length === 2 && name[1] === dot));
}

function isSame(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}

const LAST_ASCII = 0x7f;
const LAST_LATIN_1 = 0xde;

/** Letters of ISO 8859-1 in lower case: what "ASCII" case folding of XFS is in the kernel. */
function lowerCase(name: Uint8Array, last = LAST_LATIN_1): Uint8Array {
  const isUpper = (byte: number) =>
    byte <= last && ((byte >= 0x41 && byte <= 0x5a) || (byte >= 0xc0 && byte <= LAST_LATIN_1 && byte !== 0xd7));
  return name.map((byte) => (isUpper(byte) ? byte + 0x20 : byte));
}
