/**
 * The checksums of content, one a sector, which are kept in a tree of their own under logical addresses.
 * Specification: https://btrfs.readthedocs.io/en/latest/dev/On-disk-format.html, "EXTENT_CSUM".
 */
import { findRoot, CHECKSUM_TREE } from "./subvolumes.ts";
import type { Storage } from "./storage.ts";
import type { TreeRoot } from "./tree-root.ts";
import { lastItemUpTo, type Item } from "./tree.ts";

/** -10 in 64 bits, as far as a number is exact. Nothing else is in that tree. */
const OBJECT = 2 ** 64;
const EXTENT_CSUM = 128;

export class ContentChecksums {
  readonly #storage: Storage;
  #tree: TreeRoot | null | undefined;
  /** The item that was looked into last: it covers megabytes. */
  #current: Item | null = null;

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  /** The checksum of the sector at a logical address; null where none is kept. @throws FILESYSTEM_DAMAGED */
  at(logical: number): Uint8Array | null {
    this.#tree ??= findRoot(this.#storage, CHECKSUM_TREE, "the checksum tree")?.tree ?? null;
    if (this.#tree === null) return null;
    const known = this.#in(this.#current, logical);
    if (known !== null) return known;
    this.#current = lastItemUpTo(this.#storage, this.#tree, { objectid: OBJECT, type: EXTENT_CSUM, offset: logical });
    return this.#in(this.#current, logical);
  }

  #in(item: Item | null, logical: number): Uint8Array | null {
    if (item?.key.type !== EXTENT_CSUM) return null;
    const { checksum, sectorSize } = this.#storage.superblock;
    const at = Math.floor((logical - item.key.offset) / sectorSize) * checksum.size;
    if (at < 0 || at + checksum.size > item.data.length) return null;
    return item.data.bytes(at, checksum.size, "csum");
  }
}
