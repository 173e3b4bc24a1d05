/**
 * Folders. Each name is kept twice: under its hash, where one name is looked up, and in the order in which the names
 * came, where all are listed. Specification: https://btrfs.readthedocs.io/en/latest/dev/On-disk-format.html, "DIR_ITEM".
 */
import type { CheckedReader } from "../../base/checked-reader.ts";
import { directoryBudget } from "../../base/limits.ts";
import { updateCrc32c } from "../crc32c.ts";
import { damaged } from "./damage.ts";
import type { Key } from "./node.ts";
import type { Storage } from "./storage.ts";
import type { TreeRoot } from "./tree-root.ts";
import { findItem, itemsFrom } from "./tree.ts";

export interface DirectoryItem {
  readonly name: Uint8Array;
  /** The key of what it stands for: an inode of the same subvolume, or another subvolume. */
  readonly location: Key;
}

const DIR_ITEM = 84;
const DIR_INDEX = 96;
const ITEM_HEADER = 30;
const MAX_NAME_LENGTH = 255;
const SLASH = 0x2f;

/** The entry of that name, or null. @throws FILESYSTEM_DAMAGED, OUT_OF_BOUNDS, BUDGET_EXCEEDED */
export function findInDirectory(
  storage: Storage,
  tree: TreeRoot,
  directory: number,
  name: Uint8Array,
): DirectoryItem | null {
  if (name.length === 0 || name.length > MAX_NAME_LENGTH) return null;
  const item = findItem(storage, tree, { objectid: directory, type: DIR_ITEM, offset: nameHash(name) });
  if (item === null) return null;
  // Names of one hash share an item.
  for (const entry of entriesOf(item.data)) {
    if (Buffer.compare(entry.name, name) === 0) return entry;
  }
  return null;
}

/** The entries of a folder, in the order in which the kernel lists them. @throws as `findInDirectory` */
export function readDirectory(storage: Storage, tree: TreeRoot, directory: number): DirectoryItem[] {
  const budget = directoryBudget();
  const found: DirectoryItem[] = [];
  for (const { key, data } of itemsFrom(storage, tree, { objectid: directory, type: DIR_INDEX, offset: 0 })) {
    if (key.objectid !== directory || key.type !== DIR_INDEX) break;
    for (const { name, location } of entriesOf(data)) {
      if (isDots(name)) continue;
      if (name.length === 0 || name.includes(SLASH) || name.includes(0)) {
        throw damaged("a folder has an empty name, or one with a slash or a zero in it");
      }
      budget.spend();
      found.push({ name: name.slice(), location });
    }
  }
  return found;
}

/** CRC-32C with another initial value than checksums have, and no inversion at the end. */
export function nameHash(name: Uint8Array): number {
  return updateCrc32c(0xfffffffe, name);
}

function* entriesOf(data: CheckedReader): Generator<DirectoryItem> {
  for (let at = 0; at < data.length;) {
    const dataLength = data.u16le(at + 25, "data_len");
    const nameLength = data.u16le(at + 27, "name_len");
    if (nameLength > MAX_NAME_LENGTH) throw damaged(`a name of a folder has ${nameLength} bytes`);
    yield { name: data.bytes(at + ITEM_HEADER, nameLength, "name"), location: locationAt(data, at) };
    at += ITEM_HEADER + nameLength + dataLength;
  }
}

/** The offset does not matter: of inodes it is 0, of subvolumes -1. */
function locationAt(data: CheckedReader, at: number): Key {
  return { objectid: data.u64le(at, "location.objectid"), type: data.u8(at + 8, "location.type"), offset: 0 };
}

function isDots(name: Uint8Array): boolean {
  const dot = 0x2e;
  return name[0] === dot && (name.length === 1 || (name.length === 2 && name[1] === dot));
}
