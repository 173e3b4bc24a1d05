/**
 * Disk images as inputs: only the blocks that hold something, behind a table of where they lie. A filesystem of 64 MiB
 * is some hundred KiB so, and all that a fuzzer changes is something that a reader looks at.
 *
 * The form: block size, blocks of the image, blocks in the input (32-bit words, little-endian), the number of each of
 * those, then their bytes.
 */
import { checkRange, targetOf, type ByteSource } from "../../src/base/byte-source.ts";

const WORDS_BEFORE_TABLE = 3;

export function packImage(image: Uint8Array, blockSize: number): Uint8Array {
  const count = Math.ceil(image.length / blockSize);
  const used: number[] = [];
  for (let block = 0; block < count; block++) {
    if (image.subarray(block * blockSize, (block + 1) * blockSize).some((byte) => byte !== 0)) used.push(block);
  }
  const head = Uint32Array.from([blockSize, count, used.length, ...used]);
  const packed = new Uint8Array(head.byteLength + used.length * blockSize);
  packed.set(new Uint8Array(head.buffer));
  used.forEach((block, index) => {
    packed.set(image.subarray(block * blockSize, (block + 1) * blockSize), head.byteLength + index * blockSize);
  });
  return packed;
}

export interface PackedImage {
  readonly source: ByteSource;
  readonly blockSize: number;
  /** The stored blocks with where they lie in the image, in bytes; a change of them is one of the image. */
  readonly blocks: readonly { readonly at: number; readonly bytes: Uint8Array }[];
}

/** How many bytes at the input's start are the table. */
export function tableSize(packed: Uint8Array): number {
  return 4 * (WORDS_BEFORE_TABLE + wordAt(packed, 2));
}

export function openPacked(packed: Uint8Array): PackedImage {
  const blockSize = wordAt(packed, 0);
  const count = wordAt(packed, 1);
  const start = tableSize(packed);
  const stored = new Map<number, Uint8Array>();
  for (let index = 0; index < wordAt(packed, 2); index++) {
    const from = start + index * blockSize;
    stored.set(wordAt(packed, WORDS_BEFORE_TABLE + index), packed.subarray(from, from + blockSize));
  }
  const size = count * blockSize;
  return {
    blockSize,
    blocks: [...stored].map(([block, bytes]) => ({ at: block * blockSize, bytes })),
    source: {
      size,
      read(offset, length, into) {
        checkRange(offset, length, size, "image");
        const target = targetOf(length, into).fill(0);
        for (let at = offset; at < offset + length;) {
          const within = at % blockSize;
          const step = Math.min(blockSize - within, offset + length - at);
          const block = stored.get((at - within) / blockSize);
          if (block !== undefined) target.set(block.subarray(within, within + step), at - offset);
          at += step;
        }
        return target;
      },
    },
  };
}

function wordAt(packed: Uint8Array, index: number): number {
  return new DataView(packed.buffer, packed.byteOffset).getUint32(index * 4, true);
}
