/**
 * Compressed kernels: by which means, and what is inside where the platform can tell.
 */
export type Compression = "gzip" | "bzip2" | "lzma" | "xz" | "lzo" | "lz4" | "zstd";

/** How much of the file there is to look at. */
export interface KernelBytes {
  /** From the file's start. */
  readonly bytes: Uint8Array;
  /** These are all of the file's bytes. */
  readonly isWhole: boolean;
}

/** The first bytes of each (Documentation/arch/x86/boot.rst, payload_offset). */
const MAGIC: Readonly<Record<Compression, readonly number[]>> = {
  gzip: [0x1f, 0x8b],
  bzip2: [0x42, 0x5a, 0x68],
  lzma: [0x5d, 0x00],
  xz: [0xfd, 0x37, 0x7a, 0x58, 0x5a],
  lzo: [0x89, 0x4c, 0x5a, 0x4f],
  lz4: [0x02, 0x21, 0x4c],
  zstd: [0x28, 0xb5, 0x2f, 0xfd],
};

/** A kernel with all its debug symbols stays below; what expands to more is none, or means harm. */
const MOST_EXPANDED = 128 * 1024 * 1024;

export function compressionOf(bytes: Uint8Array): Compression | null {
  const found = compressions.find((each) => MAGIC[each].every((byte, index) => bytes[index] === byte));
  return found ?? null;
}

const compressions: readonly Compression[] = ["gzip", "bzip2", "lzma", "xz", "lzo", "lz4", "zstd"];

/** Can `expand` look inside? */
export function isReadable(compression: Compression): compression is "gzip" | "zstd" {
  return compression === "gzip" || compression === "zstd";
}

/**
 * What is inside: all of it, or as much as the bytes at hand give. null where that is nothing.
 * @param bytes begin with the compression's magic; more may follow after its end
 */
export function expand(
  bytes: Uint8Array,
  compression: Compression,
  { isWhole }: { readonly isWhole: boolean },
): KernelBytes | null {
  if (!isReadable(compression)) return null;
  const zlib = process.getBuiltinModule("node:zlib");
  const { Z_SYNC_FLUSH } = zlib.constants;
  try {
    // Flushing instead of finishing: what is cut off gives what there is of it.
    const expanded =
      compression === "gzip"
        ? zlib.gunzipSync(bytes, { finishFlush: Z_SYNC_FLUSH, maxOutputLength: MOST_EXPANDED })
        : zlib.zstdDecompressSync(bytes, {
            finishFlush: zlib.constants.ZSTD_e_flush,
            maxOutputLength: MOST_EXPANDED,
          });
    return expanded.length === 0 ? null : { bytes: expanded, isWhole };
  } catch {
    // Damaged, or larger than anything real: the caller says what that means.
    return null;
  }
}
