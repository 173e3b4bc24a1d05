/**
 * What a journal that was not replayed says of the filesystem's blocks: for each block that a finished transaction has
 * written, where in the journal its newest content lies. Nothing is written anywhere.
 *
 * A transaction counts when its commit block is there; at the first one that has none, or whose checksum is wrong, the
 * journal ends. Fast commits, which say what was done and not which blocks it changed, follow (fast-commit.ts).
 * Specification: https://docs.kernel.org/filesystems/ext4/journal.html
 */
import { Budget } from "../../base/budget.ts";
import { CheckedReader } from "../../base/checked-reader.ts";
import { damaged } from "./damage.ts";
import { readFastCommits, type FastChange } from "./fast-commit.ts";
import {
  BLOCK_HEADER_SIZE,
  isIntactAt,
  readBlockHeader,
  readJournalSuperblock,
  readRevoked,
  readTags,
  tailSize,
  type JournalSuperblock,
  type Tag,
} from "./journal-format.ts";

/** A block in the journal that stands for one of the filesystem. */
export interface JournalBlock {
  /** Its number in the journal. */
  readonly at: number;
  readonly tag: Tag;
  /** Its transaction. */
  readonly sequence: number;
}

export interface Replayed {
  readonly journal: JournalSuperblock;
  /** By the number of the filesystem's block. */
  readonly blocks: ReadonlyMap<number, JournalBlock>;
  readonly transactions: number;
  /** What was done since, oldest first. */
  readonly fastChanges: readonly FastChange[];
}

export interface JournalFile {
  /** Blocks. */
  readonly length: number;
  readonly blockSize: number;
  /** The filesystem's blocks. */
  readonly blockCount: number;
  /** @throws as reading the disk does */
  readonly read: (block: number) => Uint8Array;
}

const DESCRIPTOR = 1;
const COMMIT = 2;
const REVOKE = 5;

/** Blocks that are read or remembered for one journal: mke2fs makes none of more than 262,144 by itself. */
const MAX_BLOCKS = 524_288;
const MAX_REVOKED = 1_048_576;

/** @throws FILESYSTEM_DAMAGED, FEATURE_UNSUPPORTED, OUT_OF_BOUNDS, BUDGET_EXCEEDED */
export function replay(file: JournalFile): Replayed {
  const journal = readJournalSuperblock(file.read(0), file.length, file.blockSize);
  const blocks = new Map<number, JournalBlock>();
  let transactions = 0;
  let sequence = journal.sequence;
  if (journal.start !== 0) {
    const ring = new Ring(journal, file);
    for (let next = readTransaction(ring, sequence); next !== null; next = readTransaction(ring, sequence)) {
      for (const block of next.written) {
        const number = block.tag.block;
        if (number >= file.blockCount) throw damaged(`its journal writes block ${number} of ${file.blockCount}`);
        blocks.set(number, block);
      }
      for (const block of next.revoked) blocks.delete(block);
      transactions += 1;
      sequence = (sequence + 1) >>> 0;
    }
  }
  return { journal, blocks, transactions, fastChanges: fastChangesOf(journal, file, sequence) };
}

/** The ring, read forward, at most once round. */
class Ring {
  readonly journal: JournalSuperblock;
  readonly file: JournalFile;
  #at: number;
  #left: number;
  readonly revoked = new Budget("revoked blocks in a journal", MAX_REVOKED);
  readonly #budget = new Budget("blocks of a journal", MAX_BLOCKS);

  constructor(journal: JournalSuperblock, file: JournalFile) {
    this.journal = journal;
    this.file = file;
    this.#at = journal.start;
    this.#left = journal.end - journal.first;
  }

  /** The number of the next block, or null when all were seen. */
  next(): number | null {
    if (this.#left === 0) return null;
    this.#left -= 1;
    this.#budget.spend();
    const at = this.#at;
    this.#at = at + 1 === this.journal.end ? this.journal.first : at + 1;
    return at;
  }
}

interface Transaction {
  readonly written: readonly JournalBlock[];
  readonly revoked: readonly number[];
}

/** null where the journal ends: the block is of no transaction or another, or the transaction was not finished. */
function readTransaction(ring: Ring, sequence: number): Transaction | null {
  const { journal, file } = ring;
  const written: JournalBlock[] = [];
  const revoked: number[] = [];
  const whole = journal.checksums === 1 ? new WholeChecksum() : null;
  for (let at = ring.next(); at !== null; at = ring.next()) {
    const bytes = file.read(at);
    const block = new CheckedReader(bytes, "journal block");
    const header = readBlockHeader(block);
    if (header?.sequence !== sequence) return null;
    if (header.type === COMMIT) return isFinished(journal, bytes, whole) ? { written, revoked } : null;
    if (header.type !== DESCRIPTOR && header.type !== REVOKE) return null;
    if (tailSize(journal) > 0 && !isIntactAt(journal.checksumSeed, bytes, bytes.length - tailSize(journal)))
      return null;
    if (header.type === REVOKE) {
      const numbers = readRevoked(journal, block);
      ring.revoked.spend(numbers.length);
      revoked.push(...numbers);
      continue;
    }
    whole?.add(bytes);
    for (const tag of readTags(journal, block)) {
      const data = ring.next();
      if (data === null) return null;
      whole?.add(file.read(data));
      written.push({ at: data, tag, sequence });
    }
  }
  return null;
}

const CHECKSUM_CRC32 = 1;
const CHECKSUM_FIELD = 0x10;

function isFinished(journal: JournalSuperblock, commit: Uint8Array, whole: WholeChecksum | null): boolean {
  if (journal.checksums >= 2) return isIntactAt(journal.checksumSeed, commit, CHECKSUM_FIELD);
  if (whole === null) return true;
  const block = new CheckedReader(commit, "commit block");
  const kind = block.u8(BLOCK_HEADER_SIZE, "h_chksum_type");
  const stored = block.u32be(CHECKSUM_FIELD, "h_chksum");
  // Written before checksums were turned on: it has none.
  if (kind === 0 && stored === 0) return true;
  return kind === CHECKSUM_CRC32 && stored === whole.value;
}

/** CRC-32 over the descriptors and the data of a transaction: highest bit first, begun with ones, not inverted. */
class WholeChecksum {
  static #table: Uint32Array | null = null;
  #crc = 0xffffffff;

  add(bytes: Uint8Array): void {
    const table = (WholeChecksum.#table ??= Uint32Array.from({ length: 256 }, (_, byte) => {
      let crc = byte << 24;
      for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
      return crc >>> 0;
    }));
    let crc = this.#crc;
    for (const byte of bytes) crc = (crc << 8) ^ (table[((crc >>> 24) ^ byte) & 0xff] ?? 0);
    this.#crc = crc >>> 0;
  }

  get value(): number {
    return this.#crc;
  }
}

/** A journal that begins nowhere is not replayed, and what lies behind its ring is left from before. */
function fastChangesOf({ fastCommits, start }: JournalSuperblock, file: JournalFile, sequence: number): FastChange[] {
  if (fastCommits === null || start === 0) return [];
  return readFastCommits(
    { first: fastCommits, end: file.length, blockSize: file.blockSize, read: file.read },
    sequence,
  );
}
