/**
 * Folders: names and the inodes they stand for.
 *
 * Every block is read as a list of entries. That is right for indexed folders too: their index blocks look like empty
 * entries to a reader that does not know them. The index itself is not used.
 * Specification: https://docs.kernel.org/filesystems/ext4/directory.html
 */
import { Budget } from "../../base/budget.ts";
import { CheckedReader } from "../../base/checked-reader.ts";
import { contentOf } from "./content.ts";
import { hasInlineData, inlineData, refuseEncrypted, type Inode } from "./inode.ts";
import type { Layout } from "./layout.ts";
import { damaged } from "./superblock.ts";

export interface NamedInode {
  readonly name: Uint8Array;
  readonly inode: number;
}

const MAX_ENTRIES = 2_000_000;
const MAX_DIRECTORY_SIZE = 512 * 1024 * 1024;
const ENTRY_HEADER_SIZE = 8;

/**
 * The entries of a folder, `.` and `..` left out.
 * @throws FILESYSTEM_DAMAGED, FEATURE_UNSUPPORTED, BUDGET_EXCEEDED
 */
export function* readDirectory(layout: Layout, directory: Inode): Generator<NamedInode> {
  refuseEncrypted(directory);
  const budget = new Budget("entries of a folder", MAX_ENTRIES);
  for (const block of entryBlocks(layout, directory)) {
    for (const entry of readEntries(layout, block)) {
      budget.spend();
      if (entry.inode !== 0 && !isDots(entry.name)) yield entry;
    }
  }
}

function* entryBlocks(layout: Layout, directory: Inode): Generator<Uint8Array> {
  if (hasInlineData(directory)) {
    // The first 4 bytes are the number of the parent folder.
    const { head, rest } = inlineData(directory);
    yield head.subarray(4);
    if (rest.length > 0) yield rest;
    return;
  }
  const { blockSize } = layout.superblock;
  if (directory.size > MAX_DIRECTORY_SIZE || directory.size % blockSize !== 0) {
    throw damaged(`a folder (inode ${directory.number}) has ${directory.size} bytes`);
  }
  const content = contentOf(layout, directory);
  const block = new Uint8Array(blockSize);
  for (let offset = 0; offset < directory.size; offset += blockSize) yield content.read(offset, blockSize, block);
}

function* readEntries(layout: Layout, block: Uint8Array): Generator<NamedInode> {
  const reader = new CheckedReader(block, "directory entry");
  const { hasFileTypes } = layout.superblock;
  let at = 0;
  while (at + ENTRY_HEADER_SIZE <= block.length) {
    const inode = reader.u32le(at, "inode");
    const length = entryLength(reader.u16le(at + 4, "rec_len"), block.length);
    const nameLength = hasFileTypes ? reader.u8(at + 6, "name_len") : reader.u16le(at + 6, "name_len");
    // A folder of zeros is what is left of one whose blocks were never written: it has no entries.
    if (inode === 0 && length === 0) return;
    if (length < ENTRY_HEADER_SIZE || length % 4 !== 0 || at + length > block.length) {
      throw damaged(`a directory entry of ${length} bytes at ${at} of ${block.length}`);
    }
    if (inode !== 0) {
      if (ENTRY_HEADER_SIZE + nameLength > length)
        throw damaged(`a name of ${nameLength} bytes in an entry of ${length}`);
      yield { name: reader.bytes(at + ENTRY_HEADER_SIZE, nameLength, "name"), inode };
    }
    at += length;
  }
}

/** In blocks of 64 KiB a length needs 17 bits: its two lowest, always zero, hold the highest. */
function entryLength(stored: number, blockSize: number): number {
  if (blockSize < 65536) return stored;
  return stored === 65535 || stored === 0 ? 65536 : (stored & 65532) | ((stored & 3) << 16);
}

function isDots(name: Uint8Array): boolean {
  const dot = 0x2e;
  return name[0] === dot && (name.length === 1 || (name.length === 2 && name[1] === dot));
}
