/**
 * Fast commits: what was done to an ext4 filesystem since the last transaction of its journal, as a list of changes to
 * files and names, where a transaction would hold whole blocks. They lie behind the journal's ring.
 *
 * A commit counts when its tail is there, of the expected transaction and with the right checksum. At the first that
 * has none the list ends, as it does for Linux.
 * Specification: https://docs.kernel.org/filesystems/ext4/journal.html#fast-commits
 */
import { Budget } from "../../base/budget.ts";
import { CheckedReader } from "../../base/checked-reader.ts";
import { GuestbootError } from "../../base/errors.ts";
import { updateCrc32c } from "../crc32c.ts";

export type FastChange =
  /** The inode as it is now, but for where its content lies: that the pieces tell. */
  | { readonly kind: "inode"; readonly inode: number; readonly raw: Uint8Array }
  | { readonly kind: "piece"; readonly inode: number; readonly piece: Piece }
  /** null: the folder has that name no more. */
  | { readonly kind: "name"; readonly folder: number; readonly name: Uint8Array; readonly inode: number | null };

/** A part of a file, in blocks, and where on the disk it lies now; null where it reads as zeros. */
export interface Piece {
  readonly logical: number;
  readonly count: number;
  readonly physical: number | null;
}

/** Blocks behind the ring, in the journal's numbers. */
export interface FastCommitArea {
  readonly first: number;
  readonly end: number;
  readonly blockSize: number;
  /** @throws as reading the disk does */
  readonly read: (block: number) => Uint8Array;
}

const TAG_ADD_RANGE = 1;
const TAG_DELETE_RANGE = 2;
const TAG_CREATE = 3;
const TAG_LINK = 4;
const TAG_UNLINK = 5;
const TAG_INODE = 6;
const TAG_PAD = 7;
const TAG_TAIL = 8;
const TAG_HEAD = 9;

const TAG_HEADER_SIZE = 4;
/** How long the values of tags may be, in bytes: names have up to 255, inodes at least 128. */
const LENGTHS: Readonly<Record<number, readonly [least: number, most: number]>> = {
  [TAG_ADD_RANGE]: [16, 16],
  [TAG_DELETE_RANGE]: [12, 12],
  [TAG_CREATE]: [9, 263],
  [TAG_LINK]: [9, 263],
  [TAG_UNLINK]: [9, 263],
  [TAG_INODE]: [132, 65535],
  [TAG_PAD]: [0, 65535],
  [TAG_TAIL]: [8, 65535],
  [TAG_HEAD]: [8, 8],
};

/** Linux has 256 blocks for them unless told otherwise. */
const MAX_BYTES = 64 * 1024 * 1024;

/**
 * The changes of all commits that count, oldest first.
 * @param transaction the number of the one that they would be part of
 * @throws FEATURE_UNSUPPORTED, BUDGET_EXCEEDED
 */
export function readFastCommits(area: FastCommitArea, transaction: number): FastChange[] {
  const budget = new Budget("bytes of fast commits", MAX_BYTES);
  const done: FastChange[] = [];
  let pending: FastChange[] = [];
  let checksum = 0;
  for (let at = firstBlock(area, transaction); at < area.end; at++) {
    budget.spend(area.blockSize);
    const bytes = area.read(at);
    const block = new CheckedReader(bytes, "fast commit");
    for (let offset = 0; offset + TAG_HEADER_SIZE < bytes.length;) {
      const tag = block.u16le(offset, "fc_tag");
      const length = block.u16le(offset + 2, "fc_len");
      const start = offset + TAG_HEADER_SIZE;
      const next = start + length;
      const [least, most] = LENGTHS[tag] ?? [Infinity, 0];
      if (length < least || length > most || next > bytes.length) return done;
      if (tag === TAG_TAIL) {
        const own = updateCrc32c(checksum, bytes, offset, start + 4);
        const counts = block.u32le(start, "fc_tid") === transaction && block.u32le(start + 4, "fc_crc") === own;
        if (!counts) return done;
        for (const change of pending) done.push(change);
        pending = [];
        checksum = 0;
      } else {
        if (tag === TAG_HEAD && !isHeadOf(block, start, transaction)) return done;
        checksum = updateCrc32c(checksum, bytes, offset, next);
        const change = changeOf(tag, new CheckedReader(block.bytes(start, length, "fc_value"), "fast commit"));
        if (change !== null) pending.push(change);
      }
      offset = next;
    }
  }
  return done;
}

/** Linux leaves the first block of the area out. */
function firstBlock({ first, end, read }: FastCommitArea, transaction: number): number {
  const candidates = [first, first + 1].filter((at) => at < end);
  const found = candidates.find((at) => {
    const block = new CheckedReader(read(at), "fast commit");
    return block.u16le(0, "fc_tag") === TAG_HEAD && block.u32le(TAG_HEADER_SIZE + 4, "fc_tid") === transaction;
  });
  return found ?? end;
}

function isHeadOf(block: CheckedReader, at: number, transaction: number): boolean {
  const features = block.u32le(at, "fc_features");
  if (block.u32le(at + 4, "fc_tid") !== transaction) return false;
  if (features === 0) return true;
  throw new GuestbootError(
    "FEATURE_UNSUPPORTED",
    `ext filesystem whose fast commits have a feature that cannot be read: 0x${features.toString(16)}`,
    { hint: "mount it once in the guest, or run e2fsck on the volume" },
  );
}

/** Extents longer than that are reserved and not written. */
const MAX_WRITTEN_LENGTH = 32768;

function changeOf(tag: number, value: CheckedReader): FastChange | null {
  switch (tag) {
    case TAG_INODE:
      return { kind: "inode", inode: value.u32le(0, "fc_ino"), raw: value.bytes(4, value.length - 4, "fc_raw_inode") };
    case TAG_ADD_RANGE: {
      const length = value.u16le(8, "ee_len");
      const isWritten = length <= MAX_WRITTEN_LENGTH;
      const physical = value.u32le(12, "ee_start_lo") + value.u16le(10, "ee_start_hi") * 2 ** 32;
      const count = isWritten ? length : length - MAX_WRITTEN_LENGTH;
      const piece = { logical: value.u32le(4, "ee_block"), count, physical: isWritten ? physical : null };
      return { kind: "piece", inode: value.u32le(0, "fc_ino"), piece };
    }
    case TAG_DELETE_RANGE: {
      const piece = { logical: value.u32le(4, "fc_lblk"), count: value.u32le(8, "fc_len"), physical: null };
      return { kind: "piece", inode: value.u32le(0, "fc_ino"), piece };
    }
    case TAG_CREATE:
    case TAG_LINK:
    case TAG_UNLINK: {
      const inode = tag === TAG_UNLINK ? null : value.u32le(4, "fc_ino");
      const name = value.bytes(8, value.length - 8, "fc_dname");
      return { kind: "name", folder: value.u32le(0, "fc_parent_ino"), name, inode };
    }
    default:
      return null;
  }
}
