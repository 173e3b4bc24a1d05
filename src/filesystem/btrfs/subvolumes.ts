/**
 * Subvolumes: trees of files, each with inode numbers of its own, that appear as folders in one another.
 * Specification: https://btrfs.readthedocs.io/en/latest/dev/On-disk-format.html, "ROOT_ITEM", "ROOT_REF".
 */
import { GuestbootError } from "../../base/errors.ts";
import { damaged } from "./damage.ts";
import { findInDirectory } from "./directory.ts";
import type { Storage } from "./storage.ts";
import type { TreeRoot } from "./tree-root.ts";
import { findItem, lastItemUpTo } from "./tree.ts";

export interface Subvolume {
  readonly id: number;
  /** The how-manieth it is of those that were opened: small, where an id may be anything. */
  readonly index: number;
  readonly tree: TreeRoot;
  /** The inode of its root folder. */
  readonly root: number;
}

/** The subvolume that holds all others, by its number. */
export const TOP_LEVEL = 5;
export const ROOT_ITEM = 132;
export const CHECKSUM_TREE = 7;
const ROOT_REF = 156;
const MAX_LEVEL = 7;
/** How many may be looked into while a filesystem is open: snapshots are many, the paths of a boot are few. */
const MAX_OPENED = 4096;

export class Subvolumes {
  readonly #storage: Storage;
  readonly #opened: Subvolume[] = [];
  readonly #byId = new Map<number, Subvolume>();

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  /** One that was opened before. */
  at(index: number): Subvolume {
    const subvolume = this.#opened[index];
    if (subvolume === undefined) throw damaged("a file of no subvolume was asked for");
    return subvolume;
  }

  /** @throws FILESYSTEM_DAMAGED when there is none of that number, BUDGET_EXCEEDED */
  open(id: number): Subvolume {
    const known = this.#byId.get(id);
    if (known !== undefined) return known;
    if (this.#opened.length >= MAX_OPENED) {
      throw new GuestbootError("BUDGET_EXCEEDED", `more than ${MAX_OPENED} subvolumes of btrfs: gave up`);
    }
    const found = findRoot(this.#storage, id, `subvolume ${id}`);
    if (found === null) throw damaged(`there is no subvolume ${id}`);
    const subvolume = { id, index: this.#opened.length, ...found };
    this.#opened.push(subvolume);
    this.#byId.set(id, subvolume);
    return subvolume;
  }

  /**
   * Does the subvolume `child` appear in `parent` under that name? A snapshot of a subvolume has the names of those
   * that are nested in it, but not themselves: they are empty folders there.
   */
  isNested(parent: Subvolume, directory: number, name: Uint8Array, child: number): boolean {
    const key = { objectid: parent.id, type: ROOT_REF, offset: child };
    const reference = findItem(this.#storage, this.#storage.superblock.rootTree, key)?.data;
    if (reference === undefined) return false;
    const length = reference.u16le(16, "name_len");
    const isThere = Buffer.compare(reference.bytes(18, length, "name"), name) === 0;
    return isThere && reference.u64le(0, "dirid") === directory;
  }

  /** The number of the subvolume that is mounted when none is named: btrfs-subvolume(8), set-default. */
  get defaultId(): number {
    const { rootTree, rootDirectory } = this.#storage.superblock;
    const entry = findInDirectory(this.#storage, rootTree, rootDirectory, Buffer.from("default"));
    return entry?.location.type === ROOT_ITEM ? entry.location.objectid : TOP_LEVEL;
  }
}

/** The newest tree of that number, or null. @throws FILESYSTEM_DAMAGED */
export function findRoot(
  storage: Storage,
  id: number,
  what: string,
): { readonly tree: TreeRoot; readonly root: number } | null {
  const newest = { objectid: id, type: ROOT_ITEM, offset: Infinity };
  const item = lastItemUpTo(storage, storage.superblock.rootTree, newest);
  if (item?.key.objectid !== id || item.key.type !== ROOT_ITEM) return null;
  const { data } = item;
  const level = data.u8(238, "level");
  if (level > MAX_LEVEL) throw damaged(`${what} has ${level} levels`);
  const tree = { what, logical: data.u64le(176, "bytenr"), level, generation: data.u64le(160, "generation") };
  return { tree, root: data.u64le(168, "root_dirid") };
}
