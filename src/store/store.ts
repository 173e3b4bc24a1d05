/**
 * The cache: every file that was fetched, kept once under the digest of its bytes.
 *
 * `content/sha256/ab/cdef…` holds the bytes, `index/` says which key stands for which content, `tmp/` what is not
 * finished. A file gets its name in `content/` only when all of its bytes are on the disk, and is never overwritten;
 * so readers need no lock, and a process may be killed at any point. Whether an entry is still fresh is not decided
 * here, nor is who may fetch: several writers of one key do no harm, the last one's entry stays.
 *
 * `find` looks at sizes only. Content that the disk has changed under us is noticed by those who compare digests, and
 * replaced by the next `write` of the same bytes. Not here: eviction.
 */
import { chmodSync, linkSync, lstatSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { GuestbootError, isSystemError, systemReason } from "../base/errors.ts";
import { type Digest, digestOf, digestOfFile, hexOf, sha256 } from "./digest.ts";
import { formatEntry, type IndexEntry, readEntry } from "./index-entry.ts";
import { checkSpace, noSpace } from "./space.ts";
import { makeTemporary, removeIfThere, sweepTemporaries } from "./temporary.ts";

/** What tells one version of a file from another at its source (RFC 9110, section 8.8). */
export interface StoredValidators {
  readonly etag: string | null;
  readonly lastModified: string | null;
}

/** What is known of a file before its bytes have come. */
export interface SourceFacts extends StoredValidators {
  /** Where the bytes come from, without user and password. */
  readonly url: string;
  /** Bytes; null when the source does not say. */
  readonly size: number | null;
}

export interface StoredFile {
  readonly key: string;
  readonly url: string;
  /** The file in the store: absolute, read-only, not to be changed or moved. */
  readonly path: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly validators: StoredValidators;
  /** When the bytes came. */
  readonly fetchedAt: Date;
  /** When they were last known as current. */
  readonly checkedAt: Date;
}

export interface Store {
  /** Absolute. */
  readonly folder: string;
  /** What the key stands for, if all of it is there; else null, and a useless entry is dropped. */
  find(key: string): StoredFile | null;
  /**
   * Takes the bytes in and makes the key stand for them. `onBytes` is told of every piece that has been written.
   * Nothing stays behind when it fails.
   * @throws NO_SPACE; TRANSFER_TRUNCATED, TRANSFER_FAILED when another number of bytes came than `facts` say;
   *   CACHE_UNWRITABLE when the folder cannot be written; and what `body` throws
   */
  write(
    key: string,
    facts: SourceFacts,
    body: AsyncIterable<Uint8Array>,
    onBytes?: (count: number) => void,
  ): Promise<StoredFile>;
  /**
   * The source has said that the key's content is current. New validators replace the old ones where they are given.
   * null when the store does not have the key any more.
   * @throws NO_SPACE; CACHE_UNWRITABLE when the folder cannot be written
   */
  touch(key: string, checkedAt: Date, validators?: StoredValidators): StoredFile | null;
  /** Everything that `find` would find, sorted by key. */
  list(): StoredFile[];
}

/** The store in that folder, which is made when something is written. */
export function openStore(folder: string): Store {
  return new FolderStore(resolve(folder));
}

/** What a folder that cannot be used answers to those who write into it. */
const WRITE_ERRORS = ["EACCES", "EPERM", "EROFS", "ENOTDIR", "EEXIST", "EISDIR", "EIO", "ENOENT"];

class FolderStore implements Store {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  find(key: string): StoredFile | null {
    const file = this.#indexFile(key);
    const found = this.#load(file);
    if (found?.key === key) return found;
    removeIfThere(file);
    return null;
  }

  async write(
    key: string,
    facts: SourceFacts,
    body: AsyncIterable<Uint8Array>,
    onBytes: (count: number) => void = () => undefined,
  ): Promise<StoredFile> {
    try {
      const { digest, size } = await this.#takeIn(facts, body, onBytes);
      const now = new Date();
      const { url, etag, lastModified } = facts;
      return this.#writeEntry({ key, url, digest, size, etag, lastModified, fetchedAt: now, checkedAt: now });
    } catch (error) {
      throw this.#explain(error, facts);
    }
  }

  touch(key: string, checkedAt: Date, validators?: StoredValidators): StoredFile | null {
    const found = this.find(key);
    if (found === null) return null;
    const { url, digest, size, fetchedAt } = found;
    const { etag, lastModified } = validators ?? found.validators;
    try {
      return this.#writeEntry({ key, url, digest, size, etag, lastModified, fetchedAt, checkedAt });
    } catch (error) {
      throw this.#explain(error, { url, size });
    }
  }

  list(): StoredFile[] {
    const folder = join(this.folder, "index");
    return namesIn(folder)
      .map((name) => this.#load(join(folder, name)))
      .filter((found) => found !== null)
      .sort((one, other) => (one.key < other.key ? -1 : 1));
  }

  /** Writes the bytes into `content/`. */
  async #takeIn(
    facts: SourceFacts,
    body: AsyncIterable<Uint8Array>,
    onBytes: (count: number) => void,
  ): Promise<{ digest: Digest; size: number }> {
    const folder = join(this.folder, "tmp");
    using temporary = makeTemporary(folder);
    sweepTemporaries(folder);
    if (facts.size !== null) checkSpace(this.folder, facts.size, facts.url);
    const hash = sha256();
    let size = 0;
    for await (const bytes of body) {
      temporary.write(bytes);
      hash.update(bytes);
      size += bytes.length;
      onBytes(bytes.length);
    }
    if (facts.size !== null && size !== facts.size) throw wrongSize(facts.url, facts.size, size);
    chmodSync(temporary.path, 0o444);
    await temporary.sync();
    const digest = hash.digest();
    if (moveIntoPlace(temporary.path, this.#contentFile(digest), digest, size)) temporary.keep();
    return { digest, size };
  }

  /** Replaces the key's entry. */
  #writeEntry(entry: IndexEntry): StoredFile {
    const file = this.#indexFile(entry.key);
    mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
    using temporary = makeTemporary(join(this.folder, "tmp"));
    temporary.write(Buffer.from(formatEntry(entry)));
    chmodSync(temporary.path, 0o644);
    renameSync(temporary.path, file);
    temporary.keep();
    return this.#storedFile(entry);
  }

  #load(indexFile: string): StoredFile | null {
    const entry = readEntry(indexFile);
    if (entry === null) return null;
    const stored = this.#storedFile(entry);
    return hasSize(stored.path, entry.size) ? stored : null;
  }

  #storedFile(entry: IndexEntry): StoredFile {
    const { key, url, digest, size, etag, lastModified, fetchedAt, checkedAt } = entry;
    const path = this.#contentFile(digest);
    return { key, url, path, digest, size, validators: { etag, lastModified }, fetchedAt, checkedAt };
  }

  #contentFile(digest: Digest): string {
    const hex = hexOf(digest);
    return join(this.folder, "content", "sha256", hex.slice(0, 2), hex.slice(2));
  }

  /** Keys are URLs and worse; their digests are file names. */
  #indexFile(key: string): string {
    return join(this.folder, "index", `${hexOf(digestOf(key))}.json`);
  }

  /** An error of the system while writing, in words; any other as it is. */
  #explain(error: unknown, { url, size }: Pick<SourceFacts, "url" | "size">): unknown {
    if (isSystemError(error, "ENOSPC", "EDQUOT")) return noSpace(this.folder, size, url, error);
    if (!isSystemError(error, ...WRITE_ERRORS)) return error;
    const reason = systemReason(error);
    return new GuestbootError("CACHE_UNWRITABLE", `the cache folder ${this.folder} cannot be written: ${reason}`, {
      hint: "give this user the right to write there, or set GUESTBOOT_CACHE_DIR to another folder",
      cause: error,
    });
  }
}

/**
 * Gives the finished file its name, unless that content is there already. True when the temporary name is gone.
 */
function moveIntoPlace(temporary: string, target: string, digest: Digest, size: number): boolean {
  mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
  try {
    linkSync(temporary, target);
    return false;
  } catch (error) {
    if (isSystemError(error, "EEXIST")) {
      if (hasSize(target, size) && digestOfFile(target) === digest) return false;
      // What is there has become something else than its name says: the one case of replacing.
    } else if (!isSystemError(error, "EPERM", "ENOTSUP", "EMLINK", "ENOSYS")) {
      throw error;
    }
  }
  // Replacing, or a filesystem without hard links (vfat, some network shares).
  renameSync(temporary, target);
  return true;
}

function hasSize(path: string, size: number): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found?.isFile() === true && found.size === size;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name.endsWith(".json"));
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return [];
    throw error;
  }
}

function wrongSize(url: string, announced: number, received: number): GuestbootError {
  const code = received < announced ? "TRANSFER_TRUNCATED" : "TRANSFER_FAILED";
  return new GuestbootError(code, `${url}: ${received} bytes came where ${announced} were announced`);
}
