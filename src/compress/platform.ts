/**
 * What the platform expands: deflate and zstd, as streams and at once.
 *
 * The platform's module is loaded at the first use only: a boot from a plain disk needs none of it.
 */
import type { Readable } from "node:stream";
import type { ByteSource } from "../base/byte-source.ts";
import { GuestbootError, isSystemError } from "../base/errors.ts";
import { ByteInput } from "./byte-input.ts";
import { cutOff, damaged, growsPast, unsupported } from "./damage.ts";
import { checkGzipTrailer, readGzipHeader } from "./gzip.ts";
import { findZstdFrame } from "./zstd.ts";

const PIECE_SIZE = 128 * 1024;
const OUTPUT_SIZE = 128 * 1024;

/** @returns the member's length in bytes */
export async function* expandGzip(
  source: ByteSource,
  offset: number,
  maximumBytes: number,
): AsyncGenerator<Uint8Array, number> {
  const zlib = process.getBuiltinModule("node:zlib");
  const header = new ByteInput(source, offset, "gzip");
  readGzipHeader(header);
  const start = offset + header.taken;
  const inflate = zlib.createInflateRaw({ chunkSize: OUTPUT_SIZE });
  let crc = 0;
  const size = yield* bounded("gzip", maximumBytes, through(piecesOf(source, start, source.size), inflate, "gzip"), {
    seen(chunk) {
      crc = zlib.crc32(chunk, crc);
    },
  });
  const end = start + inflate.bytesWritten;
  const trailer = new ByteInput(source, end, "gzip");
  checkGzipTrailer(trailer, crc, size);
  return end + trailer.taken - offset;
}

/** @returns the frame's length in bytes, skippable frames before it included */
export async function* expandZstd(
  source: ByteSource,
  offset: number,
  maximumBytes: number,
): AsyncGenerator<Uint8Array, number> {
  const frame = findZstdFrame(source, offset);
  const zlib = process.getBuiltinModule("node:zlib");
  const expander = zlib.createZstdDecompress({ chunkSize: OUTPUT_SIZE });
  const pieces = piecesOf(source, offset + frame.start, offset + frame.end);
  yield* bounded("zstd", maximumBytes, through(pieces, expander, "zstd"), {});
  return frame.end;
}

async function* bounded(
  format: string,
  maximumBytes: number,
  chunks: AsyncIterable<Uint8Array>,
  { seen }: { readonly seen?: (chunk: Uint8Array) => void },
): AsyncGenerator<Uint8Array, number> {
  let done = 0;
  for await (const chunk of chunks) {
    done += chunk.length;
    if (done > maximumBytes) throw growsPast(format, maximumBytes);
    seen?.(chunk);
    yield chunk;
  }
  return done;
}

/** Each piece takes the place of the one before it: memory that is dropped is given back late. */
function* piecesOf(source: ByteSource, start: number, end: number): Generator<Uint8Array> {
  const piece = new Uint8Array(Math.min(PIECE_SIZE, end - start));
  for (let at = start; at < end; at += PIECE_SIZE) yield source.read(at, Math.min(PIECE_SIZE, end - at), piece);
}

async function* through(
  pieces: Iterable<Uint8Array>,
  expander: Readable & NodeJS.WritableStream,
  format: string,
): AsyncGenerator<Uint8Array, void> {
  void feed(pieces, expander);
  try {
    const chunks: AsyncIterable<Uint8Array> = expander;
    for await (const chunk of chunks) yield chunk;
  } catch (error) {
    throw platformError(error, format);
  } finally {
    // Ends the feeding too, where the data have ended before the input.
    expander.destroy();
  }
}

/** Gives the next piece only when the one before is used up. */
async function feed(pieces: Iterable<Uint8Array>, expander: Readable & NodeJS.WritableStream): Promise<void> {
  try {
    for (const piece of pieces) {
      const { promise, resolve } = Promise.withResolvers<boolean>();
      expander.write(piece, (error) => resolve(error === null || error === undefined));
      // What went wrong is told to those who read.
      if (!(await promise)) return;
    }
    expander.end();
  } catch (error) {
    expander.destroy(error instanceof Error ? error : new Error(String(error)));
  }
}

/** All of a gzip member at once. @param maximumBytes that may come out */
export function gunzipAtOnce(source: ByteSource, maximumBytes: number): Uint8Array {
  const zlib = process.getBuiltinModule("node:zlib");
  const header = new ByteInput(source, 0, "gzip");
  readGzipHeader(header);
  const packed = source.read(header.taken, source.size - header.taken);
  const { buffer, engine } = atOnce("gzip", maximumBytes, () => {
    const options = { maxOutputLength: Math.max(maximumBytes, 1), info: true };
    const result: unknown = zlib.inflateRawSync(packed, options);
    return inflated(result);
  });
  const trailer = new ByteInput(source, header.taken + engine.bytesWritten, "gzip");
  checkGzipTrailer(trailer, zlib.crc32(buffer), buffer.length);
  return buffer;
}

/** The types know nothing of the option `info`. */
function inflated(result: unknown): { buffer: Uint8Array; engine: { bytesWritten: number } } {
  if (typeof result === "object" && result !== null && "buffer" in result && "engine" in result) {
    const { buffer, engine } = result;
    if (buffer instanceof Uint8Array && typeof engine === "object" && engine !== null && "bytesWritten" in engine) {
      const { bytesWritten } = engine;
      if (typeof bytesWritten === "number") return { buffer, engine: { bytesWritten } };
    }
  }
  throw new GuestbootError("INTERNAL", "zlib gave something unexpected");
}

/** A zlib stream (RFC 1950), as filesystems hold. */
export function inflateAtOnce(bytes: Uint8Array, maximumBytes: number): Uint8Array {
  const zlib = process.getBuiltinModule("node:zlib");
  return atOnce("zlib", maximumBytes, () => zlib.inflateSync(bytes, { maxOutputLength: Math.max(maximumBytes, 1) }));
}

/** One zstd frame; bytes after it are not looked at. */
export function zstdAtOnce(source: ByteSource, maximumBytes: number): Uint8Array {
  const zlib = process.getBuiltinModule("node:zlib");
  const { start, end } = findZstdFrame(source, 0);
  const options = { maxOutputLength: Math.max(maximumBytes, 1) };
  return atOnce("zstd", maximumBytes, () => zlib.zstdDecompressSync(source.read(start, end - start), options));
}

function atOnce<T>(format: string, maximumBytes: number, expand: () => T): T {
  try {
    return expand();
  } catch (error) {
    if (isSystemError(error, "ERR_BUFFER_TOO_LARGE")) throw growsPast(format, maximumBytes);
    throw platformError(error, format);
  }
}

/** The words of zlib and zstd as ours. */
function platformError(error: unknown, format: string): unknown {
  if (!isSystemError(error)) return error;
  const code = error.code ?? "";
  if (code === "Z_BUF_ERROR") return cutOff(format);
  if (code === "Z_NEED_DICT") return unsupported(format, "need a dictionary");
  if (/^Z_|^ZSTD_/.test(code)) return damaged(format, error.message.toLowerCase());
  return error;
}
