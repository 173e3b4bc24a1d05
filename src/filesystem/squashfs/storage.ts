/**
 * Blocks of squashfs: those of metadata, with their length before them, and those of content, whose lengths are told
 * elsewhere. Each is expanded at once, and what was expanded last is kept.
 */
import { Budget } from "../../base/budget.ts";
import type { ByteSource } from "../../base/byte-source.ts";
import { CheckedReader } from "../../base/checked-reader.ts";
import { expandBlock } from "../../compress/block.ts";
import { ByteCache } from "../byte-cache.ts";
import { damaged } from "./damage.ts";
import { readSuperblock, type Superblock } from "./superblock.ts";

/** Bytes of metadata before a block of it is compressed. */
export const METADATA_SIZE = 8192;

export interface MetadataBlock {
  readonly bytes: Uint8Array;
  /** Where the next block begins, in bytes. */
  readonly next: number;
}

/** A block of content, as block lists and fragment tables tell of it. */
export interface StoredBlock {
  /** Bytes from the start of the filesystem. */
  readonly offset: number;
  /** Bytes on the disk. */
  readonly length: number;
  readonly isCompressed: boolean;
}

const KEPT_METADATA = 2 * 1024 ** 2;
const KEPT_CONTENT = 6 * 1024 ** 2;
/** Bytes of metadata that are expanded while one filesystem is open. A boot needs some hundred kilobytes. */
const MAX_SEARCHED = 512 * 1024 ** 2;

const UNCOMPRESSED_METADATA = 0x8000;
const UNCOMPRESSED_CONTENT = 0x1000000;

export class Storage {
  readonly source: ByteSource;
  readonly superblock: Superblock;
  readonly #metadata = new ByteCache<MetadataBlock>(KEPT_METADATA, ({ bytes }) => bytes.length);
  readonly #content = new ByteCache<{ bytes: Uint8Array; length: number }>(KEPT_CONTENT, ({ bytes }) => bytes.length);
  readonly #searched = new Budget("bytes of squashfs metadata", MAX_SEARCHED);

  /** @throws FEATURE_UNSUPPORTED, FILESYSTEM_DAMAGED */
  constructor(source: ByteSource) {
    this.source = source;
    this.superblock = readSuperblock(source);
  }

  /** The block of metadata that begins there. @throws FILESYSTEM_DAMAGED, DATA_DAMAGED, BUDGET_EXCEEDED */
  metadata(offset: number): MetadataBlock {
    return this.#metadata.get(offset, () => this.#readMetadata(offset));
  }

  /**
   * A block of content.
   * @throws FILESYSTEM_DAMAGED unless `size` bytes come out of it at least; DATA_DAMAGED
   */
  content(block: StoredBlock, size: number): Uint8Array {
    const make = () => ({ bytes: this.#readContent(block), length: block.length });
    const kept = this.#content.get(block.offset, make);
    // Two files that do not agree on how long the block is: somebody made that up.
    const { bytes } = kept.length === block.length ? kept : make();
    if (bytes.length < size) throw damaged(`a block holds ${bytes.length} bytes instead of ${size}`);
    return bytes;
  }

  /** @param word the 32 bits that tell length and compression. @throws FILESYSTEM_DAMAGED */
  storedBlock(offset: number, word: number): StoredBlock {
    const isCompressed = (word & UNCOMPRESSED_CONTENT) === 0;
    const length = (word & ~UNCOMPRESSED_CONTENT) >>> 0;
    if (length > this.superblock.blockSize) throw damaged(`a block of ${length} bytes`);
    return { offset, length, isCompressed };
  }

  #readMetadata(offset: number): MetadataBlock {
    const word = new CheckedReader(this.source.read(offset, 2), "squashfs metadata").u16le(0, "header");
    const length = word & ~UNCOMPRESSED_METADATA;
    if (length === 0 || length > METADATA_SIZE) throw damaged(`a block of metadata of ${length} bytes`);
    this.#searched.spend(METADATA_SIZE);
    const stored = this.source.read(offset + 2, length);
    const isCompressed = (word & UNCOMPRESSED_METADATA) === 0;
    const bytes = isCompressed ? expandBlock(stored, this.superblock.format, METADATA_SIZE) : stored;
    if (bytes.length === 0) throw damaged("an empty block of metadata");
    return { bytes, next: offset + 2 + length };
  }

  #readContent({ offset, length, isCompressed }: StoredBlock): Uint8Array {
    const stored = this.source.read(offset, length);
    return isCompressed ? expandBlock(stored, this.superblock.format, this.superblock.blockSize) : stored;
  }
}
