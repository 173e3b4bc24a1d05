/**
 * The index of a large folder (htree): from the hash of a name to the blocks where its entry may lie, so that one name
 * of many thousands is found in a few blocks.
 * Specification: https://docs.kernel.org/filesystems/ext4/directory.html#hash-tree-directories
 */
import { firstIndex } from "../../base/first-index.ts";
import { Budget } from "../../base/budget.ts";
import { CheckedReader } from "../../base/checked-reader.ts";
import { damaged } from "./damage.ts";
import { nameHash, type HashKind } from "./name-hash.ts";

/** A folder as its index sees it. */
export interface IndexedFolder {
  /** Blocks. */
  readonly length: number;
  readonly hash: Omit<HashKind, "version">;
  /** @throws as reading the disk does; each block in bytes of its own */
  readonly read: (block: number) => Uint8Array;
}

/** Blocks that an index may tell for one name: few names have the same hash. */
const MAX_INDEX_BLOCKS = 1024;
const MAX_LEVELS = 3;

const ROOT = { infoAt: 0x18, versionAt: 0x1c, infoLengthAt: 0x1d, levelsAt: 0x1e, countAt: 0x22, entriesAt: 0x20 };
const NODE = { countAt: 0xa, entriesAt: 0x8 };
const ENTRY_SIZE = 8;
const INFO_LENGTH = 8;

/**
 * The blocks of the folder that may hold the name, in order; null when the index is none that we know, so that the
 * folder must be looked through. @throws FILESYSTEM_DAMAGED, BUDGET_EXCEEDED,
 * OUT_OF_BOUNDS
 */
export function blocksOfName(folder: IndexedFolder, name: Uint8Array): number[] | null {
  const budget = new Budget("blocks of a folder's index", MAX_INDEX_BLOCKS);
  const root = new CheckedReader(folder.read(0), "index of a folder");
  const levels = root.u8(ROOT.levelsAt, "indirect_levels");
  const version = root.u8(ROOT.versionAt, "hash_version");
  const hash = nameHash({ ...folder.hash, version }, name);
  const isKnown =
    root.u32le(ROOT.infoAt, "reserved_zero") === 0 && root.u8(ROOT.infoLengthAt, "info_length") === INFO_LENGTH;
  if (hash === null || !isKnown || levels > MAX_LEVELS) return null;

  const blocksBelow = (node: CheckedReader, at: typeof NODE, level: number): number[] =>
    childrenOf(node, at, hash).flatMap((child) => {
      budget.spend();
      // Block 0 is the root itself.
      if (child === 0 || child >= folder.length) throw damaged(`a folder's index names block ${child}`);
      if (level === 0) return [child];
      return blocksBelow(new CheckedReader(folder.read(child), "index of a folder"), NODE, level - 1);
    });
  return blocksBelow(root, ROOT, levels);
}

/**
 * The child whose names begin at or below the hash, and those behind it in which names of just that hash go on; their
 * own hashes have the lowest bit set.
 */
function childrenOf(node: CheckedReader, { countAt, entriesAt }: typeof NODE, hash: number): number[] {
  const count = node.u16le(countAt, "count");
  // The first has no hash of its own: limit and count stand in its place.
  const hashOf = (index: number) => (index === 0 ? 0 : node.u32le(entriesAt + index * ENTRY_SIZE, "hash"));
  const childOf = (index: number) => node.u32le(entriesAt + index * ENTRY_SIZE + 4, "block");
  const child = Math.max(0, firstIndex(count, (index) => hashOf(index) > hash) - 1);
  const children = count === 0 ? [] : [childOf(child)];
  for (let index = child + 1; index < count && (hashOf(index) & ~1) >>> 0 === hash; index++)
    children.push(childOf(index));
  return children;
}
