/**
 * The store's index: one small JSON file a key, that says which content the key stands for and where it came from.
 *
 * An entry is only ever replaced as a whole. One that cannot be read (torn by a power failure, written by a later
 * version, edited) counts as absent: the cost is one more download.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import * as v from "valibot";
import { type Digest, isDigest } from "./digest.ts";

/** Raised when a change of the format would make older entries mean something else. */
const VERSION = 1;
const MAX_ENTRY_BYTES = 64 * 1024;

const time = v.pipe(
  v.string(),
  v.isoTimestamp(),
  v.transform((text) => new Date(text)),
  v.date(),
);
const header = v.nullable(v.string());

const Entry = v.object({
  version: v.literal(VERSION),
  key: v.string(),
  url: v.string(),
  digest: v.custom<Digest>((value) => typeof value === "string" && isDigest(value)),
  size: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  etag: header,
  lastModified: header,
  fetchedAt: time,
  checkedAt: time,
});

export type IndexEntry = Readonly<Omit<v.InferOutput<typeof Entry>, "version">>;

export function formatEntry(entry: IndexEntry): string {
  const { key, url, digest, size, etag, lastModified, fetchedAt, checkedAt } = entry;
  const fields = { version: VERSION, key, url, digest, size, etag, lastModified, fetchedAt, checkedAt };
  return `${JSON.stringify(fields, undefined, 2)}\n`;
}

/** The entry in the file, or null when there is none that can be used. */
export function readEntry(file: string): IndexEntry | null {
  try {
    const parsed = v.safeParse(Entry, JSON.parse(readBounded(file)));
    return parsed.success ? parsed.output : null;
  } catch {
    return null;
  }
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
