/**
 * The content of a file, folder or long link as a byte source.
 */
import { checkRange, memorySource, targetOf, type ByteSource, type DiskRange } from "../../base/byte-source.ts";
import { hasInlineData, inlineData, isFastLink, refuseEncrypted, type Inode } from "./inode.ts";
import type { Layout } from "./layout.ts";
import { readRuns, type Run } from "./runs.ts";

/** @throws FEATURE_UNSUPPORTED for encrypted content; FILESYSTEM_DAMAGED. Reading throws FILESYSTEM_DAMAGED, BUDGET_EXCEEDED */
export function contentOf(layout: Layout, inode: Inode): ByteSource {
  refuseEncrypted(inode);
  const what = `inode ${inode.number}`;
  if (isFastLink(inode)) return memorySource(inode.map.subarray(0, inode.size), what);
  if (hasInlineData(inode)) {
    const { head, rest } = inlineData(inode);
    const bytes = Buffer.concat([head, rest]);
    return lengthened(bytes, inode.size, what);
  }
  return new MappedContent(layout, inode, what);
}

/** `bytes`, and zeros behind them: mke2fs makes a file that is one large hole in this way. */
function lengthened(bytes: Uint8Array, size: number, what: string): ByteSource {
  return {
    size,
    read(offset, length, into) {
      checkRange(offset, length, size, what);
      const there = bytes.subarray(offset, offset + length);
      const target = targetOf(length, into);
      target.set(there);
      return target.fill(0, there.length);
    },
  };
}

class MappedContent implements ByteSource {
  readonly size: number;
  readonly #layout: Layout;
  readonly #inode: Inode;
  readonly #what: string;
  #runs: readonly Run[] | null = null;
  /** Where the last read ended: files are read from front to back. */
  #current = 0;

  constructor(layout: Layout, inode: Inode, what: string) {
    this.size = inode.size;
    this.#layout = layout;
    this.#inode = inode;
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
    const runs = (this.#runs ??= readRuns(this.#layout, this.#inode));
    const endsAfter = (index: number) => {
      const run = runs[index];
      return run === undefined || run.logical + run.count > block;
    };
    const isIt = (index: number) => endsAfter(index) && (index === 0 || !endsAfter(index - 1));
    if (!isIt(this.#current))
      this.#current = isIt(this.#current + 1) ? this.#current + 1 : search(runs.length, endsAfter);
    return runs[this.#current];
  }
}

/** The first index of `0 … count` for which the claim holds; it holds for all that follow. */
function search(count: number, holds: (index: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
