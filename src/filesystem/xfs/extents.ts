/**
 * A file's content as runs of neighbouring blocks, whether the inode lists its extents or is the root of a tree of them.
 * Specification: XFS Algorithms & Data Structures, "Data Extents" and "B+tree Extent List"
 */
import { CheckedReader } from "../../base/checked-reader.ts";
import { extentBudget } from "../../base/limits.ts";
import type { Run } from "../mapped-content.ts";
import { damaged } from "./damage.ts";
import type { Inode } from "./inode.ts";
import type { Layout, SelfDescription } from "./layout.ts";

const EXTENT_SIZE = 16;
const POINTER_SIZE = 8;
/** The specification's XFS_BTREE_MAXLEVELS. */
const MAX_LEVELS = 9;

/** The runs of a file, ascending, an extent each. @throws FILESYSTEM_DAMAGED, BUDGET_EXCEEDED */
export function readRuns(layout: Layout, inode: Inode): Run[] {
  const list = new RunList(layout, `inode ${inode.number}`);
  const fork = new CheckedReader(inode.fork, `data fork of inode ${inode.number}`);
  if (inode.format === "extents") list.addAll(fork, 0, inode.extentCount);
  else if (inode.format === "btree") readRoot(layout, inode, fork, list);
  else throw damaged(`inode ${inode.number} has no extents`);
  if (list.count !== inode.extentCount) {
    throw damaged(`inode ${inode.number} has ${inode.extentCount} extents, and ${list.count} are there`);
  }
  return list.runs;
}

/** Collects runs in ascending order. */
class RunList {
  readonly runs: Run[] = [];
  /** Extents so far, unwritten ones included. */
  count = 0;
  readonly #layout: Layout;
  readonly #what: string;
  readonly #budget = extentBudget();
  #end = 0;

  constructor(layout: Layout, what: string) {
    this.#layout = layout;
    this.#what = what;
  }

  addAll(records: CheckedReader, offset: number, count: number): void {
    if (count * EXTENT_SIZE > records.length - offset) {
      throw damaged(`${this.#what} has ${count} extents in ${records.length - offset} bytes`);
    }
    for (let index = 0; index < count; index++) this.#add(records, offset + index * EXTENT_SIZE);
  }

  /** 128 bits: 1 for what is reserved but unwritten, 54 the place in the file, 52 the block number, 21 the length. */
  #add(records: CheckedReader, at: number): void {
    this.#budget.spend();
    const first = records.u32be(at, "br_startoff");
    const second = records.u32be(at + 4, "br_startoff");
    const third = records.u32be(at + 8, "br_startblock");
    const fourth = records.u32be(at + 12, "br_blockcount");
    const logical = (first & 0x7fff_ffff) * 2 ** 23 + (second >>> 9);
    const number = (second & 0x1ff) * 2 ** 43 + third * 2 ** 11 + (fourth >>> 21);
    const count = fourth & 0x1f_ffff;
    if (count === 0) throw damaged(`${this.#what} has an extent of no blocks`);
    if (logical < this.#end) throw damaged(`the extents of ${this.#what} overlap or are not in order`);
    const end = (logical + count) * this.#layout.superblock.blockSize;
    if (!Number.isSafeInteger(end)) throw damaged(`${this.#what} has an extent at block ${logical}`);
    const physical = this.#layout.diskBlock(number, count, `an extent of ${this.#what}`);
    this.#end = logical + count;
    this.count += 1;
    const isUnwritten = first >>> 31 === 1;
    if (!isUnwritten) this.runs.push({ logical, physical, count });
  }
}

/** The root in the inode has a short header, and its pointers lie behind room for as many keys as would fit. */
function readRoot(layout: Layout, inode: Inode, fork: CheckedReader, list: RunList): void {
  const header = 4;
  const level = fork.u16be(0, "bb_level");
  const count = fork.u16be(2, "bb_numrecs");
  const most = Math.floor((fork.length - header) / (2 * POINTER_SIZE));
  if (level < 1 || level > MAX_LEVELS) throw damaged(`the extent tree of inode ${inode.number} has ${level} levels`);
  readPointers(layout, inode, fork, { at: header, count, most, level }, list);
}

const MAGICS = { v4: 0x424d4150, v5: 0x424d4133 };
const HEADER_SIZES = { v4: 24, v5: 72 };
const FIELDS: SelfDescription = { blkno: 24, uuid: 40, owner: 56, crc: 64 };

function readBlock(layout: Layout, inode: Inode, number: number, expectedLevel: number, list: RunList): void {
  const { version, blockSize } = layout.superblock;
  const what = `the extent tree of inode ${inode.number}`;
  const place = layout.diskBlock(number, 1, what);
  layout.spendSearch(blockSize);
  const bytes = layout.block(place);
  const reader = new CheckedReader(bytes, what);
  if (reader.u32be(0, "bb_magic") !== MAGICS[`v${version}`]) throw damaged(`${what} is none`);
  layout.checkMetadata(bytes, FIELDS, place, inode.number, what);
  const level = reader.u16be(4, "bb_level");
  const count = reader.u16be(6, "bb_numrecs");
  // A child that is not one level below its parent would make a circle possible.
  if (level !== expectedLevel) throw damaged(`${what} has a block of level ${level} below one of ${expectedLevel + 1}`);
  if (count === 0) throw damaged(`${what} has an empty block`);
  const header = HEADER_SIZES[`v${version}`];
  if (level === 0) {
    list.addAll(reader, header, count);
    return;
  }
  const most = Math.floor((blockSize - header) / (2 * POINTER_SIZE));
  readPointers(layout, inode, reader, { at: header, count, most, level }, list);
}

interface Node {
  /** Where the keys begin, in bytes. */
  readonly at: number;
  readonly count: number;
  /** How many keys there is room for. */
  readonly most: number;
  readonly level: number;
}

function readPointers(
  layout: Layout,
  inode: Inode,
  node: CheckedReader,
  { at, count, most, level }: Node,
  list: RunList,
) {
  if (count > most)
    throw damaged(`the extent tree of inode ${inode.number} has a node of ${count} of ${most} pointers`);
  for (let index = 0; index < count; index++) {
    const child = node.u64be(at + (most + index) * POINTER_SIZE, "bb_ptr");
    readBlock(layout, inode, child, level - 1, list);
  }
}
