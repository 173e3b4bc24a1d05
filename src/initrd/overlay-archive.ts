/**
 * An overlay from a cpio archive, plain or compressed. Of a plain one only the headers are read: contents are read from
 * its file when they are needed. What a compressed one expands to is held in memory, so its size has a bound.
 */
import { Budget } from "../base/budget.ts";
import { memorySource, sliceSource, type ByteSource } from "../base/byte-source.ts";
import { GuestbootError } from "../base/errors.ts";
import { quote } from "../base/printable.ts";
import { COMPRESSION_HEAD_SIZE, expandMember, recogniseCompression } from "../compress/compression.ts";
import { ByteStream } from "./byte-stream.ts";
import { hasCpioMagic } from "./cpio-header.ts";
import { plainChunks, skipZeros } from "./members.ts";
import type { Overlay, OverlayEntry } from "./overlay.ts";
import { contentText, readCpio, type CpioRecord } from "./read-cpio.ts";

const MOST_ENTRIES = 100_000;
/** Of what a compressed archive holds. */
export const MOST_EXPANDED = 64 * 1024 * 1024;

/**
 * @param source of the archive; it must stay open as long as the overlay is used
 * @param what names the archive in errors
 * @throws GuestbootError ARCHIVE_DAMAGED, DATA_DAMAGED, OVERLAY_INVALID; BUDGET_EXCEEDED for a compressed one that
 *   expands to more than 64 MiB
 */
export async function overlayFromArchive(source: ByteSource, what: string, signal?: AbortSignal): Promise<Overlay> {
  const archives = await plainArchives(source, what, signal);
  const budget = new Budget(`files in ${what}`, MOST_ENTRIES);
  const entries = new Map<string, OverlayEntry>();
  for (let offset = skipZeros(archives, 0), count = 0; offset < archives.size || count === 0; count++) {
    const rest = sliceSource(archives, offset, archives.size - offset, what);
    const stream = new ByteStream(plainChunks(rest, 0));
    // The names of one file, the one with the content among them.
    const files = new Map<string, OverlayEntry[]>();
    for await (const record of readCpio(stream, what, budget)) {
      const entry = await entryOf(record, rest, stream.position, what);
      // The last of several of one name counts, as it would for the kernel.
      entries.delete(entry.path);
      entries.set(entry.path, entry);
      if (record.kind === "file" && record.header.links > 1) {
        const { deviceMajor, deviceMinor, inode } = record.header;
        const key = `${deviceMajor}:${deviceMinor}:${inode}`;
        files.set(key, [...(files.get(key) ?? []), entry]);
      }
    }
    for (const names of files.values()) for (const entry of linked(names)) entries.set(entry.path, entry);
    offset = skipZeros(archives, offset + stream.position);
  }
  return checkedLinks([...entries.values()]);
}

async function plainArchives(source: ByteSource, what: string, signal: AbortSignal | undefined): Promise<ByteSource> {
  const start = skipZeros(source, 0);
  const head = source.read(start, Math.min(COMPRESSION_HEAD_SIZE, source.size - start));
  if (hasCpioMagic(head)) return source;
  const compression = recogniseCompression(head);
  if (compression === null) {
    throw new GuestbootError("ARCHIVE_DAMAGED", `${what} is no cpio archive of the formats newc or crc`, {
      hint: "make it with: find . | cpio -o -H newc > FILE",
    });
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of expandMember(source, start, compression, { maximumBytes: MOST_EXPANDED, signal })) {
    chunks.push(chunk);
  }
  return memorySource(Buffer.concat(chunks), what);
}

/** @param position of the stream, which stands at the record's content */
async function entryOf(record: CpioRecord, archive: ByteSource, position: number, what: string): Promise<OverlayEntry> {
  const { header, kind, path } = record;
  const { uid, gid, mtime, size, major, minor, format } = header;
  if (path === "" && kind !== "directory") {
    throw new GuestbootError("OVERLAY_INVALID", `${what} holds a ${kind} in place of the root folder`);
  }
  const common = { path, kind, mode: header.mode & 0o7777, uid, gid, mtime, size: 0, content: null };
  switch (kind) {
    case "symlink":
      return { ...common, target: await contentText(record) };
    case "file":
      if (position + size > archive.size) {
        throw new GuestbootError("ARCHIVE_DAMAGED", `${what} is cut off: it ends inside ${quote(path)}`);
      }
      if (format === "crc") await compareChecksum(record);
      return { ...common, size, content: sliceSource(archive, position, size, what) };
    case "character device":
    case "block device":
      return { ...common, major, minor };
    default:
      return common;
  }
}

/** Reading all of it is what compares it. */
async function compareChecksum(record: CpioRecord): Promise<void> {
  const chunks = record.content();
  while ((await chunks.next()).done !== true);
}

/** The names of one file: the first gets its content, whichever record brought it. */
function linked(names: readonly OverlayEntry[]): OverlayEntry[] {
  const [first, ...others] = names;
  if (first === undefined) return [];
  const full = names.findLast((name) => name.size > 0) ?? first;
  return [
    { ...full, path: first.path },
    ...others.map((name): OverlayEntry => {
      return { ...name, kind: "hard link", size: 0, content: null, target: first.path };
    }),
  ];
}

/** A file that others are linked to, and that a later record replaces, would leave them without their content. */
function checkedLinks(entries: readonly OverlayEntry[]): Overlay {
  const seen = new Set<string>();
  for (const entry of entries) {
    if (entry.kind === "hard link" && !seen.has(entry.target ?? "")) {
      throw new GuestbootError(
        "OVERLAY_INVALID",
        `the overlay's ${quote(entry.path)} is another name of ${quote(entry.target ?? "")}, which stands in it twice`,
        { hint: "make the archive anew from a folder" },
      );
    }
    seen.add(entry.path);
  }
  return entries;
}
