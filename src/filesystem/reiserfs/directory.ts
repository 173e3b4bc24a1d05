/**
 * Folders: items of entries, sorted by the hash of their names, so that one is found without reading the others.
 * Specification: Florian Buchholz, "The structure of the Reiser file system", section "Directory items".
 */
import { Budget } from "../../base/budget.ts";
import { CheckedReader } from "../../base/checked-reader.ts";
import { damaged } from "./damage.ts";
import { DIRECTORY, isBehind, isOf, type Key, type ObjectId } from "./key.ts";
import { hashPartOf, nameHash } from "./name-hash.ts";
import type { Item } from "./node.ts";
import { nameOf } from "./object.ts";
import type { Tree } from "./tree.ts";

export interface Entry {
  readonly name: Uint8Array;
  readonly object: ObjectId;
}

interface HashedEntry extends Entry {
  readonly hash: number;
}

/** Entries that are looked at in one folder. */
const MAX_ENTRIES = 1_000_000;
const HEAD_SIZE = 16;
const STATE_VISIBLE = 1 << 2;
/** The keys of `.` and `..`: those of all others are larger. */
const FIRST_ENTRY = 1;
const PARENT_ENTRY = 2;

/** All entries but `.` and `..`, in the order of the disk. @throws FILESYSTEM_DAMAGED, OUT_OF_BOUNDS, BUDGET_EXCEEDED */
export function readDirectory(tree: Tree, directory: ObjectId): Entry[] {
  return [...entriesFrom(tree, directory, FIRST_ENTRY)];
}

/** The object of that exact name, or null. @throws as `readDirectory` */
export function findInDirectory(tree: Tree, directory: ObjectId, name: Uint8Array): ObjectId | null {
  const { hash } = tree.superblock;
  const wanted = hash === null ? null : nameHash(hash, name);
  for (const entry of entriesFrom(tree, directory, wanted ?? FIRST_ENTRY)) {
    if (wanted !== null && hashPartOf(entry.hash) > wanted) return null;
    if (Buffer.compare(entry.name, name) === 0) return entry.object;
  }
  return null;
}

/** @param offset of the first entry's key */
function* entriesFrom(tree: Tree, directory: ObjectId, offset: number): Generator<HashedEntry, void, undefined> {
  const key: Key = { ...directory, offset, type: DIRECTORY };
  const budget = new Budget("entries of a folder", MAX_ENTRIES);
  for (const item of tree.itemsFrom(key)) {
    if (!isOf(item.key, directory)) {
      // The search may begin before the folder, and ends behind it.
      if (isBehind(item.key, directory)) return;
      continue;
    }
    if (item.key.type !== DIRECTORY) continue;
    budget.spend(item.count);
    for (const entry of entriesOf(item, directory)) if (entry.hash >= offset) yield entry;
  }
}

/** Heads from the item's start on; names from its end downwards, in the same order. */
function* entriesOf({ body, count }: Item, directory: ObjectId): Generator<HashedEntry, void, undefined> {
  const reader = new CheckedReader(body, "ReiserFS directory item");
  const namesStart = count * HEAD_SIZE;
  let end = body.length;
  for (let index = 0; index < count; index++) {
    const head = index * HEAD_SIZE;
    const hash = reader.u32le(head, "deh_offset");
    const start = reader.u16le(head + 12, "deh_location");
    if (start < namesStart || start >= end) throw damaged(`names in folder ${nameOf(directory)} lie over one another`);
    const name = trimmed(reader.bytes(start, end - start, "name"));
    end = start;
    const isVisible = (reader.u16le(head + 14, "deh_state") & STATE_VISIBLE) !== 0;
    if (!isVisible || hash <= PARENT_ENTRY) continue;
    const object = {
      directoryId: reader.u32le(head + 4, "deh_dir_id"),
      objectId: reader.u32le(head + 8, "deh_objectid"),
    };
    yield { name, object, hash };
  }
}

/** Zeros may fill the room up to the next name. */
function trimmed(name: Uint8Array): Uint8Array {
  const end = name.indexOf(0);
  return end === -1 ? name : name.subarray(0, end);
}
