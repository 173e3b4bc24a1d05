/**
 * The one tree that holds everything: items by key. Each step down must lead to the next lower level, and keys must
 * ascend from leaf to leaf, so that neither a circle nor a leaf that is linked twice goes on for ever.
 */
import { firstIndex } from "../../base/first-index.ts";
import { Budget } from "../../base/budget.ts";
import type { ByteSource } from "../../base/byte-source.ts";
import { ByteCache } from "../byte-cache.ts";
import { damaged } from "./damage.ts";
import { compareKeys, type Key } from "./key.ts";
import { readNode, type Item, type Node } from "./node.ts";
import type { Superblock } from "./superblock.ts";

/** Blocks that one walk over the tree may read: the pointers of a file of 64 GiB, at 4 KiB a block. */
const MAX_BLOCKS = 16_384 + 1024;
const CACHE_SIZE = 4 * 1024 * 1024;
/** A parsed node takes more than its bytes. */
const PARSED = 4;

export class Tree {
  readonly source: ByteSource;
  readonly superblock: Superblock;
  readonly #nodes: ByteCache<Node>;

  constructor(source: ByteSource, superblock: Superblock) {
    this.source = source;
    this.superblock = superblock;
    this.#nodes = new ByteCache(CACHE_SIZE, () => superblock.blockSize * PARSED);
  }

  /** The item of exactly that key. @throws FILESYSTEM_DAMAGED, OUT_OF_BOUNDS */
  find(key: Key): Item | null {
    for (const item of this.itemsFrom(key)) {
      const order = compareKeys(item.key, key);
      if (order >= 0) return order === 0 ? item : null;
    }
    return null;
  }

  /**
   * Items in their order, from the last one on whose key is not behind `key`: the one that `key` may point into.
   * @throws as `find`, and BUDGET_EXCEEDED
   */
  *itemsFrom(key: Key): Generator<Item, void, undefined> {
    const { rootBlock, rootLevel } = this.superblock;
    const budget = new Budget("blocks of a ReiserFS tree in one walk", MAX_BLOCKS);
    let before: Key | null = null;
    for (const item of this.#walk(rootBlock, rootLevel, key, budget)) {
      if (before !== null && compareKeys(before, item.key) >= 0) throw damaged("the leaves of its tree are not sorted");
      before = item.key;
      yield item;
    }
  }

  *#walk(block: number, level: number, key: Key | null, budget: Budget): Generator<Item, void, undefined> {
    budget.spend();
    const node = this.#node(block, level);
    if ("items" in node) {
      const start =
        key === null ? 0 : Math.max(0, countUpTo(node.items.length, (index) => node.items[index]?.key, key) - 1);
      yield* node.items.slice(start);
      return;
    }
    const start = key === null ? 0 : countUpTo(node.keys.length, (index) => node.keys[index], key);
    for (const [index, child] of node.children.slice(start).entries()) {
      yield* this.#walk(child, level - 1, index === 0 ? key : null, budget);
    }
  }

  #node(block: number, level: number): Node {
    const { blockCount, blockSize } = this.superblock;
    if (block === 0 || block >= blockCount) throw damaged(`its tree leads to block ${block} of ${blockCount}`);
    // Under both: a block that two parents claim, on different levels, must not pass because it was read before.
    return this.#nodes.get(block * 8 + level, () =>
      readNode(this.source.read(block * blockSize, blockSize), block, level),
    );
  }
}

/** How many of the sorted keys are not behind `key`. */
function countUpTo(count: number, keyAt: (index: number) => Key | undefined, key: Key): number {
  return firstIndex(count, (index) => {
    const here = keyAt(index);
    return here === undefined || compareKeys(here, key) > 0;
  });
}
