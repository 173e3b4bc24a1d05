/**
 * XFS, versions 4 and 5, read-only.
 *
 * Read: extent lists and trees, folders of every form (through their index), links, checksums of all metadata. Not
 * read: the log (a note says when it may hold newer content), the realtime section, extended attributes, quotas, the
 * inode and free space indexes.
 */
import type { ByteSource } from "../../base/byte-source.ts";
import { GuestbootError } from "../../base/errors.ts";
import { decodeText, encodeText } from "../../base/text.ts";
import type { FilesystemDriver, FilesystemNode } from "../filesystem.ts";
import { contentOf } from "./content.ts";
import { damaged } from "./damage.ts";
import { findInDirectory, readDirectory } from "./directory.ts";
import { featureNames } from "./features.ts";
import { readInode } from "./inode.ts";
import { Layout } from "./layout.ts";
import { readLogState } from "./log.ts";
import { readSuperblock } from "./superblock.ts";
import { readTarget } from "./symlink.ts";

/** @throws FEATURE_UNSUPPORTED, FILESYSTEM_DAMAGED */
export function openXfs(source: ByteSource): FilesystemDriver {
  const superblock = readSuperblock(source);
  const layout = new Layout(source, superblock);
  const nodeOf = (number: number): FilesystemNode => {
    const { kind, size, mtime } = readInode(layout, number);
    return { id: number, kind, size, mtime };
  };
  const root = nodeOf(superblock.rootInode);
  if (root.kind !== "directory") throw damaged("its root is no folder");
  return {
    type: "xfs",
    uuid: superblock.uuid,
    label: superblock.label,
    features: featureNames(superblock.features),
    notes: notesOf(layout),
    root,
    lookup(directory, name) {
      const inode = findInDirectory(layout, readInode(layout, directory.id), encodeText(name));
      return inode === null ? null : nodeOf(inode);
    },
    list(directory) {
      const entries = readDirectory(layout, readInode(layout, directory.id));
      return entries.map(({ name, inode }) => ({ name: decodeText(name), node: nodeOf(inode) }));
    },
    readLink: (link) => decodeText(readTarget(layout, readInode(layout, link.id))),
    content: (file) => contentOf(layout, readInode(layout, file.id)),
  };
}

const LOG_NOTES = {
  clean: null,
  dirty: "the filesystem was not unmounted: its log is dirty, and recent changes may be missing",
  external: "the filesystem's log is on another device: recent changes may be missing",
  damaged: "the filesystem's log cannot be understood: recent changes may be missing",
};

function notesOf(layout: Layout): string[] {
  const { needsRepair, blockCount, blockSize } = layout.superblock;
  const notes = [LOG_NOTES[logState(layout)]];
  if (needsRepair) notes.push("the filesystem is marked as in need of repair: run xfs_repair on it");
  if (blockCount * blockSize > layout.source.size) {
    notes.push(`the filesystem has ${blockCount * blockSize} bytes, but its volume only ${layout.source.size}`);
  }
  return notes.filter((note) => note !== null);
}

/** A log that makes no sense is no reason not to read what is there. */
function logState(layout: Layout): keyof typeof LOG_NOTES {
  try {
    return readLogState(layout);
  } catch (error) {
    if (error instanceof GuestbootError && UNREADABLE_LOG.includes(error.code)) return "damaged";
    throw error;
  }
}

const UNREADABLE_LOG: readonly string[] = ["FILESYSTEM_DAMAGED", "OUT_OF_BOUNDS"];
