/**
 * The store's content: files under the digest of their bytes, `content/sha256/ab/cdef…`.
 *
 * A file gets its name only when all of its bytes are on the disk, and is never overwritten; so readers need no lock.
 */
import { lstatSync, linkSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { isSystemError } from "../base/errors.ts";
import { type Digest, digestOfFile, hexOf } from "./digest.ts";
import type { ContentMark } from "./index-entry.ts";

export function contentFile(storeFolder: string, digest: Digest): string {
  const hex = hexOf(digest);
  return join(storeFolder, "content", "sha256", hex.slice(0, 2), hex.slice(2));
}

/** A file in `content/`, whatever it holds. */
export interface ContentFile {
  readonly path: string;
  /** What its name says that it holds. */
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  /** How many names the bytes have: more than one while somebody uses them. */
  readonly links: number;
  readonly changedAt: Date;
}

/** Everything in `content/`; what is no content by its name is passed over. */
export function* contentFiles(storeFolder: string): Generator<ContentFile> {
  const root = join(storeFolder, "content", "sha256");
  for (const shelf of namesIn(root)) {
    if (!/^[0-9a-f]{2}$/.test(shelf)) continue;
    for (const name of namesIn(join(root, shelf))) {
      if (!/^[0-9a-f]{62}$/.test(name)) continue;
      const path = join(root, shelf, name);
      const found = lstatSync(path, { throwIfNoEntry: false });
      if (found?.isFile() !== true) continue;
      yield { path, digest: `sha256:${shelf}${name}`, size: found.size, links: found.nlink, changedAt: found.mtime };
    }
  }
}

/** What the content looks like now; null when there is no such file of that size. */
export function markOf(path: string, size: number): ContentMark | null {
  const found = lstatSync(path, { throwIfNoEntry: false, bigint: true });
  if (found?.isFile() !== true || found.size !== BigInt(size)) return null;
  // Not the time of the inode's change: each hand-out by a hard link changes that.
  return { mtimeNs: `${found.mtimeNs}`, inode: `${found.ino}` };
}

export function isSameMark(one: ContentMark | null, other: ContentMark | null): boolean {
  return one !== null && other !== null && one.mtimeNs === other.mtimeNs && one.inode === other.inode;
}

/** Gives the finished file its name, unless that content is there already. True when the temporary name is gone. */
export function moveIntoPlace(temporary: string, target: string, digest: Digest, size: number): boolean {
  mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
  try {
    linkSync(temporary, target);
    return false;
  } catch (error) {
    if (isSystemError(error, "EEXIST")) {
      if (markOf(target, size) !== null && digestOfFile(target) === digest) return false;
      // What is there has become something else than its name says: the one case of replacing.
    } else if (!isSystemError(error, "EPERM", "ENOTSUP", "EMLINK", "ENOSYS", "EXDEV")) {
      throw error;
    }
  }
  // Replacing, or a filesystem without hard links (vfat, some network shares) or without those between folders (AFS).
  renameSync(temporary, target);
  return true;
}

/** The names in a folder; none when there is no such folder. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return [];
    throw error;
  }
}
