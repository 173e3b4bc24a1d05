/**
 * The cache: every file that was fetched, kept once under the digest of its bytes.
 *
 * `content/sha256/ab/cdef…` holds the bytes, `index/` says which key stands for which content, `tmp/` what is not
 * finished, `partial/` what broke off, `locks/` who fetches. A file gets its name in `content/` only when all of its
 * bytes are on the disk, and is never overwritten; so readers need no lock, and a process may be killed at any point.
 * Several writers of one key do no harm, the last one's entry stays; who wants that the source is asked once only,
 * takes the key's lock. Whether an entry is still fresh is not decided here.
 *
 * `find` looks at sizes and times, and at the bytes only where the file was changed since their digest was last
 * compared; what a disk has changed silently is found by `verifyStore`. Not here: pruning, pins.
 */
import { chmodSync, mkdirSync, renameSync, utimesSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { GuestbootError, isSystemError, systemReason } from "../base/errors.ts";
import type { Lend } from "../base/lent-memory.ts";
import { contentFile, isSameMark, markOf, moveIntoPlace, namesIn } from "./content.ts";
import { type Digest, digestOf, digestOfFile, hexOf } from "./digest.ts";
import { formatEntry, readEntry, type AbsenceEntry, type FileEntry, type TrustLevel } from "./index-entry.ts";
import { takeIn, type TakenIn } from "./intake.ts";
import { md5Beside } from "./md5-beside.ts";
import {
  dropPartial,
  findPartial,
  isStrong,
  keepPartial,
  LEAST_PARTIAL,
  notePartial,
  sweepPartials,
  type PartialTransfer,
} from "./partial.ts";
import { checkSpace, noSpace } from "./space.ts";
import { makeTemporary, removeIfThere, sweepTemporaries } from "./temporary.ts";

export type { TrustLevel } from "./index-entry.ts";

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
  /** Which build of the distribution's installer the bytes belong to; null where nobody has said. */
  readonly build: string | null;
  readonly trust: TrustLevel;
  /** 32 small hexadecimal digits; null where nobody has asked for it. It finds things, and proves nothing. */
  readonly md5: string | null;
}

export interface StoreOptions {
  /** Notes the MD5 of what is written, computed while the bytes come. */
  readonly md5?: boolean;
}

export interface WriteOptions {
  /** Is told of every piece that has come. */
  readonly onBytes?: ((count: number) => void) | undefined;
  /** The body holds only what comes behind these bytes. */
  readonly behind?: PartialTransfer | undefined;
  readonly build?: string | null | undefined;
  /** The body's own, where it has one. */
  readonly lend?: Lend | undefined;
}

/** What is learnt of a stored file without new bytes. What is not given stays. */
export interface Learnt {
  readonly validators?: StoredValidators | undefined;
  readonly build?: string | null | undefined;
  readonly trust?: TrustLevel | undefined;
  readonly md5?: string | undefined;
}

export interface Store {
  /** Absolute. */
  readonly folder: string;
  /** What the key stands for, if all of it is there; else null, and a useless entry is dropped. */
  find(key: string): StoredFile | null;
  /** When the source last said that it has no such file; null when it has not, or has one. */
  absentSince(key: string): Date | null;
  /** The source has said that it has no such file. A store that cannot be written does not remember it. */
  noteAbsence(key: string, checkedAt: Date): void;
  /** What an earlier `write` of the key has left behind that broke off; only for those who hold the key's lock. */
  partial(key: string): PartialTransfer | null;
  /**
   * Takes the bytes in and makes the key stand for them. When it fails, nothing stays behind but, where a later
   * transfer may go on with it, a `partial`.
   * @throws NO_SPACE; TRANSFER_TRUNCATED, TRANSFER_FAILED when another number of bytes came than `facts` say;
   *   CACHE_UNWRITABLE when the folder cannot be written; and what `body` throws
   */
  write(key: string, facts: SourceFacts, body: AsyncIterable<Uint8Array>, options?: WriteOptions): Promise<StoredFile>;
  /**
   * The source has said that the key's content is current.
   * null when the store does not have the key any more.
   * @throws NO_SPACE; CACHE_UNWRITABLE when the folder cannot be written
   */
  touch(key: string, checkedAt: Date, learnt?: Learnt): StoredFile | null;
  /** The key's file is about to be used: it will not be pruned for a while. */
  use(key: string): void;
  /** Forgets what the key stands for, and the bytes too where they are not what their name says. */
  forget(key: string): void;
  /**
   * Does `work` while no other process works on the key. Where the store cannot be written, `work` is done anyway.
   * @throws LOCK_TIMEOUT; the signal's reason; and what `work` throws
   */
  exclusively<T>(key: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Everything that `find` would find, sorted by key. */
  list(): StoredFile[];
}

/** The store in that folder, which is made when something is written. */
export function openStore(folder: string, options: StoreOptions = {}): Store {
  return new FolderStore(resolve(folder), options);
}

/** Where the entry of a key is kept. Keys are URLs and worse; their digests are file names. */
export function indexFile(storeFolder: string, key: string): string {
  return join(storeFolder, "index", `${hexOf(digestOf(key))}.json`);
}

/** What a folder that cannot be used answers to those who write into it. */
const WRITE_ERRORS = ["EACCES", "EPERM", "EROFS", "ENOTDIR", "EEXIST", "EISDIR", "EIO", "ENOENT", "EXDEV"];

/** Seconds. A download is waited for as long as it takes; one that hangs ends by its own limits. */
const LOCK_TIMEOUT = 24 * 3600;

/** Bytes. */
const SMALL = 1024 * 1024;

class FolderStore implements Store {
  readonly folder: string;
  readonly #notesMd5: boolean;

  constructor(folder: string, { md5 = false }: StoreOptions) {
    this.folder = folder;
    this.#notesMd5 = md5;
  }

  find(key: string): StoredFile | null {
    const file = indexFile(this.folder, key);
    const entry = readEntry(file);
    if (entry?.kind === "absence" && entry.key === key) return null;
    const found = entry?.kind === "file" ? this.#load(entry) : null;
    if (found?.key === key) return found;
    removeIfThere(file);
    return null;
  }

  absentSince(key: string): Date | null {
    const entry = readEntry(indexFile(this.folder, key));
    return entry?.kind === "absence" && entry.key === key ? entry.checkedAt : null;
  }

  noteAbsence(key: string, checkedAt: Date): void {
    try {
      this.#replaceEntry({ kind: "absence", key, checkedAt });
    } catch (error) {
      if (!isSystemError(error)) throw error;
    }
  }

  partial(key: string): PartialTransfer | null {
    return findPartial(this.folder, key);
  }

  async write(
    key: string,
    facts: SourceFacts,
    body: AsyncIterable<Uint8Array>,
    { onBytes = () => undefined, behind, build = null, lend }: WriteOptions = {},
  ): Promise<StoredFile> {
    try {
      const { digest, size, md5 } = await this.#takeIn(key, facts, body, { onBytes, behind, lend });
      const now = new Date();
      const { url, etag, lastModified } = facts;
      const mark = markOf(contentFile(this.folder, digest), size);
      const known = { key, url, digest, size, etag, lastModified, fetchedAt: now, checkedAt: now };
      return this.#writeEntry({ kind: "file", ...known, build, trust: "none", md5, mark });
    } catch (error) {
      throw this.#explain(error, facts);
    }
  }

  touch(key: string, checkedAt: Date, learnt: Learnt = {}): StoredFile | null {
    const entry = readEntry(indexFile(this.folder, key));
    if (entry?.kind !== "file" || this.find(key) === null) return null;
    const { etag, lastModified } = learnt.validators ?? entry;
    const { build = entry.build, trust = entry.trust, md5 = entry.md5 } = learnt;
    try {
      const mark = markOf(contentFile(this.folder, entry.digest), entry.size);
      return this.#writeEntry({ ...entry, etag, lastModified, build, trust, md5, checkedAt, mark });
    } catch (error) {
      throw this.#explain(error, entry);
    }
  }

  use(key: string): void {
    try {
      const now = new Date();
      utimesSync(indexFile(this.folder, key), now, now);
    } catch {
      // A store that cannot be written is not pruned either.
    }
  }

  forget(key: string): void {
    const file = indexFile(this.folder, key);
    const entry = readEntry(file);
    removeIfThere(file);
    if (entry?.kind !== "file") return;
    const path = contentFile(this.folder, entry.digest);
    if (!holds(path, entry.digest)) removeIfThere(path);
  }

  async exclusively<T>(key: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const { withLock } = await import("../base/lock.ts");
    // Some keys share a lock, so that their number has a bound: lock files are never removed.
    const file = join(this.folder, "locks", `${hexOf(digestOf(key)).slice(0, 3)}.lock`);
    const started = { yet: false };
    const held = async () => {
      started.yet = true;
      return work();
    };
    try {
      return await withLock(file, held, { timeoutSeconds: LOCK_TIMEOUT, signal });
    } catch (error) {
      if (started.yet || !(error instanceof GuestbootError && error.code === "LOCK_UNUSABLE")) throw error;
      return await work();
    }
  }

  list(): StoredFile[] {
    const folder = join(this.folder, "index");
    return namesIn(folder)
      .filter((name) => name.endsWith(".json"))
      .map((name) => readEntry(join(folder, name)))
      .map((entry) => (entry?.kind === "file" ? this.#load(entry) : null))
      .filter((found) => found !== null)
      .sort((one, other) => (one.key < other.key ? -1 : 1));
  }

  /** Writes the bytes into `content/`. */
  async #takeIn(
    key: string,
    facts: SourceFacts,
    body: AsyncIterable<Uint8Array>,
    { onBytes, behind, lend }: Pick<WriteOptions, "behind" | "lend"> & Pick<Required<WriteOptions>, "onBytes">,
  ): Promise<TakenIn & { readonly md5: string | null }> {
    const folder = join(this.folder, "tmp");
    const isSmall = facts.size !== null && facts.size <= SMALL;
    using temporary = makeTemporary(folder, { isSmall, begun: behind });
    const begun = behind?.bytes ?? 0;
    sweepPartials(this.folder);
    sweepTemporaries(folder);
    if (facts.size !== null) checkSpace(this.folder, facts.size - begun, facts.url);
    const { etag, size: expected } = facts;
    const goesOn = isStrong(etag) && expected !== null && expected > LEAST_PARTIAL;
    if (goesOn) notePartial(this.folder, key, { etag, size: expected }, basename(temporary.path));
    try {
      const beside = this.#notesMd5 ? md5Beside(body, temporary.path, begun) : null;
      const taken = await takeIn(temporary, beside?.body ?? body, { begun, expected, onBytes, lend });
      if (expected !== null && taken.size !== expected) throw wrongSize(facts.url, expected, taken.size);
      chmodSync(temporary.path, 0o444);
      await temporary.sync();
      const target = contentFile(this.folder, taken.digest);
      if (moveIntoPlace(temporary.path, target, taken.digest, taken.size)) temporary.keep();
      if (goesOn) dropPartial(this.folder, key);
      return { ...taken, md5: beside?.digest() ?? null };
    } catch (error) {
      // On a disk that is full, what has come would only be in the way.
      const isFull = isSystemError(error, "ENOSPC", "EDQUOT");
      if (goesOn && isFull) dropPartial(this.folder, key);
      else if (goesOn && keepPartial(this.folder, key, temporary.path)) temporary.keep();
      throw error;
    }
  }

  #writeEntry(entry: FileEntry): StoredFile {
    this.#replaceEntry(entry);
    return this.#storedFile(entry);
  }

  #replaceEntry(entry: FileEntry | AbsenceEntry): void {
    const file = indexFile(this.folder, entry.key);
    mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
    using temporary = makeTemporary(join(this.folder, "tmp"));
    temporary.write(Buffer.from(formatEntry(entry)));
    chmodSync(temporary.path, 0o644);
    renameSync(temporary.path, file);
    temporary.keep();
  }

  /** The entry's file, once it is known to be what it was. Damaged content is thrown away. */
  #load(entry: FileEntry): StoredFile | null {
    const stored = this.#storedFile(entry);
    const mark = markOf(stored.path, entry.size);
    if (mark === null) return null;
    if (isSameMark(mark, entry.mark)) return stored;
    if (!holds(stored.path, entry.digest)) {
      removeIfThere(stored.path);
      return null;
    }
    try {
      this.#replaceEntry({ ...entry, mark });
    } catch {
      // A store that cannot be written is looked at anew each time.
    }
    return stored;
  }

  #storedFile(entry: FileEntry): StoredFile {
    const { key, url, digest, size, etag, lastModified, fetchedAt, checkedAt, build, trust, md5 } = entry;
    const path = contentFile(this.folder, digest);
    const validators = { etag, lastModified };
    return { key, url, path, digest, size, validators, fetchedAt, checkedAt, build, trust, md5 };
  }

  /** An error of the system while writing, in words; any other as it is. */
  #explain(error: unknown, { url, size }: Pick<SourceFacts, "url" | "size">): unknown {
    if (isSystemError(error, "ENOSPC", "EDQUOT")) return noSpace(this.folder, size, url, error);
    if (!isSystemError(error, ...WRITE_ERRORS)) return error;
    const reason = systemReason(error);
    return new GuestbootError("CACHE_UNWRITABLE", `the cache folder ${this.folder} cannot be written: ${reason}`, {
      hint: isSystemError(error, "EXDEV")
        ? "all of it must be on one filesystem, and its folders no links to another: set GUESTBOOT_CACHE_DIR"
        : "give this user the right to write there, or set GUESTBOOT_CACHE_DIR to another folder",
      cause: error,
    });
  }
}

function holds(path: string, digest: Digest): boolean {
  try {
    return digestOfFile(path) === digest;
  } catch {
    return false;
  }
}

function wrongSize(url: string, announced: number, received: number): GuestbootError {
  const code = received < announced ? "TRANSFER_TRUNCATED" : "TRANSFER_FAILED";
  return new GuestbootError(code, `${url}: ${received} bytes came where ${announced} were announced`);
}
