/**
 * squashfs 4.0, read-only: gzip, LZMA, LZO, xz, LZ4 and zstd. Not read: extended attributes, owners, the table of inodes
 * by number.
 */
import type { ByteSource } from "../../base/byte-source.ts";
import { decodeText, encodeText } from "../../base/text.ts";
import type { FilesystemDriver, FilesystemNode } from "../filesystem.ts";
import { contentOf } from "./content.ts";
import { damaged } from "./damage.ts";
import { findInDirectory, readDirectory } from "./directory.ts";
import { readInode, type DirectoryInode } from "./inode.ts";
import type { Reference } from "./metadata.ts";
import { Storage } from "./storage.ts";

/** @throws FEATURE_UNSUPPORTED, FILESYSTEM_DAMAGED */
export function openSquashfs(source: ByteSource): FilesystemDriver {
  const storage = new Storage(source);
  const { rootInode, bytesUsed } = storage.superblock;
  /** Nodes are told apart by where their inodes are. */
  const nodeOf = (reference: Reference): FilesystemNode => {
    const { kind, size } = readInode(storage, reference);
    return { id: reference, kind, size };
  };
  const folderOf = ({ id }: FilesystemNode): DirectoryInode => {
    const inode = readInode(storage, id);
    if (inode.kind !== "directory") throw damaged("a folder is none");
    return inode;
  };
  const root = nodeOf(rootInode);
  if (root.kind !== "directory") throw damaged("its root is no folder");
  return {
    type: "squashfs",
    uuid: null,
    label: null,
    notes: bytesUsed <= source.size ? [] : [`the filesystem has ${bytesUsed} bytes, but only ${source.size} are there`],
    root,
    lookup(directory, name) {
      const reference = findInDirectory(storage, folderOf(directory), encodeText(name));
      return reference === null ? null : nodeOf(reference);
    },
    list: (directory) =>
      readDirectory(storage, folderOf(directory)).map(({ name, inode }) => ({
        name: decodeText(name),
        node: nodeOf(inode),
      })),
    readLink(link) {
      const inode = readInode(storage, link.id);
      if (inode.kind !== "symlink") throw damaged("a symbolic link is none");
      return decodeText(inode.target);
    },
    content(file) {
      const inode = readInode(storage, file.id);
      if (inode.kind !== "file") throw damaged("a file is none");
      return contentOf(storage, inode, `the squashfs inode at ${file.id}`);
    },
  };
}
