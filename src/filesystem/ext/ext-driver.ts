/**
 * ext2, ext3 and ext4, read-only.
 *
 * Read: block lists and extents, 32 and 64-bit, metablock groups, inline data, folders of any kind (through their index
 * where they have one), and what a crash has left in the journal, fast commits too. Not read: a journal on another
 * device, encrypted files, extended attributes, and checksums outside of the journal (what
 * they guard is checked for plausibility instead).
 */
import type { ByteSource } from "../../base/byte-source.ts";
import { GuestbootError } from "../../base/errors.ts";
import { decodeText, encodeText } from "../../base/text.ts";
import type { FilesystemDriver, FilesystemNode } from "../filesystem.ts";
import { contentOf } from "./content.ts";
import { findInDirectory, readDirectory } from "./directory.ts";
import { featureNames } from "./features.ts";
import { readInode } from "./inode.ts";
import { recover } from "./journal.ts";
import { Layout } from "./layout.ts";

const ROOT_INODE = 2;
/** A path of the kernel, and so a link, has at most that many bytes. */
const MAX_LINK_SIZE = 4096;

/** @throws FEATURE_UNSUPPORTED, FILESYSTEM_DAMAGED */
export function openExt(source: ByteSource): FilesystemDriver {
  const { source: recovered, superblock, fastChanges, notes } = recover(source);
  const layout = new Layout(recovered, superblock, fastChanges);
  const nodeOf = (number: number): FilesystemNode => {
    const { kind, size, mtime } = readInode(layout, number);
    return { id: number, kind, size, mtime };
  };
  return {
    type: superblock.type,
    uuid: superblock.uuid,
    label: superblock.label,
    features: featureNames(superblock.features),
    notes,
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
