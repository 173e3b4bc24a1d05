/**
 * Compressed data of bounded size, expanded at once: blocks as filesystems hold them, and members that lie in memory.
 */
import { checkRange, type ByteSource } from "../base/byte-source.ts";
import { GuestbootError } from "../base/errors.ts";
import { ByteInput } from "./byte-input.ts";
import type { Compression } from "./compression.ts";
import { growsPast } from "./damage.ts";
import { expandLz4Block } from "./lz4-block.ts";
import { expandLzo1x } from "./lzo1x.ts";
import { EXPANDERS, type OwnCompression } from "./own.ts";
import { gunzipAtOnce, inflateAtOnce, zstdAtOnce } from "./platform.ts";

/** `zlib`: with zlib's header (RFC 1950). `lzma`: with the header of `.lzma`. `lzo1x`, `lz4-block`: without any. */
export type BlockFormat = "zlib" | "xz" | "lzma" | "lzo1x" | "lz4-block" | "zstd";

/**
 * Bytes behind the block's end are allowed only where the format marks its end (zlib, xz, lzma, zstd).
 * @throws GuestbootError DATA_DAMAGED, FEATURE_UNSUPPORTED, BUDGET_EXCEEDED when more than `maximumBytes` would come out
 */
export function expandBlock(bytes: Uint8Array, format: BlockFormat, maximumBytes: number): Uint8Array {
  switch (format) {
    case "zlib":
      return inflateAtOnce(bytes, maximumBytes);
    case "xz":
    case "lzma":
    case "zstd":
      return expandAtOnce(bytes, format, maximumBytes);
    case "lzo1x":
    case "lz4-block": {
      const target = new Uint8Array(maximumBytes);
      const end = format === "lzo1x" ? expandLzo1x(bytes, target) : expandLz4Block(bytes, target, 0, maximumBytes);
      if (end === null) throw growsPast(format, maximumBytes);
      return target.subarray(0, end);
    }
  }
}

/**
 * The member at the beginning of `bytes`; what follows it is not looked at.
 * @throws GuestbootError as `expandBlock`
 */
export function expandAtOnce(bytes: Uint8Array, compression: Compression, maximumBytes: number): Uint8Array {
  const source = viewSource(bytes);
  if (compression === "gzip") return gunzipAtOnce(source, maximumBytes);
  if (compression === "zstd") return zstdAtOnce(source, maximumBytes);
  return joined([...expandInMemory(source, compression, maximumBytes)]);
}

/**
 * The first `length` bytes of what is inside, or as many as `bytes`, which may be cut off, give. Our own formats only.
 */
export function expandBeginning(bytes: Uint8Array, compression: OwnCompression, length: number): Uint8Array {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for (const chunk of expandInMemory(viewSource(bytes), compression, Infinity)) {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= length) break;
    }
  } catch (error) {
    if (!(error instanceof GuestbootError)) throw error;
    // What came before the damage is what there is.
  }
  return joined(chunks).subarray(0, length);
}

function expandInMemory(source: ByteSource, compression: OwnCompression, maximumBytes: number): Generator<Uint8Array> {
  return EXPANDERS[compression](new ByteInput(source, 0, compression), maximumBytes);
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const [first, second] = chunks;
  if (first !== undefined && second === undefined) return first;
  const whole = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/** Without copying: the decompressors change nothing in what they read. */
function viewSource(bytes: Uint8Array): ByteSource {
  const size = bytes.length;
  return {
    size,
    read(offset, length, into) {
      checkRange(offset, length, size, "compressed data");
      const view = bytes.subarray(offset, offset + length);
      if (into === undefined) return view;
      into.set(view);
      return into.subarray(0, length);
    },
  };
}
