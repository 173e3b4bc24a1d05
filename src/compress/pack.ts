/**
 * Writes compressed streams that are the same on every run: gzip without time stamp and name, zstd with its checksum.
 */
import type { Readable } from "node:stream";

export type PackedCompression = "gzip" | "zstd" | "none";

/** As `gzip` and `zstd` take when they are not told. */
const USUAL_LEVEL = { gzip: 6, zstd: 3 } as const;
const OUTPUT_SIZE = 128 * 1024;

/**
 * @param level gzip: 1 to 9; zstd: 1 to 19
 * @throws what `chunks` throws
 */
export async function* compressStream(
  chunks: AsyncIterable<Uint8Array>,
  compression: PackedCompression,
  level?: number,
): AsyncGenerator<Uint8Array> {
  if (compression === "none") {
    for await (const chunk of chunks) yield chunk;
    return;
  }
  const packer = openPacker(compression, level ?? USUAL_LEVEL[compression]);
  const { Readable: ReadableStream } = process.getBuiltinModule("node:stream");
  const plain = ReadableStream.from(chunks, { objectMode: true, highWaterMark: 1 });
  plain.on("error", (error) => packer.destroy(error));
  plain.pipe(packer);
  try {
    const packed: AsyncIterable<Uint8Array> = packer;
    for await (const chunk of packed) yield chunk;
  } finally {
    plain.destroy();
    packer.destroy();
  }
}

function openPacker(compression: "gzip" | "zstd", level: number): Readable & NodeJS.WritableStream {
  const zlib = process.getBuiltinModule("node:zlib");
  if (compression === "gzip") return zlib.createGzip({ level, memLevel: 9, chunkSize: OUTPUT_SIZE });
  const { ZSTD_c_compressionLevel, ZSTD_c_checksumFlag } = zlib.constants;
  const params = { [ZSTD_c_compressionLevel]: level, [ZSTD_c_checksumFlag]: 1 };
  return zlib.createZstdCompress({ params, chunkSize: OUTPUT_SIZE });
}
