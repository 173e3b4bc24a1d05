/**
 * Searching and walking the trees of btrfs. That every block is one level below the one that leads to it, begins with
 * the key that leads to it, and is not empty, and that keys ascend from leaf to leaf, ends every walk.
 */
import type { CheckedReader } from "../../base/checked-reader.ts";
import { damaged } from "./damage.ts";
import { compareKeys, type Key, type Node, type NodePointer } from "./node.ts";
import type { TreeRoot } from "./tree-root.ts";

export interface Item {
  readonly key: Key;
  readonly data: CheckedReader;
}

/** What tree blocks come from. */
export interface NodeSource {
  /** @throws FILESYSTEM_DAMAGED, BUDGET_EXCEEDED */
  node(pointer: NodePointer): Node;
}

/** @throws FILESYSTEM_DAMAGED, OUT_OF_BOUNDS, BUDGET_EXCEEDED */
export function findItem(source: NodeSource, tree: TreeRoot, key: Key): Item | null {
  const item = lastItemUpTo(source, tree, key);
  return item !== null && compareKeys(item.key, key) === 0 ? item : null;
}

/** The item with that key, or else the one before it, whatever it belongs to; null at the tree's beginning. @throws as `findItem` */
export function lastItemUpTo(source: NodeSource, tree: TreeRoot, key: Key): Item | null {
  let node = source.node(tree);
  while (node.level > 0) {
    const index = node.lastUpTo(key);
    if (index === -1) return null;
    node = childOf(source, tree, node, index);
  }
  const index = node.lastUpTo(key);
  return index === -1 ? null : { key: node.key(index), data: node.item(index) };
}

/** The items from that key on, to the end of the tree. @throws as `findItem` */
export function* itemsFrom(source: NodeSource, tree: TreeRoot, from: Key): Generator<Item> {
  const way: { readonly node: Node; index: number }[] = [];
  const root = source.node(tree);
  for (let node = root; ;) {
    const index = node.lastUpTo(from);
    if (node.level === 0) {
      const isThere = index !== -1 && node.compare(index, from) === 0;
      way.push({ node, index: isThere ? index : index + 1 });
      break;
    }
    way.push({ node, index: Math.max(index, 0) });
    node = childOf(source, tree, node, Math.max(index, 0));
  }
  let last: Key | null = null;
  for (let here = way.at(-1); here !== undefined; here = way.at(-1)) {
    const { node, index } = here;
    if (index >= node.count) {
      way.pop();
      const above = way.at(-1);
      if (above !== undefined) above.index += 1;
    } else if (node.level > 0) way.push({ node: childOf(source, tree, node, index), index: 0 });
    else {
      const key = node.key(index);
      if (last !== null && compareKeys(key, last) <= 0) throw damaged(`the leaves of ${tree.what} do not ascend`);
      last = key;
      yield { key, data: node.item(index) };
      here.index += 1;
    }
  }
}

function childOf(source: NodeSource, tree: TreeRoot, node: Node, index: number): Node {
  const child = source.node(node.pointer(index));
  if (child.count === 0 || child.compare(0, node.key(index)) !== 0) {
    throw damaged(`a block of ${tree.what} does not begin where it should`);
  }
  return child;
}
