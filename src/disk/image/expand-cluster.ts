/**
 * One compressed cluster of a QCOW2 image. What comes behind it in its last sector belongs to its neighbours.
 */
import { CheckedReader } from "../../base/checked-reader.ts";
import { GuestbootError, systemReason } from "../../base/errors.ts";
import type { ClusterCompression } from "./qcow2-header.ts";

/** @throws DATA_DAMAGED unless exactly `size` bytes come out */
export function expandCluster(bytes: Uint8Array, compression: ClusterCompression, size: number): Uint8Array {
  // Not imported: a start from a raw disk has no use for it.
  const zlib = process.getBuiltinModule("node:zlib");
  const expand =
    compression === "deflate"
      ? () => zlib.inflateRawSync(bytes, { maxOutputLength: size })
      : () => zlib.zstdDecompressSync(bytes.subarray(0, zstdFrameLength(bytes)), { maxOutputLength: size });
  const expanded = expanding(expand);
  if (expanded.length !== size) throw damaged(`it has ${expanded.length} bytes of ${size}`);
  return expanded;
}

function expanding(work: () => Uint8Array): Uint8Array {
  try {
    return work();
  } catch (error) {
    throw error instanceof GuestbootError ? error : damaged(systemReason(error), error);
  }
}

const ZSTD_MAGIC = 0xfd2fb528;
const BLOCK_HEADER = 3;
const BLOCK_RLE = 1;

/** Where the first frame ends (RFC 8878, section 3.1.1): the decoder would take the next cluster for a second one. */
function zstdFrameLength(bytes: Uint8Array): number {
  const reader = new CheckedReader(bytes, "zstd frame");
  if (reader.u32le(0, "magic") !== ZSTD_MAGIC) throw damaged("it is no zstd frame");
  const descriptor = reader.u8(4, "frame header descriptor");
  const isSingle = (descriptor & 0x20) !== 0;
  const dictionary = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const contentSize = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  let at = 5 + (isSingle ? 0 : 1) + dictionary + contentSize;
  for (let isLast = false; !isLast;) {
    const header = reader.u16le(at, "block header") | (reader.u8(at + 2, "block header") << 16);
    isLast = (header & 1) !== 0;
    const stored = ((header >> 1) & 3) === BLOCK_RLE ? 1 : header >> 3;
    at += BLOCK_HEADER + stored;
  }
  return at + ((descriptor & 4) === 0 ? 0 : 4);
}

function damaged(how: string, cause?: unknown): GuestbootError {
  return new GuestbootError("DATA_DAMAGED", `a compressed cluster of the QCOW2 image is damaged: ${how}`, { cause });
}
