/**
 * Folders: names and the inodes they stand for.
 *
 * A name in an indexed folder is looked for in the few blocks that the index tells. To list a folder, every block is
 * read as a list of entries; that is right for indexed folders too: their index blocks look like empty entries to a
 * reader that does not know them. Folders with case folding are looked through: the exact name first, else one that
 * differs in case only, as far as this runtime's tables know cases (they may be newer than the filesystem's).
 * Specification: https://docs.kernel.org/filesystems/ext4/directory.html
 */
import type { ByteSource } from "../../base/byte-source.ts";
import { CheckedReader } from "../../base/checked-reader.ts";
import { directoryBudget } from "../../base/limits.ts";
import { decodeText } from "../../base/text.ts";
import { contentOf } from "./content.ts";
import { damaged } from "./damage.ts";
import { blocksOfName } from "./directory-index.ts";
import { nameKey } from "./fast-changes.ts";
import { foldsCase, hasInlineData, inlineData, isIndexed, refuseEncrypted, type Inode } from "./inode.ts";
import type { Layout } from "./layout.ts";
import { readRuns } from "./runs.ts";

export interface NamedInode {
  readonly name: Uint8Array;
  readonly inode: number;
}

const MAX_DIRECTORY_SIZE = 512 * 1024 * 1024;
const ENTRY_HEADER_SIZE = 8;

/**
 * The entries of a folder, `.` and `..` left out.
 * @throws FILESYSTEM_DAMAGED, FEATURE_UNSUPPORTED, BUDGET_EXCEEDED
 */
export function readDirectory(layout: Layout, directory: Inode): NamedInode[] {
  const budget = directoryBudget();
  const found: NamedInode[] = [];
  const changed = layout.changes?.names.get(directory.number);
  visitEntries(layout, directory, (inode, block, nameAt, nameLength) => {
    const name = block.slice(nameAt, nameAt + nameLength);
    if (isDots(name) || changed?.has(nameKey(name)) === true) return false;
    budget.spend();
    found.push({ name, inode });
    return false;
  });
  for (const [key, inode] of changed ?? []) {
    if (inode === null) continue;
    budget.spend();
    found.push({ name: Buffer.from(key, "latin1"), inode });
  }
  return found;
}

/** The inode of that name, or null. @throws as `readDirectory` */
export function findInDirectory(layout: Layout, directory: Inode, name: Uint8Array): number | null {
  if (isDots(name)) return null;
  const changed = layout.changes?.names.get(directory.number);
  if (changed !== undefined) return findAmongChanged(layout, directory, name, changed);
  return findOnDisk(layout, directory, name);
}

type ChangedNames = ReadonlyMap<string, number | null>;

function findAmongChanged(layout: Layout, directory: Inode, name: Uint8Array, changed: ChangedNames): number | null {
  const exact = changed.get(nameKey(name));
  if (typeof exact === "number") return exact;
  if (!foldsCase(directory)) return exact === null ? null : findOnDisk(layout, directory, name);
  const wanted = folded(name);
  const entries = readDirectory(layout, directory);
  const found =
    entries.find((entry) => nameKey(entry.name) === nameKey(name)) ??
    entries.find((entry) => folded(entry.name) === wanted);
  return found?.inode ?? null;
}

function findOnDisk(layout: Layout, directory: Inode, name: Uint8Array): number | null {
  const isFolded = foldsCase(directory);
  const wanted = isFolded ? folded(name) : "";
  let found = null as number | null;
  let alike = null as number | null;
  const visit: Visit = (inode, block, nameAt, nameLength) => {
    const isIt = nameLength === name.length && hasBytesAt(block, nameAt, name);
    if (isIt) found = inode;
    else if (isFolded && folded(block.subarray(nameAt, nameAt + nameLength)) === wanted) alike ??= inode;
    return isIt;
  };
  if (isFolded || !visitIndexed(layout, directory, name, visit)) visitEntries(layout, directory, visit);
  return found ?? alike;
}

/** Unicode's canonical decomposition without case; control characters and what does not show are kept. */
function folded(name: Uint8Array): string {
  return decodeText(name).normalize("NFD").toUpperCase().toLowerCase().normalize("NFD");
}

/** Looks in the blocks that the folder's index tells for a name; false when it has no index that can be used. */
function visitIndexed(layout: Layout, directory: Inode, name: Uint8Array, visit: Visit): boolean {
  const { blockSize, hasIndexedFolders, hashSeed, hasSignedHashes } = layout.superblock;
  if (!hasIndexedFolders || !isIndexed(directory) || hasInlineData(directory)) return false;
  const content: ByteSource = contentOf(layout, directory);
  const read = (block: number) => {
    layout.spendSearch(blockSize);
    return content.read(block * blockSize, blockSize);
  };
  const folder = { length: directory.size / blockSize, hash: { isSigned: hasSignedHashes, seed: hashSeed }, read };
  const blocks = blocksOfName(folder, name);
  blocks?.some((block) => visitBlock(read(block), visit));
  return blocks !== null;
}

/** Is shown an entry, its name as a range of `block`, which is reused afterwards; true ends the visit. */
type Visit = (inode: number, block: Uint8Array, nameAt: number, nameLength: number) => boolean;

function visitEntries(layout: Layout, directory: Inode, visit: Visit): void {
  refuseEncrypted(directory);
  for (const block of entryBlocks(layout, directory)) {
    layout.spendSearch(block.length);
    if (visitBlock(block, visit)) return;
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
  const block = new Uint8Array(blockSize);
  // Holes have no entries, and Linux passes them over, too: a size of 512 MiB may be one hole.
  for (const { logical, physical, count } of readRuns(layout, directory)) {
    const within = Math.min(count, directory.size / blockSize - logical);
    for (let index = 0; index < within; index++) {
      yield layout.source.read((physical + index) * blockSize, blockSize, block);
    }
  }
}

/** Without an object for each entry: a name may be looked for among millions. */
function visitBlock(block: Uint8Array, visit: Visit): boolean {
  const reader = new CheckedReader(block, "directory entry");
  let at = 0;
  while (at + ENTRY_HEADER_SIZE <= block.length) {
    const inode = reader.u32le(at, "inode");
    const length = entryLength(reader.u16le(at + 4, "rec_len"), block.length);
    // A folder of zeros is what is left of one whose blocks were never written: it has no entries.
    if (inode === 0 && length === 0) return false;
    if (length < ENTRY_HEADER_SIZE || length % 4 !== 0 || at + length > block.length) {
      throw damaged(`a directory entry of ${length} bytes at ${at} of ${block.length}`);
    }
    if (inode !== 0) {
      // One byte also where no type byte follows: no name is longer than 255 bytes.
      const nameLength = reader.u8(at + 6, "name_len");
      if (nameLength === 0 || ENTRY_HEADER_SIZE + nameLength > length) {
        throw damaged(`a name of ${nameLength} bytes in a directory entry of ${length}`);
      }
      if (visit(inode, block, at + ENTRY_HEADER_SIZE, nameLength)) return true;
    }
    at += length;
  }
  return false;
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

function hasBytesAt(block: Uint8Array, at: number, bytes: Uint8Array): boolean {
  for (let index = 0; index < bytes.length; index++) if (block[at + index] !== bytes[index]) return false;
  return true;
}
