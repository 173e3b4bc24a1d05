/**
 * A file's content as runs of neighbouring blocks, whether an extent tree or the older block lists describe it.
 * Specification: https://docs.kernel.org/filesystems/ext4/ifork.html
 */
import { Budget } from "../../base/budget.ts";
import { CheckedReader } from "../../base/checked-reader.ts";
import { extentBudget } from "../../base/limits.ts";
import type { Run } from "../mapped-content.ts";
import { hasExtents, type Inode } from "./inode.ts";
import type { Layout } from "./layout.ts";
import { damaged } from "./damage.ts";
import { layOver } from "./fast-changes.ts";
import type { Piece } from "./fast-commit.ts";

/** Bytes of the map that may be read for one file: the block lists of 32 GiB, at 4 KiB a block. */
const MAX_MAP_SIZE = 32 * 1024 * 1024;

/** The runs of a file, ascending. @throws FILESYSTEM_DAMAGED, BUDGET_EXCEEDED */
export function readRuns(layout: Layout, inode: Inode): Run[] {
  const list = new RunList();
  if (hasExtents(inode)) readExtents(layout, inode, list);
  else readBlockLists(layout, inode, list);
  const later = layout.changes?.pieces.get(inode.number);
  return later === undefined ? list.runs : withLater(layout, inode, list.runs, later);
}

function withLater(layout: Layout, inode: Inode, runs: readonly Run[], later: readonly Piece[]): Run[] {
  const list = new RunList();
  for (const { logical, physical, count } of layOver(runs, later)) {
    if (physical === null) continue;
    layout.byteOffset(physical, count, `inode ${inode.number}`);
    list.add({ logical, physical, count });
  }
  return list.runs;
}

/** Collects runs in ascending order and joins those that continue each other. */
class RunList {
  readonly runs: Run[] = [];
  readonly #budget = extentBudget();
  #end = 0;

  add(run: Run): void {
    if (run.logical < this.#end) throw damaged("the pieces of a file overlap or are not in order");
    this.#end = run.logical + run.count;
    const last = this.runs.at(-1);
    const continues =
      last !== undefined && last.logical + last.count === run.logical && last.physical + last.count === run.physical;
    if (continues) {
      this.runs[this.runs.length - 1] = { ...last, count: last.count + run.count };
    } else {
      this.#budget.spend();
      this.runs.push(run);
    }
  }
}

/** In bytes, not in blocks: a block of 64 KiB has as many entries as 64 of 1 KiB. */
function spend(layout: Layout, budget: Budget): void {
  budget.spend(layout.superblock.blockSize);
  layout.spendSearch(layout.superblock.blockSize);
}

const EXTENT_MAGIC = 0xf30a;
const EXTENT_HEADER_SIZE = 12;
const EXTENT_ENTRY_SIZE = 12;
const MAX_EXTENT_DEPTH = 5;
/** Lengths above it mean blocks that are reserved but unwritten: they read as zeros, as holes do. */
const MAX_WRITTEN_LENGTH = 32768;

function readExtents(layout: Layout, inode: Inode, list: RunList): void {
  const budget = new Budget("bytes of a file's extent tree", MAX_MAP_SIZE);
  const what = `extent tree of inode ${inode.number}`;
  /** The last entry of each depth, by where it begins in the file. */
  const last: number[] = [];
  const readNode = (node: CheckedReader, expectedDepth: number | null) => {
    if (node.u16le(0, "eh_magic") !== EXTENT_MAGIC) throw damaged(`the ${what} is none`);
    const entries = node.u16le(2, "eh_entries");
    const depth = node.u16le(6, "eh_depth");
    // A child that is not one level below its parent would make a circle possible.
    if (depth > MAX_EXTENT_DEPTH || (expectedDepth !== null && depth !== expectedDepth)) {
      throw damaged(`the ${what} has a node of depth ${depth}`);
    }
    for (let index = 0; index < entries; index++) {
      const at = EXTENT_HEADER_SIZE + index * EXTENT_ENTRY_SIZE;
      if (depth === 0) {
        addExtent(node, at);
      } else {
        // On each depth they ascend: so no node is read twice, and none leads to what it is below.
        const begin = node.u32le(at, "ei_block");
        if (begin <= (last[depth] ?? -1)) throw damaged(`the ${what} is not in order`);
        last[depth] = begin;
        spend(layout, budget);
        const child = node.u32le(at + 4, "ei_leaf_lo") + node.u16le(at + 8, "ei_leaf_hi") * 2 ** 32;
        readNode(layout.block(child, what), depth - 1);
      }
    }
  };
  const addExtent = (node: CheckedReader, at: number) => {
    const count = node.u16le(at + 4, "ee_len");
    const physical = node.u32le(at + 8, "ee_start_lo") + node.u16le(at + 6, "ee_start_hi") * 2 ** 32;
    if (count === 0 || count > MAX_WRITTEN_LENGTH) return;
    layout.byteOffset(physical, count, what);
    list.add({ logical: node.u32le(at, "ee_block"), physical, count });
  };
  readNode(new CheckedReader(inode.map, what), null);
}

const DIRECT_BLOCKS = 12;

/** 12 block numbers, then one block of block numbers, one of blocks of them, and one of blocks of those. */
function readBlockLists(layout: Layout, inode: Inode, list: RunList): void {
  const { blockSize } = layout.superblock;
  const perBlock = blockSize / 4;
  const blocksOfFile = Math.ceil(inode.size / blockSize);
  const budget = new Budget("bytes of a file's block lists", MAX_MAP_SIZE);
  const what = `block list of inode ${inode.number}`;
  const seen = new Set<number>();

  const addTree = (block: number, level: number, logical: number): void => {
    // A zero is a hole, as wide as everything that would be below it.
    if (block === 0 || logical >= blocksOfFile) return;
    if (level === 0) {
      layout.byteOffset(block, 1, what);
      list.add({ logical, physical: block, count: 1 });
      return;
    }
    if (seen.has(block)) throw damaged(`the ${what} has block ${block} twice`);
    seen.add(block);
    spend(layout, budget);
    const numbers = layout.block(block, what);
    const below = perBlock ** (level - 1);
    for (let index = 0; index < perBlock; index++) {
      addTree(numbers.u32le(index * 4, "block number"), level - 1, logical + index * below);
    }
  };

  const map = new CheckedReader(inode.map, what);
  let logical = 0;
  for (let index = 0; index < DIRECT_BLOCKS + 3; index++) {
    const level = Math.max(0, index - DIRECT_BLOCKS + 1);
    addTree(map.u32le(index * 4, "i_block"), level, logical);
    logical += perBlock ** level;
  }
}
