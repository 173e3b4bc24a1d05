/**
 * The stream compressions that initrds and kernels come in: told by their first bytes, and expanded in a stream that
 * never holds more than a window of them in memory (128 MiB at most, and no more than comes out).
 *
 * A member is one gzip member, xz or bzip2 stream, lzma file, zstd or LZ4 frame, or lzop file. What follows it is the
 * caller's: padding, another member, the size that kernels append. Not here: looking into several members.
 */
import type { ByteSource } from "../base/byte-source.ts";
import { ByteInput } from "./byte-input.ts";
import { looksLikeLzma } from "./lzma.ts";
import { EXPANDERS } from "./own.ts";
import { expandGzip, expandZstd } from "./platform.ts";

export type Compression = "gzip" | "xz" | "lzma" | "bzip2" | "lz4" | "lzo" | "zstd";

export interface ExpandLimits {
  /** The most bytes that may come out. */
  readonly maximumBytes: number;
  readonly signal?: AbortSignal | undefined;
}

/** So many bytes are enough to recognise each. */
export const COMPRESSION_HEAD_SIZE = 16;

/** lzma has no magic and comes last. */
const MAGICS: readonly (readonly [Compression, readonly number[]])[] = [
  ["gzip", [0x1f, 0x8b, 0x08]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["lz4", [0x02, 0x21, 0x4c, 0x18]],
  ["lz4", [0x04, 0x22, 0x4d, 0x18]],
  ["lzo", [0x89, 0x4c, 0x5a, 0x4f, 0x00, 0x0d, 0x0a, 0x1a, 0x0a]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
];

/** By magic; lzma, which has none, by plausible properties. @param head COMPRESSION_HEAD_SIZE bytes, if there are */
export function recogniseCompression(head: Uint8Array): Compression | null {
  const found = MAGICS.find(([, magic]) => magic.every((byte, index) => head[index] === byte));
  return found?.[0] ?? (looksLikeLzma(head) ? "lzma" : null);
}

/**
 * Streams what the compressed member at `offset` of `source` holds, in chunks that are the caller's to keep. The
 * generator's return value is the length in bytes that the member takes in `source`.
 *
 * @throws GuestbootError DATA_DAMAGED (cut off, or contradicts itself), FEATURE_UNSUPPORTED, BUDGET_EXCEEDED ("grows
 *   past the limit"), and what the source throws; the signal's reason when it is aborted
 */
export async function* expandMember(
  source: ByteSource,
  offset: number,
  compression: Compression,
  { maximumBytes, signal }: ExpandLimits,
): AsyncGenerator<Uint8Array, number> {
  const chunks = openMember(source, offset, compression, maximumBytes);
  try {
    for (;;) {
      signal?.throwIfAborted();
      const step = await chunks.next();
      if (step.done === true) return step.value;
      yield step.value;
    }
  } finally {
    // Closes the platform's streams when the caller has enough.
    await chunks.return(0);
  }
}

function openMember(
  source: ByteSource,
  offset: number,
  compression: Compression,
  maximumBytes: number,
): AsyncGenerator<Uint8Array, number> {
  if (compression === "gzip") return expandGzip(source, offset, maximumBytes);
  if (compression === "zstd") return expandZstd(source, offset, maximumBytes);
  return expandOwn(new ByteInput(source, offset, compression), compression, maximumBytes);
}

async function* expandOwn(
  input: ByteInput,
  compression: Exclude<Compression, "gzip" | "zstd">,
  maximumBytes: number,
): AsyncGenerator<Uint8Array, number> {
  for (const chunk of EXPANDERS[compression](input, maximumBytes)) {
    yield chunk;
    // Signals, timers and other transfers get their turn.
    await new Promise((resume) => setImmediate(resume));
  }
  return input.taken;
}
