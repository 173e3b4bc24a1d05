/**
 * ext2, ext3 and ext4, read-only.
 *
 * Read: block lists and extents, 32 and 64-bit, metablock groups, inline data, folders of any kind (without using
 * their index). Not read: a journal that was not replayed (a note says so), encrypted files, checksums (what they
 * guard is checked for plausibility instead).
 */
import type { ByteSource } from "../../base/byte-source.ts";
import { GuestbootError } from "../../base/errors.ts";
import { decodeText, encodeText } from "../../base/text.ts";
import type { FilesystemDriver, FilesystemNode } from "../filesystem.ts";
import { contentOf } from "./content.ts";
import { findInDirectory, readDirectory } from "./directory.ts";
import { readInode } from "./inode.ts";
import { Layout } from "./layout.ts";
import { readSuperblock } from "./superblock.ts";

const ROOT_INODE = 2;
/** A path of the kernel, and so a link, has at most that many bytes. */
const MAX_LINK_SIZE = 4096;

/** @throws FEATURE_UNSUPPORTED, FILESYSTEM_DAMAGED */
export function openExt(source: ByteSource): FilesystemDriver {
  const superblock = readSuperblock(source);
  const layout = new Layout(source, superblock);
  const nodeOf = (number: number): FilesystemNode => {
    const { kind, size } = readInode(layout, number);
    return { id: number, kind, size };
  };
  return {
    type: superblock.type,
    uuid: superblock.uuid,
    label: superblock.label,
    notes: superblock.notes,
    root: nodeOf(ROOT_INODE),
    lookup(directory, name) {
      const inode = findInDirectory(layout, readInode(layout, directory.id), encodeText(name));
      return inode === null ? null : nodeOf(inode);
    },
    list(directory) {
      const entries = readDirectory(layout, readInode(layout, directory.id));
      return entries.map(({ name, inode }) => ({ name: decodeText(name), node: nodeOf(inode) }));
    },
    readLink(link) {
      const content = contentOf(layout, readInode(layout, link.id));
      if (content.size > MAX_LINK_SIZE) {
        throw new GuestbootError("FILESYSTEM_DAMAGED", `a symbolic link of ${content.size} bytes`);
      }
      return decodeText(content.read(0, content.size));
    },
    content: (file) => contentOf(layout, readInode(layout, file.id)),
  };
}
