/**
 * Disk images as inputs: only the blocks that hold something, behind a table of where they lie. A filesystem of 64 MiB
 * is some hundred KiB so, and all that a fuzzer changes is something that a reader looks at.
 *
 * The form: block size, blocks of the image, blocks in the input (32-bit words, little-endian), the number of each of
 * those, then their bytes.
 */
import { checkRange, memorySource, targetOf, type ByteSource } from "../../src/base/byte-source.ts";

const WORDS_BEFORE_TABLE = 3;

/** @param isWanted does a reader look at the block? What is left out reads as zeros. Default: all blocks */
export function packImage(
  image: Uint8Array,
  blockSize: number,
  isWanted: (block: number) => boolean = () => true,
): Uint8Array {
  const count = Math.ceil(image.length / blockSize);
  const used: number[] = [];
  for (let block = 0; block < count; block++) {
    const bytes = image.subarray(block * blockSize, (block + 1) * blockSize);
    if (isWanted(block) && bytes.some((byte) => byte !== 0)) used.push(block);
  }
  const head = Uint32Array.from([blockSize, count, used.length, ...used]);
  const packed = new Uint8Array(head.byteLength + used.length * blockSize);
  packed.set(new Uint8Array(head.buffer));
  used.forEach((block, index) => {
    packed.set(image.subarray(block * blockSize, (block + 1) * blockSize), head.byteLength + index * blockSize);
  });
  return packed;
}

/** The blocks of an image that `use` reads. */
export function blocksRead(image: Uint8Array, blockSize: number, use: (source: ByteSource) => void): Set<number> {
  const source = memorySource(image);
  const read = new Set<number>();
  use({
    size: source.size,
    read(offset, length, into) {
      for (let block = Math.floor(offset / blockSize); block * blockSize < offset + length; block++) read.add(block);
      return source.read(offset, length, into);
    },
  });
  return read;
}

export interface PackedBlock {
  /** Where it lies in the image, in bytes. */
  readonly at: number;
  /** A change of them is one of the image. */
  readonly bytes: Uint8Array;
}

export interface PackedImage {
  readonly source: ByteSource;
  readonly blockSize: number;
  /** All that are stored. */
  readonly blocks: () => Iterable<PackedBlock>;
  /** Those that are not as in `parent`, another image with the same table. */
  readonly changedBlocks: (parent: Uint8Array) => Iterable<PackedBlock>;
  /** The one that begins there; null where zeros are. */
  readonly blockAt: (at: number) => Uint8Array | null;
}

/** How many bytes at the input's start are the table. */
export function tableSize(packed: Uint8Array): number {
  return 4 * (WORDS_BEFORE_TABLE + new DataView(packed.buffer, packed.byteOffset).getUint32(8, true));
}

/** Takes the same time for a large image as for a small one: nothing is copied, and the table stays where it is. */
export function openPacked(packed: Uint8Array): PackedImage {
  const words = new DataView(packed.buffer, packed.byteOffset, packed.length);
  const wordAt = (index: number): number => words.getUint32(index * 4, true);
  const [blockSize, count, stored] = [wordAt(0), wordAt(1), wordAt(2)];
  const start = tableSize(packed);
  const size = count * blockSize;
  const bytesOf = (index: number): Uint8Array =>
    packed.subarray(start + index * blockSize, start + (index + 1) * blockSize);
  /** The first entry of the table that is no smaller. */
  const indexFrom = (block: number): number => {
    let [low, high] = [0, stored];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (wordAt(WORDS_BEFORE_TABLE + middle) < block) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return {
    blockSize,
    *blocks() {
      for (let index = 0; index < stored; index++) {
        yield { at: wordAt(WORDS_BEFORE_TABLE + index) * blockSize, bytes: bytesOf(index) };
      }
    },
    *changedBlocks(parent) {
      for (let index = 0; index < stored; index++) {
        const from = start + index * blockSize;
        const bytes = bytesOf(index);
        if (Buffer.compare(bytes, parent.subarray(from, from + blockSize)) === 0) continue;
        yield { at: wordAt(WORDS_BEFORE_TABLE + index) * blockSize, bytes };
      }
    },
    blockAt(at) {
      const index = indexFrom(at / blockSize);
      return index < stored && wordAt(WORDS_BEFORE_TABLE + index) * blockSize === at ? bytesOf(index) : null;
    },
    source: {
      size,
      read(offset, length, into) {
        checkRange(offset, length, size, "image");
        const target = targetOf(length, into);
        if (into !== undefined) target.fill(0);
        const end = offset + length;
        for (let index = indexFrom(Math.floor(offset / blockSize)); index < stored; index++) {
          const at = wordAt(WORDS_BEFORE_TABLE + index) * blockSize;
          if (at >= end) break;
          const from = Math.max(at, offset);
          target.set(bytesOf(index).subarray(from - at, Math.min(blockSize, end - at)), from - offset);
        }
        return target;
      },
    },
  };
}
