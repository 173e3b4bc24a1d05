/**
 * An open volume: its blocks, and what its names are made of.
 */
import { Budget } from "../../base/budget.ts";
import type { ByteSource } from "../../base/byte-source.ts";
import type { Extent } from "./directory-record.ts";
import { damaged } from "./damage.ts";

/**
 * Of folders that are looked through while one filesystem is open. A boot or an installation needs some hundred
 * kilobytes; but a path may name the same huge folder two thousand times over.
 */
const MAX_SEARCHED = 1024 ** 3;

/** The same in time: some seconds. The largest folders of real media, with some thousand files, take 0.1 million. */
const MAX_STEPS = 16_000_000;
/** A directory record costs about as much time as that many system use entries. */
const STEPS_OF_RECORD = 8;

export type NameSource = "rock-ridge" | "joliet" | "plain";

export class IsoVolume {
  readonly source: ByteSource;
  /** Bytes. */
  readonly blockSize: number;
  readonly names: NameSource;
  /** Bytes in front of the entries of every system use area; of use with Rock Ridge only. */
  readonly skip: number;
  readonly #searched = new Budget("bytes of folders", MAX_SEARCHED);
  readonly #steps = new Budget("steps through folders", MAX_STEPS);

  constructor(source: ByteSource, blockSize: number, names: NameSource, skip: number) {
    this.source = source;
    this.blockSize = blockSize;
    this.names = names;
    this.skip = skip;
  }

  /** To be called for every directory record. @throws BUDGET_EXCEEDED */
  spendRecord(): void {
    this.#steps.spend(STEPS_OF_RECORD);
  }

  /** To be called for every system use entry. @throws BUDGET_EXCEEDED */
  spendEntry(): void {
    this.#steps.spend();
  }

  /** A piece of a folder or of what belongs to it. @throws FILESYSTEM_DAMAGED, BUDGET_EXCEEDED */
  readMetadata(extent: Extent, what: string): Uint8Array {
    this.checkExtent(extent, what);
    this.#searched.spend(extent.size);
    return this.source.read(extent.start, extent.size);
  }

  /** @throws FILESYSTEM_DAMAGED when the image ends before the extent does */
  checkExtent({ start, size }: Extent, what: string): void {
    if (size <= this.source.size - start) return;
    throw damaged(`${what} is in bytes ${start} + ${size}, and the image ends at ${this.source.size}`);
  }
}
