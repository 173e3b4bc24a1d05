/**
 * Was the filesystem unmounted? Then the last record of its log says so; else the log may hold changes that were never
 * written to their places. The log is looked at, not replayed.
 *
 * It is a ring of 512-byte blocks. Each begins with the number of the round in which it was written, so the end of the
 * newest round is where the number drops.
 * Specification: XFS Algorithms & Data Structures, "Journaling Log"
 */
import { firstIndex } from "../../base/first-index.ts";
import { CheckedReader } from "../../base/checked-reader.ts";
import { damaged } from "./damage.ts";
import type { Layout } from "./layout.ts";

export type LogState = "clean" | "dirty" | "external";

const BLOCK = 512;
const RECORD_MAGIC = 0xfeedbabe;
const VERSION_2 = 2;
/** Bytes of a record for which one header block has room, in version 2. */
const PER_HEADER = 32768;
const FLAG_UNMOUNT = 0x20;
/** Up to eight buffers of 256 KiB may be on their way at once: no record's header is farther back. */
const MAX_BACK = (8 * 256 * 1024) / BLOCK;
const PIECE = 16;

/** @throws FILESYSTEM_DAMAGED when the log is nowhere, or no log */
export function readLogState(layout: Layout): LogState {
  const { logStart, logBlocks, blockSize } = layout.superblock;
  if (logStart === 0) return "external";
  const start = layout.diskBlock(logStart, logBlocks, "the log") * blockSize;
  const size = (logBlocks * blockSize) / BLOCK;
  const read = (block: number, count: number) =>
    new CheckedReader(layout.source.read(start + block * BLOCK, count * BLOCK), "XFS log");
  if (size < 2) throw damaged(`the log has ${logBlocks} blocks`);
  const ring: Ring = { size, read };
  const end = findEnd(ring);
  // Nothing was ever written to it.
  if (end === 0) return "clean";
  return endsWithUnmount(ring, end) ? "clean" : "dirty";
}

interface Ring {
  /** Blocks. */
  readonly size: number;
  readonly read: (block: number, count: number) => CheckedReader;
}

/** The block behind the newest one, from 1 to the ring's size; 0 when the log is empty. */
function findEnd(ring: Ring): number {
  const oldest = roundOf(ring, 0);
  const last = roundOf(ring, ring.size - 1);
  if (oldest === 0) return 0;
  if (oldest === last) return ring.size;
  // What lies behind the end is of the round before, or zeros where there was none.
  return 1 + firstIndex(ring.size - 2, (index) => roundOf(ring, 1 + index) === last);
}

function roundOf(ring: Ring, block: number): number {
  const reader = ring.read(block, 1);
  const first = reader.u32be(0, "cycle");
  return first === RECORD_MAGIC ? reader.u32be(4, "h_cycle") : first;
}

function endsWithUnmount(ring: Ring, end: number): boolean {
  const newest = findLastRecord(ring, end);
  if (newest === null) return false;
  if (newest.end === end % ring.size) return isUnmount(ring, newest);
  // It was not written to its end, and counts for nothing.
  const before = findLastRecord(ring, newest.start === 0 ? ring.size : newest.start);
  return before !== null && before.end === newest.start && isUnmount(ring, before);
}

function isUnmount(ring: Ring, { header, body }: LogRecord): boolean {
  if (header.u32be(40, "h_num_logops") !== 1) return false;
  return (ring.read(body, 1).u8(9, "oh_flags") & FLAG_UNMOUNT) !== 0;
}

interface LogRecord {
  readonly header: CheckedReader;
  /** The block of the header, the first one behind it, and the one behind the record; all inside the ring. */
  readonly start: number;
  readonly body: number;
  readonly end: number;
}

function readRecord(ring: Ring, start: number): LogRecord {
  const header = ring.read(start, 1);
  const body = start + headerBlocks(header);
  const end = body + Math.ceil(header.u32be(12, "h_len") / BLOCK);
  return { header, start, body: body % ring.size, end: end % ring.size };
}

function headerBlocks(header: CheckedReader): number {
  const size = header.u32be(320, "h_size");
  const isLong = (header.u32be(8, "h_version") & VERSION_2) !== 0 && size > PER_HEADER;
  return isLong ? Math.ceil(size / PER_HEADER) : 1;
}

/** The newest record that begins before a block; it may begin before the ring's end and go on at its start. */
function findLastRecord(ring: Ring, end: number): LogRecord | null {
  for (let left = Math.min(MAX_BACK, ring.size), before = end; left > 0;) {
    const count = Math.min(PIECE, left, before);
    const piece = ring.read(before - count, count);
    for (let index = count - 1; index >= 0; index--) {
      if (piece.u32be(index * BLOCK, "h_magicno") === RECORD_MAGIC) return readRecord(ring, before - count + index);
    }
    left -= count;
    before = before === count ? ring.size : before - count;
  }
  return null;
}
