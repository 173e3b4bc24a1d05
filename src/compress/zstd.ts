/**
 * How far a zstd frame reaches: its header and the headers of its blocks. The blocks themselves are the platform's.
 *
 * RFC 8878, section 3.1. Skippable frames before the frame count as part of it. Not here: frames that need a
 * dictionary, and windows over 128 MiB.
 */
import type { ByteSource } from "../base/byte-source.ts";
import { ByteInput } from "./byte-input.ts";
import { damaged, unsupported } from "./damage.ts";

const MAGIC = 0xfd2f_b528;
/** The first of sixteen. */
const SKIPPABLE_MAGIC = 0x184d_2a50;
const LARGEST_WINDOW = 128 * 1024 * 1024;
const CHECKSUM_SIZE = 4;
const RESERVED_BLOCK = 3;
const RLE_BLOCK = 1;
const DICTIONARY_SIZES = [0, 1, 2, 4] as const;
const CONTENT_SIZES = [0, 2, 4, 8] as const;

export interface ZstdFrame {
  /** Where the frame begins, in bytes after the offset: what is before it are skippable frames. */
  readonly start: number;
  /** Where it ends, in bytes after the offset. */
  readonly end: number;
}

/** @throws GuestbootError DATA_DAMAGED, FEATURE_UNSUPPORTED */
export function findZstdFrame(source: ByteSource, offset: number): ZstdFrame {
  const input = new ByteInput(source, offset, "zstd");
  let start = 0;
  for (let magic = input.u32le(); magic !== MAGIC; magic = input.u32le()) {
    if ((magic & ~0xf) !== SKIPPABLE_MAGIC) throw damaged("zstd", "no magic");
    // Eight bytes further each time at least, so this ends.
    input.skip(input.u32le());
    start = input.taken;
  }
  // Section 3.1.1.1: Frame_Header_Descriptor, Window_Descriptor, Dictionary_ID, Frame_Content_Size.
  const descriptor = input.u8();
  if ((descriptor & 8) !== 0) throw unsupported("zstd", "use unknown flags");
  const isSingleSegment = (descriptor & 0x20) !== 0;
  if (!isSingleSegment) {
    const window = input.u8();
    const base = 2 ** (10 + (window >>> 3));
    if (base + (base / 8) * (window & 7) > LARGEST_WINDOW) throw unsupported("zstd", "need a window over 128 MiB");
  }
  input.skip(DICTIONARY_SIZES[descriptor & 3] ?? 0);
  input.skip((CONTENT_SIZES[descriptor >>> 6] ?? 0) || (isSingleSegment ? 1 : 0));
  // Section 3.1.1.2: Block_Header, three bytes, so this ends too.
  for (let isLast = false; !isLast;) {
    const block = input.u8() + input.u8() * 0x100 + input.u8() * 0x1_0000;
    const kind = (block >>> 1) & 3;
    if (kind === RESERVED_BLOCK) throw damaged("zstd", "a block of an unknown kind");
    input.skip(kind === RLE_BLOCK ? 1 : block >>> 3);
    isLast = (block & 1) !== 0;
  }
  if ((descriptor & 4) !== 0) input.skip(CHECKSUM_SIZE);
  return { start, end: input.taken };
}
