/**
 * btrfs, read-only, from one device.
 *
 * Read: subvolumes and snapshots, inline, preallocated and compressed extents (zlib, LZO, zstd), all four kinds of
 * checksums over metadata and content, a second copy where the first one is damaged. Not read: the log of what was synced
 * since the last commit (a note says so), what lies on other devices only, RAID 5 and 6, zoned filesystems, extended
 * attributes, quotas.
 */
import type { ByteSource } from "../../base/byte-source.ts";
import { GuestbootError } from "../../base/errors.ts";
import { decodeText, encodeText } from "../../base/text.ts";
import type { FilesystemDriver, FilesystemNode } from "../filesystem.ts";
import { Contents } from "./content.ts";
import { damaged } from "./damage.ts";
import { findInDirectory, readDirectory, type DirectoryItem } from "./directory.ts";
import { INODE_ITEM, readInode } from "./inode.ts";
import { Storage } from "./storage.ts";
import { ROOT_ITEM, Subvolumes, TOP_LEVEL, type Subvolume } from "./subvolumes.ts";

export interface BtrfsOptions {
  /**
   * Where paths begin: `default`, the subvolume that is mounted when none is named, as the guest's kernel sees it
   * (openSUSE makes a snapshot that); `top`, the one that holds all others, as GRUB sees it.
   */
  readonly root?: "default" | "top";
}

/** @throws FEATURE_UNSUPPORTED, FILESYSTEM_DAMAGED */
export function openBtrfs(source: ByteSource, { root = "default" }: BtrfsOptions = {}): FilesystemDriver {
  const storage = new Storage(source);
  const subvolumes = new Subvolumes(storage);
  const contents = new Contents(storage);
  const { uuid, label, features } = storage.superblock;

  const locate = ({ id }: FilesystemNode) => {
    const subvolume = subvolumes.at(Math.floor(id / INODES));
    return { subvolume, number: id % INODES };
  };
  const nodeOf = (subvolume: Subvolume, number: number): FilesystemNode => {
    if (number >= INODES) throw new GuestbootError("FEATURE_UNSUPPORTED", `btrfs inode ${number} is past 2^40`);
    const { kind, size, mtime } = readInode(storage, subvolume.tree, number);
    return { id: subvolume.index * INODES + number, kind, size, mtime };
  };
  const rootOf = (id: number): FilesystemNode => {
    const subvolume = subvolumes.open(id);
    const node = nodeOf(subvolume, subvolume.root);
    if (node.kind !== "directory") throw damaged(`the root of ${subvolume.tree.what} is no folder`);
    return node;
  };
  const childOf = (subvolume: Subvolume, directory: number, { name, location }: DirectoryItem): FilesystemNode => {
    if (location.type === INODE_ITEM) return nodeOf(subvolume, location.objectid);
    if (location.type !== ROOT_ITEM) throw damaged("a folder has an entry for what is no file");
    if (subvolumes.isNested(subvolume, directory, name, location.objectid)) return rootOf(location.objectid);
    return { id: subvolume.index * INODES + PLACEHOLDER, kind: "directory", size: 0 };
  };

  const defaultId = subvolumes.defaultId;
  const rootNode = rootOf(root === "top" ? TOP_LEVEL : defaultId);
  storage.notes.push(...notesOf(storage, source));
  return {
    type: "btrfs",
    uuid,
    label,
    features,
    notes: storage.notes,
    root: rootNode,
    lookup(directory, name) {
      const { subvolume, number } = locate(directory);
      if (number === PLACEHOLDER) return null;
      const item = findInDirectory(storage, subvolume.tree, number, encodeText(name));
      return item === null ? null : childOf(subvolume, number, item);
    },
    list(directory) {
      const { subvolume, number } = locate(directory);
      if (number === PLACEHOLDER) return [];
      return readDirectory(storage, subvolume.tree, number).map((item) => ({
        name: decodeText(item.name),
        node: childOf(subvolume, number, item),
      }));
    },
    readLink(link) {
      const { subvolume, number } = locate(link);
      const inode = readInode(storage, subvolume.tree, number);
      if (inode.size > MAX_TARGET) throw damaged(`the symbolic link ${number} has ${inode.size} bytes`);
      return decodeText(contents.of(subvolume.tree, inode).read(0, inode.size));
    },
    content(file) {
      const { subvolume, number } = locate(file);
      return contents.of(subvolume.tree, readInode(storage, subvolume.tree, number));
    },
  };
}

/** Inode numbers count up from 257 as files are made, and each subvolume has its own: both go into one number. */
const INODES = 2 ** 40;
/** The empty folder that stands where a nested subvolume was when a snapshot was made; inodes begin at 256. */
const PLACEHOLDER = 2;
/** PATH_MAX of Linux. */
const MAX_TARGET = 4096;

function notesOf(storage: Storage, source: ByteSource): string[] {
  const { superblock, isPartial } = storage;
  const notes: string[] = [];
  if (superblock.hasLog) {
    notes.push("the filesystem was not unmounted: what was synced last is only in its log, and may be missing");
  }
  if (superblock.isMirror) notes.push("the filesystem's first superblock is damaged or older: a mirror of it is read");
  if (superblock.deviceCount > 1) {
    const what = isPartial ? "what lies only on the others cannot be read" : "all of it has a copy here";
    notes.push(`the filesystem has ${superblock.deviceCount} devices, and only this one is read: ${what}`);
  }
  if (superblock.deviceSize > source.size) {
    notes.push(`the filesystem has ${superblock.deviceSize} bytes here, but its volume only ${source.size}`);
  }
  return notes;
}
