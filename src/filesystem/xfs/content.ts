/**
 * What the extents of an inode map, as a byte source.
 */
import { checkRange, targetOf, type ByteSource, type DiskRange } from "../../base/byte-source.ts";
import { findRun, readRuns, type Run } from "./extents.ts";
import { refuseRealtime, type Inode } from "./inode.ts";
import type { Layout } from "./layout.ts";

/**
 * The content of a regular file.
 * @throws FEATURE_UNSUPPORTED for the realtime section. Reading throws FILESYSTEM_DAMAGED, BUDGET_EXCEEDED
 */
export function contentOf(layout: Layout, inode: Inode): ByteSource {
  refuseRealtime(inode);
  let runs: readonly Run[] | null = null;
  return new MappedContent(layout, () => (runs ??= readRuns(layout, inode)), inode.size, `inode ${inode.number}`);
}

/** `size` bytes that the runs map; those that none maps are zeros. */
export function mappedContent(layout: Layout, runs: readonly Run[], size: number, what: string): ByteSource {
  return new MappedContent(layout, () => runs, size, what);
}

class MappedContent implements ByteSource {
  readonly size: number;
  readonly #layout: Layout;
  readonly #runs: () => readonly Run[];
  readonly #what: string;
  /** Where the last read ended: files are read from front to back. */
  #current = 0;

  constructor(layout: Layout, runs: () => readonly Run[], size: number, what: string) {
    this.size = size;
    this.#layout = layout;
    this.#runs = runs;
    this.#what = what;
  }

  read(offset: number, length: number, into?: Uint8Array): Uint8Array {
    checkRange(offset, length, this.size, this.#what);
    const target = targetOf(length, into);
    const { blockSize } = this.#layout.superblock;
    const end = offset + length;
    let at = offset;
    while (at < end) {
      const run = this.#runAt(Math.floor(at / blockSize));
      const runStart = run === undefined ? end : run.logical * blockSize;
      if (run === undefined || at < runStart) {
        const holeEnd = Math.min(end, runStart);
        target.fill(0, at - offset, holeEnd - offset);
        at = holeEnd;
      } else {
        const pieceEnd = Math.min(end, runStart + run.count * blockSize);
        const piece = target.subarray(at - offset, pieceEnd - offset);
        this.#layout.source.read(run.physical * blockSize + (at - runStart), piece.length, piece);
        at = pieceEnd;
      }
    }
    return target;
  }

  onDisk(offset: number, length: number): DiskRange | null {
    checkRange(offset, length, this.size, this.#what);
    const { blockSize } = this.#layout.superblock;
    const run = this.#runAt(Math.floor(offset / blockSize));
    if (run === undefined || run.logical * blockSize > offset) return null;
    const inRun = offset - run.logical * blockSize;
    const available = Math.min(length, run.count * blockSize - inRun);
    return this.#layout.source.onDisk?.(run.physical * blockSize + inRun, available) ?? null;
  }

  /** The run that holds the block, or else the next one; undefined behind the last. */
  #runAt(block: number): Run | undefined {
    const runs = this.#runs();
    const run = runs[this.#current];
    const isIt = run !== undefined && block >= run.logical && block < run.logical + run.count;
    if (!isIt) this.#current = findRun(runs, block);
    return runs[this.#current];
  }
}
