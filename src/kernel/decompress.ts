/**
 * The ELF image inside a bzImage, in a stream: a kernel that a host's Xen can load though it cannot unpack the payload
 * (zstd, lz4 on old hosts).
 *
 * Documentation/arch/x86/boot.rst, payload_offset and payload_length. What comes out is what the kernel itself would
 * unpack: the ELF image, and after it the relocations that its build appends; loaders of ELF do not look at those.
 */
import { sliceSource, type ByteSource } from "../base/byte-source.ts";
import { GuestbootError } from "../base/errors.ts";
import {
  COMPRESSION_HEAD_SIZE,
  expandMember,
  recogniseCompression,
  type Compression,
  type ExpandLimits,
} from "../compress/compression.ts";
import { appendedSize, isBzImage, payloadRange, SETUP_HEADER_SIZE, type PayloadRange } from "./bz-image.ts";
import { isElf } from "./elf.ts";

export interface KernelPayload extends PayloadRange {
  /** null: the ELF image lies there as it is. */
  readonly compression: Compression | null;
  /** In bytes, as the build noted it behind the payload; null where it did not. */
  readonly expandedSize: number | null;
}

/**
 * @throws GuestbootError FEATURE_UNSUPPORTED when the file is no bzImage, or its payload is of no known kind;
 *   DATA_DAMAGED when it is cut off
 */
export function findPayload(source: ByteSource): KernelPayload {
  const head = source.read(0, Math.min(SETUP_HEADER_SIZE, source.size));
  if (!isBzImage(head)) throw notForUs("the file is not a Linux kernel of the kind bzImage");
  const range = payloadRange(head);
  if (range === null) throw notForUs("the kernel is older than 2.6.24 and does not say where its payload is");
  const { offset, length } = range;
  if (length > source.size - offset) {
    throw new GuestbootError("DATA_DAMAGED", "the kernel is cut off: its payload reaches past the file's end", {
      hint: "fetch or copy the file anew",
    });
  }
  const start = source.read(offset, Math.min(length, COMPRESSION_HEAD_SIZE));
  const compression = recogniseCompression(start);
  if (compression === null && !isElf(start)) throw notForUs("the kernel's payload is packed in an unknown way");
  const appended = appendedSize(compression);
  if (appended === 0 || length < appended) return { offset, length, compression, expandedSize: null };
  const size = source.read(offset + length - appended, appended);
  const expandedSize = new DataView(size.buffer, size.byteOffset, appended).getUint32(0, true);
  return { offset, length, compression, expandedSize };
}

/**
 * @param source of a bzImage
 * @throws GuestbootError as `findPayload` and `expandMember`; DATA_DAMAGED also when what comes out is no ELF image or
 *   has another size than the build noted
 */
export async function* decompressKernel(source: ByteSource, limits: ExpandLimits): AsyncGenerator<Uint8Array, void> {
  const { offset, length, compression, expandedSize } = findPayload(source);
  if (expandedSize !== null && expandedSize > limits.maximumBytes) {
    throw new GuestbootError(
      "BUDGET_EXCEEDED",
      `the kernel's payload grows past the limit: it expands to ${expandedSize} bytes`,
    );
  }
  // Without the size behind it, which an LZ4 payload could be read on into.
  const packed = sliceSource(source, offset, length - (expandedSize === null ? 0 : 4), "kernel payload");
  let done = 0;
  for await (const chunk of compression === null ? plain(packed) : expandMember(packed, 0, compression, limits)) {
    if (done === 0 && !isElf(chunk)) throw damagedKernel("what its payload holds is not an ELF image");
    done += chunk.length;
    yield chunk;
  }
  if (done === 0) throw damagedKernel("its payload is empty");
  if (expandedSize !== null && done !== expandedSize) {
    throw damagedKernel(`its payload expands to ${done} bytes in place of ${expandedSize}`);
  }
}

const PIECE_SIZE = 256 * 1024;

function* plain(source: ByteSource): Generator<Uint8Array> {
  for (let at = 0; at < source.size; at += PIECE_SIZE) yield source.read(at, Math.min(PIECE_SIZE, source.size - at));
}

function notForUs(what: string): GuestbootError {
  return new GuestbootError("FEATURE_UNSUPPORTED", `cannot decompress the kernel: ${what}`, {
    hint: "leave out --decompress-kernel: the kernel is handed on as it is",
  });
}

function damagedKernel(what: string): GuestbootError {
  return new GuestbootError("DATA_DAMAGED", `the kernel is damaged: ${what}`, { hint: "fetch or copy the file anew" });
}
