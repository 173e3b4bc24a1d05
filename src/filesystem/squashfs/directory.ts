/**
 * Folders: sorted names in runs that share a block of inodes. A long folder has an index of where to begin.
 * Specification: https://dr-emann.github.io/squashfs/squashfs.html#_directory_table
 */
import { directoryBudget } from "../../base/limits.ts";
import { damaged } from "./damage.ts";
import type { DirectoryInode } from "./inode.ts";
import { MetadataCursor, type Reference } from "./metadata.ts";
import { METADATA_SIZE, type Storage } from "./storage.ts";

export interface DirectoryItem {
  readonly name: Uint8Array;
  readonly inode: Reference;
}

const MAX_NAME_LENGTH = 256;
const RUN_HEADER = 12;
const ENTRY_HEADER = 8;
const INDEX_HEADER = 12;
const MAX_RUN = 256;
const SLASH = 0x2f;

/** The inode of that name, or null. @throws FILESYSTEM_DAMAGED, DATA_DAMAGED, OUT_OF_BOUNDS, BUDGET_EXCEEDED */
export function findInDirectory(storage: Storage, directory: DirectoryInode, name: Uint8Array): Reference | null {
  for (const entry of entriesOf(storage, directory, partFor(directory, name))) {
    if (Buffer.compare(entry.name, name) === 0) return entry.inode;
  }
  return null;
}

/** @throws as `findInDirectory` */
export function readDirectory(storage: Storage, directory: DirectoryInode): DirectoryItem[] {
  const budget = directoryBudget();
  const found: DirectoryItem[] = [];
  for (const { name, inode } of entriesOf(storage, directory, wholeOf(directory))) {
    if (isDots(name)) continue;
    if (name.includes(SLASH) || name.includes(0)) throw damaged("a folder has a name with a slash or a zero in it");
    budget.spend();
    found.push({ name: name.slice(), inode });
  }
  return found;
}

/** A part of a listing: bytes from its start, and the block, from the start of the table, in which it begins. */
interface Part {
  readonly start: number;
  readonly end: number;
  readonly block: number;
}

function wholeOf({ size, block }: DirectoryInode): Part {
  return { start: 0, end: size, block };
}

/** Where the name is, if it is there at all: from the last entry of the index that is not behind it to the next one. */
function partFor(directory: DirectoryInode, name: Uint8Array): Part {
  let part = wholeOf(directory);
  if (directory.indexCount === 0) return part;
  const cursor = directory.rest();
  for (let left = directory.indexCount; left > 0; left--) {
    const header = cursor.take(INDEX_HEADER, "squashfs directory index");
    const start = header.u32le(0, "index");
    const length = header.u32le(8, "name_size") + 1;
    if (length > MAX_NAME_LENGTH) throw damaged(`a name of an index has ${length} bytes`);
    const first = cursor.take(length, "squashfs directory index").bytes(0, length, "name");
    if (start < part.start || start > directory.size) throw damaged("the index of a folder does not ascend");
    if (Buffer.compare(first, name) > 0) return { ...part, end: start };
    part = { start, end: directory.size, block: header.u32le(4, "start") };
  }
  return part;
}

function* entriesOf(storage: Storage, directory: DirectoryInode, part: Part): Generator<DirectoryItem> {
  const what = "squashfs folder";
  const table = storage.superblock.directoryTable;
  const cursor = new MetadataCursor(storage, table + part.block, (directory.offset + part.start) % METADATA_SIZE);
  for (let at = part.start; at < part.end;) {
    const header = cursor.take(RUN_HEADER, what);
    const count = header.u32le(0, "count") + 1;
    const block = header.u32le(4, "start");
    if (count > MAX_RUN) throw damaged(`a folder with a run of ${count} names`);
    at += RUN_HEADER;
    for (let left = count; left > 0; left--) {
      const entry = cursor.take(ENTRY_HEADER, what);
      const offset = entry.u16le(0, "offset");
      const length = entry.u16le(6, "name_size") + 1;
      if (length > MAX_NAME_LENGTH) throw damaged(`a name of a folder has ${length} bytes`);
      at += ENTRY_HEADER + length;
      if (at > part.end) throw damaged("a name reaches out of its folder");
      yield { name: cursor.take(length, what).bytes(0, length, "name"), inode: block * 0x10000 + offset };
    }
  }
}

function isDots(name: Uint8Array): boolean {
  const dot = 0x2e;
  return name[0] === dot && (name.length === 1 || (name.length === 2 && name[1] === dot));
}
