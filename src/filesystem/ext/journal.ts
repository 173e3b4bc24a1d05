/**
 * A filesystem that was not unmounted, as it reads after its journal was replayed: a byte source over the volume in
 * which the blocks that the journal holds stand in their places. Replayed in memory only; the disk is never written.
 */
import { firstIndex } from "../../base/first-index.ts";
import { checkRange, targetOf, type ByteSource, type DiskRange } from "../../base/byte-source.ts";
import { GuestbootError } from "../../base/errors.ts";
import { damaged } from "./damage.ts";
import { sumUp, type FastChanges } from "./fast-changes.ts";
import { readInode } from "./inode.ts";
import { isIntactData } from "./journal-format.ts";
import { Layout } from "./layout.ts";
import { replay, type JournalBlock, type Replayed } from "./replay.ts";
import { findRun, type Run } from "../mapped-content.ts";
import { readRuns } from "./runs.ts";
import { readSuperblock, type PendingJournal, type Superblock } from "./superblock.ts";

export interface Recovered {
  readonly source: ByteSource;
  readonly superblock: Superblock;
  /** What was done after the last transaction; null when nothing was. */
  readonly fastChanges: FastChanges | null;
  readonly notes: readonly string[];
}

/**
 * The volume and its superblock after the replay; as they are when nothing waits in the journal.
 * @throws FEATURE_UNSUPPORTED for a journal on another device or with unknown features; FILESYSTEM_DAMAGED,
 *   BUDGET_EXCEEDED. Reading `source` throws FILESYSTEM_DAMAGED for a block that is damaged in the journal
 */
export function recover(source: ByteSource): Recovered {
  const superblock = readSuperblock(source);
  if (superblock.pendingJournal === null) return { source, superblock, fastChanges: null, notes: [] };
  const journal = openJournal(source, superblock, superblock.pendingJournal);
  const replayed = replay(journal.file);
  const notes = notesOf(replayed);
  const fastChanges = replayed.fastChanges.length === 0 ? null : sumUp(replayed.fastChanges);
  if (replayed.blocks.size === 0) return { source, superblock, fastChanges, notes };
  const recovered = new RecoveredSource(source, superblock.blockSize, replayed, journal.place);
  return { source: recovered, superblock: readSuperblock(recovered), fastChanges, notes };
}

function notesOf({ blocks, transactions, fastChanges }: Replayed): string[] {
  const notes: string[] = [];
  if (blocks.size > 0) {
    notes.push(
      `the filesystem was not unmounted: ${blocks.size} blocks of ${transactions} transactions are read from its journal`,
    );
  }
  if (fastChanges.length > 0) {
    notes.push(
      `the filesystem was not unmounted: ${fastChanges.length} changes are read from its journal's fast commits`,
    );
  }
  return notes;
}

function openJournal(source: ByteSource, superblock: Superblock, pending: PendingJournal) {
  if (pending === "external") {
    throw new GuestbootError(
      "FEATURE_UNSUPPORTED",
      "ext filesystem that was not unmounted, and whose journal is on another device (external journal)",
      { hint: "mount it once in the guest, or run e2fsck with both devices" },
    );
  }
  const { blockSize, blockCount } = superblock;
  const layout = new Layout(source, superblock);
  const inode = readInode(layout, pending.inode);
  if (inode.kind !== "file") throw damaged(`its journal (inode ${inode.number}) is no file`);
  const runs = readRuns(layout, inode);
  /** Where a block of the journal lies, in bytes. */
  const place = (block: number): number => layout.byteOffset(physicalOf(runs, block), 1, "journal");
  const read = (block: number) => source.read(place(block), blockSize);
  return { file: { length: Math.floor(inode.size / blockSize), blockSize, blockCount, read }, place };
}

/** @throws FILESYSTEM_DAMAGED for a hole */
function physicalOf(runs: readonly Run[], block: number): number {
  const run = runs[findRun(runs, block)];
  if (run === undefined || block < run.logical) throw damaged(`block ${block} of its journal is nowhere`);
  return run.physical + (block - run.logical);
}

const MAGIC = Uint8Array.of(0xc0, 0x3b, 0x39, 0x98);

class RecoveredSource implements ByteSource {
  readonly size: number;
  readonly #source: ByteSource;
  readonly #blockSize: number;
  readonly #replayed: Replayed;
  readonly #place: (block: number) => number;
  /** The numbers of all replaced blocks, ascending. */
  readonly #replaced: Float64Array;
  /** Those whose checksums were looked at. */
  readonly #checked = new Set<number>();

  constructor(source: ByteSource, blockSize: number, replayed: Replayed, place: (block: number) => number) {
    this.size = source.size;
    this.#source = source;
    this.#blockSize = blockSize;
    this.#replayed = replayed;
    this.#place = place;
    this.#replaced = Float64Array.from(replayed.blocks.keys()).sort();
  }

  read(offset: number, length: number, into?: Uint8Array): Uint8Array {
    checkRange(offset, length, this.size, "volume");
    const target = targetOf(length, into);
    let at = 0;
    while (at < length) {
      const { from, count, stands } = this.#pieceAt(offset + at, length - at);
      const piece = target.subarray(at, at + count);
      this.#source.read(from, count, piece);
      if (stands?.tag.isEscaped === true) restoreMagic(piece, (offset + at) % this.#blockSize);
      at += count;
    }
    return target;
  }

  /** What lies in the journal lies there as it is, unless its first bytes were replaced. */
  onDisk(offset: number, length: number): DiskRange | null {
    checkRange(offset, length, this.size, "volume");
    const { from, count, stands } = this.#pieceAt(offset, length);
    if (stands?.tag.isEscaped === true) return null;
    return this.#source.onDisk?.(from, count) ?? null;
  }

  /** The next bytes that lie in one piece: where, how many, and the journal's block that they are in (if any). */
  #pieceAt(offset: number, length: number) {
    const size = this.#blockSize;
    const block = Math.floor(offset / size);
    const stands = this.#replayed.blocks.get(block);
    if (stands !== undefined) {
      this.#check(stands);
      const inBlock = offset % size;
      return { from: this.#place(stands.at) + inBlock, count: Math.min(length, size - inBlock), stands };
    }
    const next = this.#nextReplaced(block);
    const end = next === undefined ? Infinity : next * size;
    return { from: offset, count: Math.min(length, end - offset), stands };
  }

  #nextReplaced(block: number): number | undefined {
    return this.#replaced[firstIndex(this.#replaced.length, (index) => (this.#replaced[index] ?? Infinity) > block)];
  }

  /** At the first use: a journal may hold a gigabyte, and a boot looks at a few of its blocks. */
  #check({ at, tag, sequence }: JournalBlock): void {
    if (this.#checked.has(at)) return;
    const bytes = this.#source.read(this.#place(at), this.#blockSize);
    if (!isIntactData(this.#replayed.journal, sequence, tag, bytes)) {
      throw damaged(`its journal was not replayed, and its content for block ${tag.block} has a wrong checksum`);
    }
    this.#checked.add(at);
  }
}

/** @param piece bytes of the block from `start` on */
function restoreMagic(piece: Uint8Array, start: number): void {
  if (start < MAGIC.length) piece.set(MAGIC.subarray(start, start + piece.length));
}
