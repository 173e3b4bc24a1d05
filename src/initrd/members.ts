/**
 * An initrd as the kernel sees it: members one after the other, each a plain or a compressed cpio archive, zeros between
 * them as many as there are. A ramdisk of the time before (RHEL 3 and 4) is one image of a filesystem instead.
 *
 * https://docs.kernel.org/driver-api/early-userspace/buffer-format.html. Each member may be compressed in another way.
 * Everything is read once, in order, in a stream. Not here: filesystems inside of images.
 */
import { Budget } from "../base/budget.ts";
import type { ByteSource } from "../base/byte-source.ts";
import { collectorEvery } from "../base/collect-garbage.ts";
import {
  COMPRESSION_HEAD_SIZE,
  expandMember,
  recogniseCompression,
  type Compression,
} from "../compress/compression.ts";
import { ByteStream, type ChunkSource } from "./byte-stream.ts";
import { damagedArchive, hasCpioMagic } from "./cpio-header.ts";
import { readCpio, type CpioRecord } from "./read-cpio.ts";

export interface InitrdLimits {
  /** The most bytes that one member may expand to. */
  readonly maximumBytes: number;
  readonly signal?: AbortSignal | undefined;
}

/** Far more files than any initrd has; it bounds what is kept for each. */
const MOST_RECORDS = 2_000_000;
const MOST_MEMBERS = 1000;
const FIRST_PIECE = 4096;
const PIECE = 256 * 1024;
/** Bytes. */
const COLLECT_EVERY = 2 * 1024 * 1024;

export interface MemberStart {
  /** Counted from 0. */
  readonly index: number;
  /** Where it begins in the initrd, in bytes. */
  readonly offset: number;
  /** null: it lies there as it is. */
  readonly compression: Compression | null;
  /** Archives, or the image of a filesystem (ext2). */
  readonly content: "cpio" | "ext2";
}

export interface Member extends MemberStart {
  /** Bytes in the initrd. */
  readonly length: number;
  /** Bytes that it expands to. */
  readonly size: number;
  /** How many archives stand in it behind each other, and how many records they have together. */
  readonly archives: number;
  readonly records: number;
}

export type InitrdEvent =
  | { readonly what: "begin"; readonly member: MemberStart }
  /** `archive` counts the archives of the whole initrd: hard links are of one archive. */
  | { readonly what: "record"; readonly member: MemberStart; readonly archive: number; readonly record: CpioRecord }
  | { readonly what: "end"; readonly member: Member };

/**
 * Reads the whole initrd. A member that holds an ext2 image gives no records: it is only expanded to its end.
 *
 * @throws GuestbootError ARCHIVE_DAMAGED, DATA_DAMAGED, FEATURE_UNSUPPORTED, BUDGET_EXCEEDED; what the source throws;
 *   the signal's reason when it is aborted
 */
export async function* readInitrd(
  source: ByteSource,
  { maximumBytes, signal }: InitrdLimits,
): AsyncGenerator<InitrdEvent, void> {
  const records = new Budget("files in the initrd", MOST_RECORDS);
  const members = new Budget("members in the initrd", MOST_MEMBERS);
  let archive = 0;
  let index = 0;
  for (let offset = firstOffset(source); offset < source.size; index++) {
    members.spend();
    const start = beginMember(source, offset, index);
    const chunks = openChunks(source, start, { maximumBytes, signal });
    try {
      const stream = new ByteStream(chunks);
      const content = start.compression === null ? start.content : await contentKind(stream, start);
      const member = { ...start, content };
      yield { what: "begin", member };
      let archives = 0;
      let count = 0;
      if (content === "ext2") await stream.skip(Number.MAX_SAFE_INTEGER);
      for (; content === "cpio" && (await hasMore(stream, member, archives)); archives++, archive++) {
        for await (const record of readCpio(stream, whereOf(member), records)) {
          signal?.throwIfAborted();
          count++;
          yield { what: "record", member, archive, record };
        }
      }
      const length = chunks.length ?? stream.position;
      yield { what: "end", member: { ...member, length, size: stream.position, archives, records: count } };
      offset = skipZeros(source, offset + length);
    } finally {
      await chunks.close();
    }
  }
  if (index === 0) throw damagedArchive("the initrd", source.size === 0 ? "it is empty" : "it holds nothing but zeros");
}

/**
 * What begins there, told from its first bytes; `content` of a compressed member is not known before it is expanded.
 * @throws GuestbootError ARCHIVE_DAMAGED where nothing that belongs into an initrd begins
 */
export function beginMember(source: ByteSource, offset: number, index = 0): MemberStart {
  const head = source.read(offset, Math.min(COMPRESSION_HEAD_SIZE, source.size - offset));
  const common = { index, offset, content: "cpio" } as const;
  if (hasCpioMagic(head)) {
    if (offset % 4 === 0) return { ...common, compression: null };
    throw damagedArchive("the initrd", `an uncompressed archive begins at byte ${offset}, which is no multiple of 4`);
  }
  const compression = recogniseCompression(head);
  if (compression !== null) return { ...common, compression };
  if (offset === 0 && isExt2(source.read(0, Math.min(EXT2_HEAD, source.size)))) {
    return { ...common, compression: null, content: "ext2" };
  }
  const where = offset === 0 ? "the file" : `the initrd, at its byte ${offset}`;
  throw damagedArchive(where, "there is neither a cpio archive nor a known compression of one");
}

/** Where the first member begins: behind zeros, but for an image, which begins with them. */
export function firstOffset(source: ByteSource): number {
  return isExt2(source.read(0, Math.min(EXT2_HEAD, source.size))) ? 0 : skipZeros(source, 0);
}

/** The first byte from `offset` on that is not zero, or the end. */
export function skipZeros(source: ByteSource, offset: number): number {
  // Mostly there are none: the first piece is small.
  for (let at = offset, length = FIRST_PIECE; at < source.size; at += length, length = Math.min(PIECE, 4 * length)) {
    const stop = source.read(at, Math.min(length, source.size - at)).findIndex((byte) => byte !== 0);
    if (stop !== -1) return at + stop;
  }
  return source.size;
}

/** Names a member in errors. */
function whereOf({ index, offset, compression }: MemberStart): string {
  return `member ${index + 1} of the initrd (${compression ?? "uncompressed"}, from byte ${offset})`;
}

/** Does another archive begin? An uncompressed member is a single one: what follows may be anything. */
async function hasMore(stream: ByteStream, member: MemberStart, archives: number): Promise<boolean> {
  if (archives === 0) return true;
  if (member.compression === null) return false;
  await stream.skipZeros();
  return (await stream.peek()) !== null;
}

/** So many bytes tell an image of ext2: its superblock's magic number (linux/fs/ext2/ext2.h: s_magic) is the last. */
export const EXT2_HEAD = 1024 + 58;

/** @param head EXT2_HEAD bytes or more from the image's start */
export function isExt2(head: Uint8Array): boolean {
  return head.length >= EXT2_HEAD && head[EXT2_HEAD - 2] === 0x53 && head[EXT2_HEAD - 1] === 0xef;
}

async function contentKind(stream: ByteStream, member: MemberStart): Promise<"cpio" | "ext2"> {
  if (isExt2(await stream.peekBytes(EXT2_HEAD))) return "ext2";
  // Zeros may stand in front of the first archive too, and nothing else may.
  await stream.skipZeros();
  const head = await stream.peekBytes(6);
  if (head.length === 0 || hasCpioMagic(head)) return "cpio";
  throw damagedArchive(whereOf(member), "what it expands to is neither a cpio archive nor an ext2 image");
}

export interface MemberChunks extends ChunkSource {
  /** Of the compressed member in the initrd; known at its end. */
  readonly length: number | null;
  close(): Promise<void>;
}

function openChunks(source: ByteSource, member: MemberStart, limits: InitrdLimits): MemberChunks {
  const { offset, compression } = member;
  return compression === null ? plainChunks(source, offset) : expandedChunks(source, offset, compression, limits);
}

/** The bytes from `offset` on as they are. */
export function plainChunks(source: ByteSource, offset: number): MemberChunks {
  let at = offset;
  return {
    length: null,
    next() {
      const size = Math.min(PIECE, source.size - at);
      const chunk = size === 0 ? null : source.read(at, size);
      at += size;
      return Promise.resolve(chunk);
    },
    skip(length) {
      const skipped = Math.min(length, source.size - at);
      at += skipped;
      return skipped;
    },
    close: () => Promise.resolve(),
  };
}

function expandedChunks(
  source: ByteSource,
  offset: number,
  compression: Compression,
  limits: InitrdLimits,
): MemberChunks {
  const chunks = expandMember(source, offset, compression, limits);
  const collect = collectorEvery(COLLECT_EVERY);
  let length: number | null = null;
  return {
    get length() {
      return length;
    },
    async next() {
      if (length !== null) return null;
      const step = await chunks.next();
      if (step.done !== true) {
        collect(step.value.length);
        return step.value;
      }
      length = step.value;
      return null;
    },
    async close() {
      await chunks.return(0);
    },
  };
}
