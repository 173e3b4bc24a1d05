/**
 * Writes cpio archives, newc or crc: records in, chunks of bytes out. The same records give the same bytes.
 */
import type { ByteSource } from "../base/byte-source.ts";
import { GuestbootError } from "../base/errors.ts";
import { quote } from "../base/printable.ts";
import { encodeText } from "../base/text.ts";
import {
  formatHeader,
  HEADER_SIZE,
  LONGEST_PATH,
  paddingAfter,
  TRAILER,
  TYPE,
  type CpioHeader,
} from "./cpio-header.ts";
import type { Overlay, OverlayEntry } from "./overlay.ts";
import { addBytes } from "./read-cpio.ts";

/** Content that is read at once, in bytes. */
const PIECE = 256 * 1024;
const NO_BYTES = new Uint8Array(0);

/** Header, name and padding: what stands before a record's content. @throws GuestbootError OVERLAY_INVALID */
export function recordHead(header: Omit<CpioHeader, "nameSize">, name: Uint8Array): Uint8Array {
  const nameSize = name.length + 1;
  const path = Buffer.from(name).toString();
  if (nameSize > LONGEST_PATH) {
    throw new GuestbootError("OVERLAY_INVALID", `${quote(path)}: a name of ${name.length} bytes is too long for Linux`);
  }
  const head = Buffer.alloc(HEADER_SIZE + nameSize + paddingAfter(HEADER_SIZE + nameSize));
  head.set(formatHeader({ ...header, nameSize }, path));
  head.set(name, HEADER_SIZE);
  return head;
}

/** What stands behind the content. */
export function recordTail(size: number): Uint8Array {
  return size % 4 === 0 ? NO_BYTES : new Uint8Array(paddingAfter(size));
}

/** The record that ends an archive. */
export function trailer(format: CpioHeader["format"] = "newc"): Uint8Array {
  return recordHead({ ...PLAIN_HEADER, format, mode: 0, links: 1 }, encodeText(TRAILER));
}

/** What a record says that nothing is known of. */
export const PLAIN_HEADER = {
  format: "newc",
  inode: 0,
  uid: 0,
  gid: 0,
  mtime: 0,
  size: 0,
  deviceMajor: 0,
  deviceMinor: 0,
  major: 0,
  minor: 0,
  checksum: 0,
} as const;

/** What a record of an overlay says. */
interface Links {
  /** The first name's. */
  readonly inode: number;
  readonly count: number;
}

/**
 * An overlay as the records of an archive, without its trailer.
 * @param firstInode inode numbers are counted from it
 * @throws GuestbootError OVERLAY_INVALID; and what the content throws
 */
export function* packRecords(
  overlay: Overlay,
  { format = "newc", firstInode = 1 }: { readonly format?: CpioHeader["format"]; readonly firstInode?: number } = {},
): Generator<Uint8Array, void> {
  const links = countLinks(overlay, firstInode);
  for (const [index, entry] of overlay.entries()) {
    const own = links.get(entry) ?? { inode: firstInode + index, count: 1 };
    yield* packEntry(entry, own, format);
  }
}

/** An overlay as a whole archive. @throws as `packRecords` */
export function* packOverlay(overlay: Overlay, format: CpioHeader["format"] = "newc"): Generator<Uint8Array, void> {
  yield* packRecords(overlay, { format });
  yield trailer(format);
}

function* packEntry(entry: OverlayEntry, links: Links, format: CpioHeader["format"]): Generator<Uint8Array, void> {
  const kind = entry.kind === "hard link" ? "file" : entry.kind;
  const content = contentOf(entry);
  const header = {
    ...PLAIN_HEADER,
    format,
    inode: links.inode,
    mode: TYPE[kind] | (entry.mode & 0o7777),
    uid: entry.uid,
    gid: entry.gid,
    links: entry.kind === "directory" ? 2 : links.count,
    mtime: entry.mtime,
    size: content.size,
    major: entry.major ?? 0,
    minor: entry.minor ?? 0,
    checksum: format === "crc" && content.size > 0 && kind !== "symlink" ? sumOf(content) : 0,
  };
  // The trailer's name ends an archive wherever it stands.
  if (entry.path === TRAILER) throw invalid(entry, "a file of that name would end the archive");
  yield recordHead(header, encodeText(entry.path === "" ? "." : entry.path));
  yield* piecesOf(content);
  const tail = recordTail(content.size);
  if (tail.length > 0) yield tail;
}

/** The names of one file share its inode number, and each says how many they are. */
function countLinks(overlay: Overlay, firstInode: number): ReadonlyMap<OverlayEntry, Links> {
  const files = new Map<string, OverlayEntry[]>();
  const inodes = new Map<string, number>();
  overlay.forEach((entry, index) => {
    if (entry.kind !== "hard link") {
      files.set(entry.path, [entry]);
      inodes.set(entry.path, firstInode + index);
      return;
    }
    const target = entry.target ?? "";
    const names = files.get(target);
    const inode = inodes.get(target);
    if (names === undefined || inode === undefined) {
      throw invalid(entry, `it is a hard link to ${quote(target)}, which does not stand before it`);
    }
    names.push(entry);
    files.set(entry.path, names);
    inodes.set(entry.path, inode);
  });
  const links = new Map<OverlayEntry, Links>();
  for (const [path, names] of files) {
    const inode = inodes.get(path) ?? 0;
    if (names.length > 1) for (const name of names) links.set(name, { inode, count: names.length });
  }
  return links;
}

function contentOf(entry: OverlayEntry): ByteSource {
  if (entry.kind === "symlink") return bytesSource(encodeText(entry.target ?? ""));
  if (entry.kind === "file" && entry.content !== null) return entry.content;
  return bytesSource(NO_BYTES);
}

function bytesSource(bytes: Uint8Array): ByteSource {
  return { size: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) };
}

function* piecesOf(source: ByteSource): Generator<Uint8Array, void> {
  for (let at = 0; at < source.size; at += PIECE) yield source.read(at, Math.min(PIECE, source.size - at));
}

function sumOf(source: ByteSource): number {
  let sum = 0;
  for (const piece of piecesOf(source)) sum = addBytes(sum, piece);
  return sum;
}

function invalid(entry: OverlayEntry, what: string): GuestbootError {
  return new GuestbootError("OVERLAY_INVALID", `the overlay's ${quote(entry.path)}: ${what}`);
}
