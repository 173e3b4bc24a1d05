/**
 * Keys: what everything in the tree is sorted by. Two forms of 16 bytes are on disks side by side, also in one node: the
 * older one has a 32-bit offset and a number that stands for the type, the newer one 60 bits and 4.
 * Specification: Florian Buchholz, "The structure of the Reiser file system", section "Keys".
 */
import type { CheckedReader } from "../../base/checked-reader.ts";
import { damaged } from "./damage.ts";

/** One file, folder or link: the numbers that its keys begin with. */
export interface ObjectId {
  /** The object under which it was made. */
  readonly directoryId: number;
  readonly objectId: number;
}

export interface Key extends ObjectId {
  /** In files: the place of the item's first byte, counted from 1. In folders: the hash of the item's first name. */
  readonly offset: number;
  readonly type: ItemType;
}

/** As numbers, because that is how they sort. */
export type ItemType = number;
export const STAT_DATA = 0;
export const INDIRECT = 1;
export const DIRECT = 2;
export const DIRECTORY = 3;
const ANY = 15;

export const KEY_SIZE = 16;

/** The older form's numbers for types. */
const UNIQUENESS: Readonly<Record<number, ItemType>> = {
  0: STAT_DATA,
  0xfffffffe: INDIRECT,
  0xffffffff: DIRECT,
  500: DIRECTORY,
};

/** @throws FILESYSTEM_DAMAGED for an offset past 2^53; OUT_OF_BOUNDS */
export function readKey(reader: CheckedReader, at: number): Key {
  const low = reader.u32le(at + 8, "k_offset");
  const high = reader.u32le(at + 12, "k_type");
  const newType = high >>> 28;
  const isNew = newType === INDIRECT || newType === DIRECT || newType === DIRECTORY;
  // Of the older form the type says nothing else than that it is one; keys of stat data are the same in both.
  const offset = isNew ? (high & 0x0fffffff) * 2 ** 32 + low : low;
  if (!Number.isSafeInteger(offset)) throw damaged("a key has an offset past 2^53");
  return {
    directoryId: reader.u32le(at, "k_dir_id"),
    objectId: reader.u32le(at + 4, "k_object_id"),
    offset,
    type: isNew ? newType : (UNIQUENESS[high] ?? ANY),
  };
}

/** Negative when `left` sorts before `right`, 0 when they are the same. */
export function compareKeys(left: Key, right: Key): number {
  return (
    left.directoryId - right.directoryId ||
    left.objectId - right.objectId ||
    left.offset - right.offset ||
    left.type - right.type
  );
}

export function isOf(key: Key, { directoryId, objectId }: ObjectId): boolean {
  return key.directoryId === directoryId && key.objectId === objectId;
}

/** Does the key sort behind everything of the object? */
export function isBehind(key: Key, { directoryId, objectId }: ObjectId): boolean {
  return key.directoryId > directoryId || (key.directoryId === directoryId && key.objectId > objectId);
}

/** The first key that anything of the object can have. */
export function firstKeyOf({ directoryId, objectId }: ObjectId): Key {
  return { directoryId, objectId, offset: 0, type: STAT_DATA };
}
