/**
 * Directory entries: how they lie in an inode (short form) and in the blocks of a folder.
 * Specification: XFS Algorithms & Data Structures, "Directories"
 */
import { CheckedReader } from "../../base/checked-reader.ts";
import { mappedContent } from "./content.ts";
import { damaged } from "./damage.ts";
import { findRun, type Run } from "../mapped-content.ts";
import type { Inode } from "./inode.ts";
import type { Layout, SelfDescription } from "./layout.ts";

/** An entry, its name as a range of `bytes`, which may be reused afterwards. */
export interface RawEntry {
  readonly inode: number;
  readonly bytes: Uint8Array;
  readonly nameAt: number;
  readonly nameLength: number;
}

/** A folder that has blocks. Places in it are bytes: first entries, from 32 GiB on their index, from 64 GiB on space. */
export interface Folder {
  readonly layout: Layout;
  readonly inode: Inode;
  readonly runs: readonly Run[];
  readonly what: string;
  /** One of its blocks (`directoryBlockSize` bytes), which `check` has found good now or before. */
  readonly read: (offset: number, check: (bytes: Uint8Array) => void) => Uint8Array;
}

/** Of a folder in bytes: its entries, and behind them their index. */
export const INDEX_OFFSET = 32 * 1024 ** 3;
export const FREE_OFFSET = 64 * 1024 ** 3;

export function openFolderBlocks(layout: Layout, inode: Inode, runs: readonly Run[]): Folder {
  const what = `the folder of inode ${inode.number}`;
  const content = mappedContent(layout, runs, FREE_OFFSET, what);
  const { directoryBlockSize } = layout.superblock;
  return {
    layout,
    inode,
    runs,
    what,
    read: (offset, check) =>
      layout.folderBlock(inode.number, offset, () => {
        layout.spendSearch(directoryBlockSize);
        const bytes = content.read(offset, directoryBlockSize);
        check(bytes);
        return bytes;
      }),
  };
}

/** Folders of a few names keep them in the inode. */
export function* shortEntries(layout: Layout, inode: Inode): Generator<RawEntry> {
  const reader = new CheckedReader(inode.fork, `short folder of inode ${inode.number}`);
  const count = reader.u8(0, "count");
  // Either all inode numbers there have 64 bits, or none.
  const isWide = reader.u8(1, "i8count") > 0;
  const numberSize = isWide ? 8 : 4;
  const typeSize = layout.superblock.hasFileTypes ? 1 : 0;
  let at = 2 + numberSize;
  for (let index = 0; index < count; index++) {
    const nameLength = reader.u8(at, "namelen");
    const nameAt = at + 3;
    const numberAt = nameAt + nameLength + typeSize;
    const number = isWide ? reader.u64be(numberAt, "inumber") : reader.u32be(numberAt, "inumber");
    at = numberAt + numberSize;
    if (nameLength === 0 || at > inode.size) throw damaged(`the folder of inode ${inode.number} ends inside a name`);
    yield { inode: number, bytes: inode.fork, nameAt, nameLength };
  }
}

/** A block of entries that has been found to be one. */
export interface DataBlock {
  readonly reader: CheckedReader;
  readonly bytes: Uint8Array;
  /** Where entries begin and end, in bytes. */
  readonly start: number;
  readonly end: number;
  /** The index, in a folder of one block: where it begins, and how many entries it has. */
  readonly indexCount: number;
}

const MAGICS = {
  /** In a folder of one block the index is at the end of it. */
  v4: { single: 0x58443242, many: 0x58443244 },
  v5: { single: 0x58444233, many: 0x58444433 },
};
const HEADER_SIZES = { v4: 16, v5: 64 };
const FIELDS: SelfDescription = { crc: 4, blkno: 8, uuid: 24, owner: 40 };
const TAIL_SIZE = 8;
export const INDEX_ENTRY_SIZE = 8;

/** The block of entries at `offset` bytes of a folder. @throws FILESYSTEM_DAMAGED, BUDGET_EXCEEDED */
export function readDataBlock(folder: Folder, offset: number): DataBlock {
  const { layout, inode } = folder;
  const { version } = layout.superblock;
  const what = `a block of ${folder.what}`;
  const { single, many } = MAGICS[`v${version}`];
  const magicOf = (bytes: Uint8Array) => new CheckedReader(bytes, what).u32be(0, "magic");
  const bytes = folder.read(offset, (read) => {
    if (magicOf(read) !== single && magicOf(read) !== many) throw damaged(`${what} is none`);
    layout.checkMetadata(read, FIELDS, placeOf(folder, offset), inode.number, what);
  });
  const reader = new CheckedReader(bytes, what);
  const start = HEADER_SIZES[`v${version}`];
  if (magicOf(bytes) === many) return { reader, bytes, start, end: bytes.length, indexCount: 0 };
  const indexCount = reader.u32be(bytes.length - TAIL_SIZE, "count");
  const end = bytes.length - TAIL_SIZE - indexCount * INDEX_ENTRY_SIZE;
  if (end < start) throw damaged(`${what} has an index of ${indexCount} entries`);
  return { reader, bytes, start, end, indexCount };
}

/** Where on the disk the block at `offset` bytes begins. @throws FILESYSTEM_DAMAGED for a hole */
export function placeOf(folder: Folder, offset: number): number {
  const block = Math.floor(offset / folder.layout.superblock.blockSize);
  const run = folder.runs[findRun(folder.runs, block)];
  if (run === undefined || run.logical > block) throw damaged(`a block of ${folder.what} is missing`);
  return run.physical + block - run.logical;
}

/** All entries of a block, `.` and `..` too. */
export function* entriesOf(layout: Layout, block: DataBlock): Generator<RawEntry> {
  for (let at = block.start; at < block.end;) {
    const unused = block.reader.u16be(at, "freetag") === UNUSED ? block.reader.u16be(at + 2, "length") : null;
    if (unused === null) {
      const { entry, length } = entryAt(layout, block, at);
      yield entry;
      at += length;
    } else {
      if (unused < ALIGNMENT || unused % ALIGNMENT !== 0 || unused > block.end - at) {
        throw damaged(`a folder's block has ${unused} unused bytes at ${at} of ${block.end}`);
      }
      at += unused;
    }
  }
}

const UNUSED = 0xffff;
const ALIGNMENT = 8;
/** The number of the inode, the length of the name, and behind the name where the entry begins. */
const ENTRY_FIXED_SIZE = 8 + 1 + 2;

/** The entry at a place of a block, and how many bytes it takes. @throws FILESYSTEM_DAMAGED */
export function entryAt(layout: Layout, block: DataBlock, at: number): { entry: RawEntry; length: number } {
  if (at < block.start || at % ALIGNMENT !== 0 || at + ENTRY_FIXED_SIZE > block.end) {
    throw damaged(`a directory entry is said to be at ${at} of ${block.end}`);
  }
  const nameLength = block.reader.u8(at + 8, "namelen");
  const fixed = ENTRY_FIXED_SIZE + (layout.superblock.hasFileTypes ? 1 : 0);
  const length = Math.ceil((fixed + nameLength) / ALIGNMENT) * ALIGNMENT;
  if (nameLength === 0 || length > block.end - at) {
    throw damaged(`a name of ${nameLength} bytes in a directory entry at ${at} of ${block.end}`);
  }
  const tag = block.reader.u16be(at + length - 2, "tag");
  if (tag !== at) throw damaged(`a directory entry at ${at} says that it is at ${tag}`);
  const inode = block.reader.u64be(at, "inumber");
  return { entry: { inode, bytes: block.bytes, nameAt: at + 9, nameLength }, length };
}
