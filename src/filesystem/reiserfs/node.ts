/**
 * Blocks of the tree: inner nodes, which hold keys and the blocks between them, and leaves, which hold items.
 * Specification: Florian Buchholz, "The structure of the Reiser file system", sections "Internal nodes", "Leaf nodes".
 */
import { CheckedReader } from "../../base/checked-reader.ts";
import { damaged } from "./damage.ts";
import { compareKeys, KEY_SIZE, readKey, type Key } from "./key.ts";

export type Node = InnerNode | Leaf;

export interface InnerNode {
  readonly level: number;
  /** The first keys of all children but the first. */
  readonly keys: readonly Key[];
  /** Block numbers, not checked against anything yet. */
  readonly children: readonly number[];
}

export interface Leaf {
  readonly level: typeof LEAF_LEVEL;
  /** At least one. */
  readonly items: readonly Item[];
}

export interface Item {
  readonly key: Key;
  /** Of folders: how many entries. */
  readonly count: number;
  readonly body: Uint8Array;
  /** The body's place on the volume, in bytes. */
  readonly at: number;
}

export const LEAF_LEVEL = 1;
const HEADER_SIZE = 24;
const ITEM_HEADER_SIZE = 24;
const POINTER_SIZE = 8;

/** @throws FILESYSTEM_DAMAGED when the node is not of that level or its parts contradict themselves; OUT_OF_BOUNDS */
export function readNode(bytes: Uint8Array, block: number, level: number): Node {
  const reader = new CheckedReader(bytes, `ReiserFS block ${block}`);
  const found = reader.u16le(0, "blk_level");
  if (found !== level) throw damaged(`block ${block} should be a node of level ${level} and says ${found}`);
  const count = reader.u16le(2, "blk_nr_item");
  return level === LEAF_LEVEL ? readLeaf(reader, block, count) : readInnerNode(reader, block, level, count);
}

function readInnerNode(reader: CheckedReader, block: number, level: number, count: number): InnerNode {
  const pointers = HEADER_SIZE + count * KEY_SIZE;
  if (pointers + (count + 1) * POINTER_SIZE > reader.length)
    throw damaged(`block ${block} has room for no ${count} keys`);
  const keys = Array.from({ length: count }, (_, index) => readKey(reader, HEADER_SIZE + index * KEY_SIZE));
  checkOrder(keys, block);
  const children = Array.from({ length: count + 1 }, (_, index) =>
    reader.u32le(pointers + index * POINTER_SIZE, "dc_block_number"),
  );
  return { level, keys, children };
}

function readLeaf(reader: CheckedReader, block: number, count: number): Leaf {
  const headersEnd = HEADER_SIZE + count * ITEM_HEADER_SIZE;
  if (count === 0) throw damaged(`block ${block} is a leaf without items`);
  if (headersEnd > reader.length) throw damaged(`block ${block} has room for no ${count} items`);
  const items = Array.from({ length: count }, (_, index): Item => {
    const header = HEADER_SIZE + index * ITEM_HEADER_SIZE;
    const length = reader.u16le(header + 18, "ih_item_len");
    const location = reader.u16le(header + 20, "ih_item_location");
    if (location < headersEnd) throw damaged(`an item of block ${block} lies over the headers`);
    return {
      key: readKey(reader, header),
      count: reader.u16le(header + 16, "ih_entry_count"),
      body: reader.bytes(location, length, "item"),
      at: block * reader.length + location,
    };
  });
  checkOrder(
    items.map(({ key }) => key),
    block,
  );
  return { level: LEAF_LEVEL, items };
}

/** What is searched by halves must be sorted. */
function checkOrder(keys: readonly Key[], block: number): void {
  keys.forEach((key, index) => {
    const before = keys[index - 1];
    if (before !== undefined && compareKeys(before, key) >= 0)
      throw damaged(`the keys of block ${block} are not sorted`);
  });
}
