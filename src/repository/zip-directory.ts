/**
 * The list of files of a zip, checked before anything is taken out of it.
 */
import type { Entry, ZipFile } from "yauzl";
import { Budget } from "../base/budget.ts";
import { GuestbootError } from "../base/errors.ts";
import { decodeText } from "../base/text.ts";

const MOST_ENTRIES = 65_536;
const LONGEST_NAME = 4096;
/** All entries' names, extra fields and comments together, in bytes. */
const LARGEST_DIRECTORY = 32 * 1024 ** 2;

/** What is inflated more than this is no installer: kernels and initrds are compressed already. */
const MOST_INFLATION = 200;
/** Bytes up to which inflation does no harm. */
const HARMLESS = 16 * 1024 ** 2;

/** How a local file header begins, and how long it is without the name (APPNOTE, section 4.3.7). */
const LOCAL_HEADER = 30;

/** APPNOTE, section 4.4.2: who made the entry, in the upper byte; there, Unix keeps the file's mode (stat(2)). */
const MADE_ON_UNIX = 3;
const TYPE_MASK = 0o170000;
const REGULAR = 0o100000;
const SYMBOLIC_LINK = 0o120000;

/** What yauzl is to check of an archive. */
export const ZIP_OPTIONS = { autoClose: false, strictFileNames: true, validateEntrySizes: true } as const;

/** @throws Error of the file, or as yauzl says what is no archive */
export async function openZip(file: string): Promise<ZipFile> {
  // Loaded only here, with the decompressor that it brings.
  const { openPromise } = await import("yauzl");
  return openPromise(file, ZIP_OPTIONS);
}

/**
 * The files by name, folders left out.
 * @throws INVALID_SOURCE for a name that leads out, a name that comes twice, files that lie on each other;
 *   BUDGET_EXCEEDED; and what yauzl says of a damaged archive
 */
export async function readDirectory(zip: ZipFile, address: string): Promise<ReadonlyMap<string, Entry>> {
  const files = new Map<string, Entry>();
  const names = new Set<string>();
  const count = new Budget("files in a zip", MOST_ENTRIES);
  const bytes = new Budget("bytes in a zip's list of files", LARGEST_DIRECTORY);
  for await (const entry of zip.eachEntry()) {
    count.spend();
    bytes.spend(entry.fileNameLength + entry.extraFieldLength + entry.fileCommentLength);
    const name = checkedName(nameOf(entry), address);
    if (names.has(name)) throw hostile(address, `it holds ${quoted(name)} twice`);
    names.add(name);
    if (!entry.fileName.endsWith("/")) files.set(name, entry);
  }
  checkApart([...files.values()], address);
  return files;
}

/** @throws INVALID_SOURCE for what is no plain file, or would grow beyond measure */
export function checkEntry(entry: Entry, url: string): void {
  const type = entry.versionMadeBy >> 8 === MADE_ON_UNIX ? (entry.externalFileAttributes >>> 16) & TYPE_MASK : 0;
  if (type === SYMBOLIC_LINK) {
    throw refusedEntry(
      url,
      "it is a symbolic link",
      "make the zip without -y, so that it holds what the links stand for",
    );
  }
  if (type !== 0 && type !== REGULAR) throw refusedEntry(url, "it is no plain file");
  if (entry.isEncrypted()) throw refusedEntry(url, "it is encrypted", "make the zip without a password");
  if (!entry.canDecodeFileData()) {
    throw refusedEntry(
      url,
      `its compression (method ${entry.compressionMethod}) is not supported`,
      "make it with zip -6",
    );
  }
  const { uncompressedSize, compressedSize } = entry;
  if (uncompressedSize > HARMLESS && uncompressedSize > compressedSize * MOST_INFLATION) {
    throw refusedEntry(url, `${compressedSize} bytes would grow to ${uncompressedSize}, which no installer does`);
  }
}

/** Debian's zip(1) writes names in UTF-8 without saying so; by the specification they would be in code page 437. */
function nameOf(entry: Entry): string {
  const text = decodeText(entry.fileNameRaw);
  return text.isWellFormed() ? text : entry.fileName;
}

/** yauzl checks the name that it has decoded, which need not be ours. */
function checkedName(name: string, address: string): string {
  if (/[\x00-\x1f\x7f]/.test(name) || name.length > LONGEST_NAME)
    throw hostile(address, `the name ${quoted(name)} is too long or holds a control character`);
  const segments = name.split("/").filter((segment) => segment !== "" && segment !== ".");
  if (segments.includes("..") || /^\/|^[a-z]:|\\/i.test(name))
    throw hostile(address, `the name ${quoted(name)} leads out of it`);
  return segments.join("/");
}

/** Files whose bytes are shared make a small archive endless. */
function checkApart(entries: readonly Entry[], address: string): void {
  const sorted = entries.toSorted((one, other) => one.relativeOffsetOfLocalHeader - other.relativeOffsetOfLocalHeader);
  let end = 0;
  for (const entry of sorted) {
    if (entry.relativeOffsetOfLocalHeader < end)
      throw hostile(address, `${quoted(entry.fileName)} lies on another file`);
    end = entry.relativeOffsetOfLocalHeader + LOCAL_HEADER + entry.fileNameLength + entry.compressedSize;
  }
}

function hostile(address: string, why: string): GuestbootError {
  return new GuestbootError("INVALID_SOURCE", `${address}: the zip is not to be trusted: ${why}`, {
    hint: "make the zip anew, with the program zip",
  });
}

function refusedEntry(url: string, why: string, hint?: string): GuestbootError {
  return new GuestbootError("INVALID_SOURCE", `${url}: the zip's file cannot be used: ${why}`, { hint });
}

function quoted(name: string): string {
  return JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}…` : name);
}
