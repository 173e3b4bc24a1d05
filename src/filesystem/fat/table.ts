/**
 * The table that FAT is named for: for each cluster the next one of its file. A chain is followed at most as far as it
 * is needed, and never round in a circle.
 */
import type { ByteSource } from "../../base/byte-source.ts";
import { Budget } from "../../base/budget.ts";
import { CheckedReader } from "../../base/checked-reader.ts";
import { extentBudget } from "../../base/limits.ts";
import type { BootSector } from "./boot-sector.ts";
import { damaged } from "./damage.ts";

/** Clusters of a file that lie behind one another on the disk. */
export interface Run {
  /** The first cluster's place in the file. */
  readonly logical: number;
  /** Where that cluster lies, in bytes. */
  readonly offset: number;
  readonly count: number;
}

/** Bytes; a multiple of every sector. Of FAT12, two entries are three bytes: one may lie across two pieces. */
const PIECE = 4096;
const REMEMBERED = 16;
/**
 * Clusters that are followed while one filesystem is open: a file of 4 GiB in clusters of 512 bytes has 8,388,608; a
 * path may name the same huge folder many times.
 */
const MAX_FOLLOWED = 64 * 1024 * 1024;

export class Table {
  readonly #source: ByteSource;
  readonly #boot: BootSector;
  readonly #pieces = new Map<number, CheckedReader>();
  readonly #followed = new Budget("clusters of files and folders", MAX_FOLLOWED);

  constructor(source: ByteSource, boot: BootSector) {
    this.#source = source;
    this.#boot = boot;
  }

  /**
   * The runs of a chain, up to `wanted` clusters. @throws FILESYSTEM_DAMAGED for a circle or a cluster that is none;
   * BUDGET_EXCEEDED
   */
  runs(first: number, wanted: number): Run[] {
    const { clusterSize, dataOffset } = this.#boot;
    const budget = extentBudget();
    const runs: Run[] = [];
    let run = { logical: 0, first, count: 0 };
    const finish = () => {
      budget.spend();
      runs.push({ logical: run.logical, offset: dataOffset + (run.first - 2) * clusterSize, count: run.count });
    };
    for (const cluster of this.#chain(first, wanted)) {
      if (cluster !== run.first + run.count) {
        finish();
        run = { logical: run.logical + run.count, first: cluster, count: 0 };
      }
      run.count += 1;
    }
    if (run.count > 0) finish();
    return runs;
  }

  *#chain(first: number, wanted: number): Generator<number> {
    // Brent's way to find a circle: compare with a cluster that is moved ahead at each power of two.
    let anchor = first;
    let steps = 0;
    let power = 1;
    let cluster: number | null = first;
    for (let left = wanted; left > 0; left--) {
      if (cluster === null) return;
      if (cluster < 2 || cluster > this.#boot.clusterCount + 1) {
        throw damaged(`cluster ${cluster} of ${this.#boot.clusterCount} is named`);
      }
      this.#followed.spend();
      yield cluster;
      cluster = left === 1 ? null : this.#next(cluster);
      if (cluster === anchor) throw damaged(`its clusters are chained in a circle (at ${cluster})`);
      steps += 1;
      if (steps === power && cluster !== null) {
        anchor = cluster;
        power *= 2;
        steps = 0;
      }
    }
  }

  /** null behind the last one. */
  #next(cluster: number): number | null {
    const { bits } = this.#boot;
    if (bits === 32) {
      const value = this.#u16(cluster * 4) + (this.#u16(cluster * 4 + 2) & 0x0fff) * 0x10000;
      return value >= 0x0ffffff8 ? null : value;
    }
    if (bits === 16) {
      const value = this.#u16(cluster * 2);
      return value >= 0xfff8 ? null : value;
    }
    const at = cluster + (cluster >> 1);
    const pair = this.#u8(at) + this.#u8(at + 1) * 0x100;
    const value = (cluster & 1) === 1 ? pair >> 4 : pair & 0xfff;
    return value >= 0xff8 ? null : value;
  }

  #u16(at: number): number {
    return this.#piece(Math.floor(at / PIECE)).u16le(at % PIECE, "entry");
  }

  #u8(at: number): number {
    return this.#piece(Math.floor(at / PIECE)).u8(at % PIECE, "entry");
  }

  #piece(number: number): CheckedReader {
    const known = this.#pieces.get(number);
    if (known !== undefined) return known;
    const { tableOffset, tableSize } = this.#boot;
    const length = Math.min(PIECE, tableSize - number * PIECE);
    if (length <= 0) throw damaged("its table is too short");
    const piece = new CheckedReader(this.#source.read(tableOffset + number * PIECE, length), "FAT table");
    for (const oldest of this.#pieces.keys()) {
      if (this.#pieces.size < REMEMBERED) break;
      this.#pieces.delete(oldest);
    }
    this.#pieces.set(number, piece);
    return piece;
  }
}
