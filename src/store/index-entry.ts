/**
 * The store's index: one small JSON file a key, that says which content the key stands for and where it came from, or
 * that its source has no such file.
 *
 * An entry is only ever replaced as a whole. One that cannot be read (torn by a power failure, written by a later
 * version, edited) counts as absent: the cost is one more download. Checked by hand: a schema library takes longer to
 * load than all entries of a start to read.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { type Digest, isDigest } from "./digest.ts";

/** Raised when a change of the format would make older entries mean something else. */
const VERSION = 1;
const MAX_ENTRY_BYTES = 64 * 1024;

/** How far the bytes are known as the distribution's: by a signature, by an unsigned list, not at all. */
export type TrustLevel = "signed" | "listed" | "none";

/** What the content file looked like when its digest was last compared with its name. */
export interface ContentMark {
  /** Nanoseconds, as the filesystem keeps them. */
  readonly mtimeNs: string;
  readonly inode: string;
}

export interface FileEntry {
  readonly kind: "file";
  readonly key: string;
  readonly url: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly etag: string | null;
  readonly lastModified: string | null;
  readonly fetchedAt: Date;
  readonly checkedAt: Date;
  /** Which build of the distribution's installer the bytes belong to; null where nobody has said. */
  readonly build: string | null;
  readonly trust: TrustLevel;
  /** 32 small hexadecimal digits; null where nobody has asked. */
  readonly md5: string | null;
  readonly mark: ContentMark | null;
}

/** The source has answered that it has no such file. */
export interface AbsenceEntry {
  readonly kind: "absence";
  readonly key: string;
  readonly checkedAt: Date;
}

export type IndexEntry = FileEntry | AbsenceEntry;

export function formatEntry(entry: IndexEntry): string {
  const { kind, ...fields } = entry;
  return `${JSON.stringify({ version: VERSION, ...(kind === "absence" ? { absent: true } : {}), ...fields }, undefined, 2)}\n`;
}

/** The entry in the file, or null when there is none that can be used. */
export function readEntry(file: string): IndexEntry | null {
  try {
    const parsed: unknown = JSON.parse(readBounded(file));
    return typeof parsed === "object" && parsed !== null ? checkEntry(new Map(Object.entries(parsed))) : null;
  } catch {
    return null;
  }
}

function checkEntry(fields: ReadonlyMap<string, unknown>): IndexEntry | null {
  const key = fields.get("key");
  const checkedAt = readTime(fields.get("checkedAt"));
  if (fields.get("version") !== VERSION || typeof key !== "string" || checkedAt === null) return null;
  if (fields.get("absent") === true) return { kind: "absence", key, checkedAt };

  const [url, digest, size] = [fields.get("url"), fields.get("digest"), fields.get("size")];
  const [etag, lastModified] = [readText(fields.get("etag")), readText(fields.get("lastModified"))];
  const fetchedAt = readTime(fields.get("fetchedAt"));
  if (typeof url !== "string" || typeof digest !== "string" || !isDigest(digest) || fetchedAt === null) return null;
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) return null;
  if (etag === undefined || lastModified === undefined) return null;
  return {
    kind: "file",
    key,
    url,
    digest,
    size,
    etag,
    lastModified,
    fetchedAt,
    checkedAt,
    build: readText(fields.get("build")) ?? null,
    trust: readTrust(fields.get("trust")),
    md5: readMd5(fields.get("md5")),
    mark: readMark(fields.get("mark")),
  };
}

/** undefined: neither a text nor null. */
function readText(value: unknown): string | null | undefined {
  return typeof value === "string" || value === null ? value : undefined;
}

function readTime(value: unknown): Date | null {
  if (typeof value !== "string" || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/.test(value)) return null;
  const time = new Date(value);
  return Number.isNaN(time.getTime()) ? null : time;
}

function readTrust(value: unknown): TrustLevel {
  return value === "signed" || value === "listed" ? value : "none";
}

function readMd5(value: unknown): string | null {
  return typeof value === "string" && /^[0-9a-f]{32}$/.test(value) ? value : null;
}

function readMark(value: unknown): ContentMark | null {
  if (typeof value !== "object" || value === null || !("mtimeNs" in value) || !("inode" in value)) return null;
  const { mtimeNs, inode } = value;
  return typeof mtimeNs === "string" && typeof inode === "string" ? { mtimeNs, inode } : null;
}

function readBounded(file: string): string {
  const handle = openSync(file, "r");
  try {
    const { size } = fstatSync(handle);
    if (size > MAX_ENTRY_BYTES) return "";
    const buffer = Buffer.alloc(size);
    return buffer.toString("utf8", 0, readSync(handle, buffer));
  } finally {
    closeSync(handle);
  }
}
