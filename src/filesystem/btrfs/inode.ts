/** Inodes. Specification: https://btrfs.readthedocs.io/en/latest/dev/On-disk-format.html, "INODE_ITEM". */
import type { CheckedReader } from "../../base/checked-reader.ts";
import type { NodeKind } from "../filesystem.ts";
import { damaged } from "./damage.ts";
import type { Storage } from "./storage.ts";
import type { TreeRoot } from "./tree-root.ts";
import { findItem } from "./tree.ts";

export interface Inode {
  readonly number: number;
  readonly kind: NodeKind;
  /** Bytes. */
  readonly size: number;
  /** Seconds since 1970, of 32 bits. */
  readonly mtime: number;
  /** Is its content kept with checksums? */
  readonly hasChecksums: boolean;
}

export const INODE_ITEM = 1;
const NODATASUM = 0x1;
const TYPES: Readonly<Record<number, NodeKind>> = { 0x4: "directory", 0x8: "file", 0xa: "symlink" };

/** @throws FILESYSTEM_DAMAGED when there is none of that number */
export function readInode(storage: Storage, tree: TreeRoot, number: number): Inode {
  const item = findItem(storage, tree, { objectid: number, type: INODE_ITEM, offset: 0 });
  if (item === null) throw damaged(`there is no inode ${number} in ${tree.what}`);
  return decode(item.data, number);
}

function decode(data: CheckedReader, number: number): Inode {
  return {
    number,
    kind: TYPES[data.u32le(52, "mode") >>> 12] ?? "other",
    size: data.u64le(16, "size"),
    mtime: data.u32le(136, "mtime"),
    hasChecksums: (data.u32le(64, "flags") & NODATASUM) === 0,
  };
}
