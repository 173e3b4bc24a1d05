/**
 * What every filesystem reader offers: files by path, read-only, in bounded time and memory whatever the bytes are.
 *
 * A reader of one format implements `FilesystemDriver`, which knows nodes (inodes) and single names only; walking
 * paths and symbolic links is the same for all of them and lives in `guest-filesystem.ts`.
 */
import type { ByteSource } from "../base/byte-source.ts";

export type NodeKind = "file" | "directory" | "symlink" | "other";

/** One file, folder or link inside a filesystem. `id` tells nodes of one filesystem apart (an inode number). */
export interface FilesystemNode {
  readonly id: number;
  readonly kind: NodeKind;
  /** Bytes. */
  readonly size: number;
  /** When its content was last changed, in seconds since 1970, where the reader knows. */
  readonly mtime?: number | undefined;
}

export interface DirectoryEntry {
  readonly name: string;
  readonly node: FilesystemNode;
}

export interface FilesystemDriver {
  /** The field's word: "ext4". */
  readonly type: string;
  readonly uuid: string | null;
  readonly label: string | null;
  /** The features that it is made with, by the names of its own tools, where its reader tells them. */
  readonly features?: readonly string[] | undefined;
  /** What an admin should know about what is read here. */
  readonly notes: readonly string[];
  readonly root: FilesystemNode;
  /** The child of that exact name, or null. Names are decoded by `decodeText`. */
  lookup(directory: FilesystemNode, name: string): FilesystemNode | null;
  list(directory: FilesystemNode): DirectoryEntry[];
  readLink(link: FilesystemNode): string;
  /** The content of a regular file as bytes; holes read as zeros. */
  content(file: FilesystemNode): ByteSource;
}

/** A filesystem as the rest of guestboot sees it. Paths are absolute inside the guest; links are followed. */
export interface GuestFilesystem {
  readonly type: string;
  readonly uuid: string | null;
  readonly label: string | null;
  readonly features?: readonly string[] | undefined;
  readonly notes: readonly string[];
  /** The node at `path`, or null when there is none. @throws LINK_LOOP and the driver's errors */
  find(path: string): FilesystemNode | null;
  /** The content of the regular file at `path`. @throws FILE_MISSING, NOT_A_FILE, LINK_LOOP and the driver's errors */
  open(path: string): ByteSource;
  /** The names in the folder at `path`, in the order of the disk, without `.` and `..`. @throws as `open` */
  list(path: string): DirectoryEntry[];
}
