/**
 * Compressed kernels in memory: what is inside. Not here: expanding one in a stream (decompress.ts).
 */
import { GuestbootError } from "../base/errors.ts";
import { expandAtOnce, expandBeginning } from "../compress/block.ts";
import type { Compression } from "../compress/compression.ts";

/** How much of the file there is to look at. */
export interface KernelBytes {
  /** From the file's start. */
  readonly bytes: Uint8Array;
  /** These are all of the file's bytes. */
  readonly isWhole: boolean;
}

/** A kernel with all its debug symbols stays below; what expands to more is none, or means harm. */
const MOST_EXPANDED = 128 * 1024 * 1024;

/**
 * What is inside, or null where the bytes are damaged or expand to more than any kernel.
 * @param bytes begin with the compression's magic; more may follow after its end
 */
export function expandPayload(bytes: Uint8Array, compression: Compression): Uint8Array | null {
  try {
    return expandAtOnce(bytes, compression, MOST_EXPANDED);
  } catch (error) {
    if (error instanceof GuestbootError) return null;
    throw error;
  }
}

/** The first `length` bytes of what is inside, or as many as the bytes at hand give; null where those are none. */
export function expandHead(bytes: Uint8Array, compression: Compression, length: number): Uint8Array | null {
  const head =
    compression === "gzip" || compression === "zstd"
      ? flushed(bytes, compression)
      : expandBeginning(bytes, compression, length);
  return head === null || head.length === 0 ? null : head.subarray(0, length);
}

/** By flushing instead of finishing: what is cut off gives what there is of it. */
function flushed(bytes: Uint8Array, compression: "gzip" | "zstd"): Uint8Array | null {
  const zlib = process.getBuiltinModule("node:zlib");
  const { Z_SYNC_FLUSH, ZSTD_e_flush } = zlib.constants;
  try {
    return compression === "gzip"
      ? zlib.gunzipSync(bytes, { finishFlush: Z_SYNC_FLUSH, maxOutputLength: MOST_EXPANDED })
      : zlib.zstdDecompressSync(bytes, { finishFlush: ZSTD_e_flush, maxOutputLength: MOST_EXPANDED });
  } catch {
    // Damaged, or larger than anything real: the caller says what that means.
    return null;
  }
}
