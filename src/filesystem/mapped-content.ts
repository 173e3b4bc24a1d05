/**
 * Content of which runs of neighbouring blocks stand on the disk, as a byte source: a file of ext or XFS.
 */
import { checkRange, targetOf, type ByteSource, type DiskRange } from "../base/byte-source.ts";
import { firstIndex } from "../base/first-index.ts";

/** Blocks of a file that lie behind one another on the disk. What no run covers is a hole and reads as zeros. */
export interface Run {
  /** The first block's place in the file. */
  readonly logical: number;
  /** The first block's place on the disk. */
  readonly physical: number;
  readonly count: number;
}

/** The index of the run that holds the block, or else of the next one; the number of runs behind the last. */
export function findRun(runs: readonly Run[], block: number): number {
  return firstIndex(runs.length, (index) => {
    const run = runs[index];
    return run === undefined || run.logical + run.count > block;
  });
}

export interface Mapped {
  /** What the runs' physical blocks are counted on. */
  readonly source: ByteSource;
  /** Bytes. */
  readonly blockSize: number;
  /** In ascending order; asked for when something is read. */
  readonly runs: () => readonly Run[];
  /** Bytes. */
  readonly size: number;
  /** Names it in errors. */
  readonly what: string;
}

export class MappedContent implements ByteSource {
  readonly size: number;
  readonly #mapped: Mapped;
  /** Where the last read ended: files are read from front to back. */
  #current = 0;

  constructor(mapped: Mapped) {
    this.size = mapped.size;
    this.#mapped = mapped;
  }

  read(offset: number, length: number, into?: Uint8Array): Uint8Array {
    const { source, blockSize, what } = this.#mapped;
    checkRange(offset, length, this.size, what);
    const target = targetOf(length, into);
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
        source.read(run.physical * blockSize + (at - runStart), piece.length, piece);
        at = pieceEnd;
      }
    }
    return target;
  }

  onDisk(offset: number, length: number): DiskRange | null {
    const { source, blockSize, what } = this.#mapped;
    checkRange(offset, length, this.size, what);
    const run = this.#runAt(Math.floor(offset / blockSize));
    if (run === undefined || run.logical * blockSize > offset) return null;
    const inRun = offset - run.logical * blockSize;
    const available = Math.min(length, run.count * blockSize - inRun);
    return source.onDisk?.(run.physical * blockSize + inRun, available) ?? null;
  }

  /** The run that holds the block, or else the next one; undefined behind the last. */
  #runAt(block: number): Run | undefined {
    const runs = this.#mapped.runs();
    const isIt = (index: number) => isAt(runs, index, block);
    if (!isIt(this.#current)) this.#current = isIt(this.#current + 1) ? this.#current + 1 : findRun(runs, block);
    return runs[this.#current];
  }
}

/** Is it what `findRun` finds? */
function isAt(runs: readonly Run[], index: number, block: number): boolean {
  const [before, run] = [runs[index - 1], runs[index]];
  if (before !== undefined && before.logical + before.count > block) return false;
  return index <= runs.length && (run === undefined || run.logical + run.count > block);
}
