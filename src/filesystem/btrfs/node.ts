/**
 * A tree block: sorted keys with pointers to further blocks, or with items (in the leaves, at level 0).
 * Specification: https://btrfs.readthedocs.io/en/latest/dev/On-disk-format.html, "Basic Structures".
 */
import { firstIndex } from "../../base/first-index.ts";
import { CheckedReader } from "../../base/checked-reader.ts";
import { damaged } from "./damage.ts";

/**
 * A key of 136 bits. Numbers over 2^53 in it are not exact, which no comparison notices: those that we look for are
 * smaller, or the one kind in their tree.
 */
export interface Key {
  readonly objectid: number;
  readonly type: number;
  readonly offset: number;
}

/** Where a block is said to lie, and what it must be. */
export interface NodePointer {
  /** For errors: "the root tree". */
  readonly what: string;
  readonly logical: number;
  readonly level: number;
  readonly generation: number;
}

export const HEADER = { checksum: 0, uuid: 32, logical: 48, generation: 80, count: 96, level: 100, size: 101 };
const KEY_SIZE = 17;
const POINTER_SIZE = KEY_SIZE + 16;
const ITEM_SIZE = KEY_SIZE + 8;

export class Node {
  readonly bytes: Uint8Array;
  readonly level: number;
  readonly generation: number;
  readonly count: number;
  readonly #reader: CheckedReader;
  readonly #what: string;
  readonly #entrySize: number;

  /** @throws FILESYSTEM_DAMAGED when its keys do not ascend or cannot be that many */
  constructor(bytes: Uint8Array, what: string) {
    const reader = new CheckedReader(bytes, `btrfs block of ${what}`);
    this.bytes = bytes;
    this.#reader = reader;
    this.#what = what;
    this.level = reader.u8(HEADER.level, "level");
    this.generation = reader.u64le(HEADER.generation, "generation");
    this.count = reader.u32le(HEADER.count, "nritems");
    this.#entrySize = this.level === 0 ? ITEM_SIZE : POINTER_SIZE;
    if (HEADER.size + this.count * this.#entrySize > bytes.length) {
      throw damaged(`a block of ${what} has ${this.count} entries`);
    }
    for (let index = 1; index < this.count; index++) {
      if (this.compare(index, this.key(index - 1)) <= 0) throw damaged(`the keys of a block of ${what} do not ascend`);
    }
  }

  key(index: number): Key {
    const at = HEADER.size + index * this.#entrySize;
    return {
      objectid: this.#inexact(at, "key.objectid"),
      type: this.#reader.u8(at + 8, "key.type"),
      offset: this.#inexact(at + 9, "key.offset"),
    };
  }

  /** Is the key of that entry before (negative), or behind `key`? */
  compare(index: number, key: Key): number {
    return compareKeys(this.key(index), key);
  }

  /** The last entry whose key is not behind `key`, or -1. */
  lastUpTo(key: Key): number {
    return firstIndex(this.count, (index) => this.compare(index, key) > 0) - 1;
  }

  /** What an entry of an inner block leads to. */
  pointer(index: number): NodePointer {
    const at = HEADER.size + index * POINTER_SIZE + KEY_SIZE;
    return {
      what: this.#what,
      logical: this.#reader.u64le(at, "blockptr"),
      level: this.level - 1,
      generation: this.#reader.u64le(at + 8, "generation"),
    };
  }

  /** What an entry of a leaf holds. */
  item(index: number): CheckedReader {
    const at = HEADER.size + index * ITEM_SIZE + KEY_SIZE;
    const offset = HEADER.size + this.#reader.u32le(at, "item.offset");
    const length = this.#reader.u32le(at + 4, "item.size");
    return new CheckedReader(this.#reader.bytes(offset, length, "item"), `btrfs item of ${this.#what}`);
  }

  #inexact(at: number, field: string): number {
    return this.#reader.u32le(at + 4, field) * 2 ** 32 + this.#reader.u32le(at, field);
  }
}

export function compareKeys(left: Key, right: Key): number {
  return left.objectid - right.objectid || left.type - right.type || left.offset - right.offset;
}
