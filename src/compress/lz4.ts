/**
 * LZ4 streams: the legacy frame, which kernels and their initrds use, and the frame of today.
 *
 * LZ4 Frame Format Description (Yann Collet), doc/lz4_Frame_format.md of lz4, "Legacy frame" among them. Not here:
 * frames that need a dictionary of their own.
 */
import type { ByteInput } from "./byte-input.ts";
import { cutOff, damaged, growsPast, unsupported } from "./damage.ts";
import { expandLz4Block } from "./lz4-block.ts";
import { Xxh32, xxh32 } from "./xxh32.ts";

const LEGACY_MAGIC = 0x184c_2102;
const FRAME_MAGIC = 0x184d_2204;
/** A legacy block but the last expands to just this. */
const LEGACY_BLOCK = 8 * 1024 * 1024;
/** What a block of that size can take packed (LZ4_compressBound): a larger number is no block's size. */
const MOST_PACKED = LEGACY_BLOCK + Math.floor(LEGACY_BLOCK / 255) + 16;
const HISTORY = 64 * 1024;
const PIECE_SIZE = 256 * 1024;

/** @throws GuestbootError DATA_DAMAGED, FEATURE_UNSUPPORTED, BUDGET_EXCEEDED */
export function* expandLz4(input: ByteInput, maximumBytes: number): Generator<Uint8Array, void> {
  const magic = input.u32le();
  if (magic === LEGACY_MAGIC) yield* expandLegacy(input, maximumBytes);
  else if (magic === FRAME_MAGIC) yield* expandFrame(input, maximumBytes);
  else throw damaged(input.format, "no magic");
}

/** It has no mark at its end: what cannot be a block's size is not part of it any more, and a short block is its last. */
function* expandLegacy(input: ByteInput, maximumBytes: number): Generator<Uint8Array, void> {
  const target = new Uint8Array(Math.min(LEGACY_BLOCK, maximumBytes));
  let done = 0;
  for (;;) {
    const size = sizeAhead(input);
    if (size === 0 || size > MOST_PACKED) return;
    input.skip(4);
    const end = expandLz4Block(input.bytes(size), target, 0, Math.min(target.length, maximumBytes - done));
    if (end === null) {
      if (maximumBytes - done < LEGACY_BLOCK) throw growsPast(input.format, maximumBytes);
      throw damaged(input.format, "a block is larger than 8 MiB");
    }
    done += end;
    // In pieces, so that a slow reader holds no more than one of them beside the block.
    for (let at = 0; at < end; at += PIECE_SIZE) yield target.slice(at, Math.min(at + PIECE_SIZE, end));
    if (end < LEGACY_BLOCK) return;
  }
}

/** Zero when there are not enough bytes for a size. */
function sizeAhead(input: ByteInput): number {
  const [a = 0, b = 0, c = 0, d = 0] = input.left < 4 ? [] : input.peek(4);
  return a + b * 0x100 + c * 0x1_0000 + d * 0x100_0000;
}

interface FrameHeader {
  readonly areBlocksLinked: boolean;
  readonly hasBlockChecksums: boolean;
  readonly hasChecksum: boolean;
  readonly contentSize: number | null;
  readonly blockSize: number;
}

function* expandFrame(input: ByteInput, maximumBytes: number): Generator<Uint8Array, void> {
  const { format } = input;
  const header = readFrameHeader(input);
  if (header.contentSize !== null && header.contentSize > maximumBytes) throw growsPast(format, maximumBytes);
  const target = new Uint8Array(HISTORY + header.blockSize);
  const checksum = new Xxh32();
  let history = 0;
  let done = 0;
  for (;;) {
    const field = input.u32le();
    if (field === 0) break;
    const isStored = field >= 0x8000_0000;
    const size = isStored ? field - 0x8000_0000 : field;
    if (size > header.blockSize) throw damaged(format, "a block is larger than the frame allows");
    const packed = input.bytes(size);
    const most = history + Math.min(header.blockSize, maximumBytes - done);
    let end: number | null = isStored && history + size <= most ? history + size : null;
    if (isStored) target.set(packed, history);
    else end = expandLz4Block(packed, target, history, most);
    const packedHash = header.hasBlockChecksums ? xxh32(packed) : 0;
    if (header.hasBlockChecksums && input.u32le() !== packedHash) throw damaged(format, "a block's checksum is wrong");
    if (end === null) {
      if (maximumBytes - done < header.blockSize) throw growsPast(format, maximumBytes);
      throw damaged(format, "a block is larger than the frame allows");
    }
    const chunk = target.slice(history, end);
    done += chunk.length;
    checksum.update(chunk);
    yield chunk;
    history = header.areBlocksLinked ? Math.min(end, HISTORY) : 0;
    target.copyWithin(0, end - history, end);
  }
  if (header.hasChecksum && input.u32le() !== checksum.digest()) throw damaged(format, "the checksum is wrong");
  if (header.contentSize !== null && header.contentSize !== done) throw damaged(format, "the size is another");
}

function readFrameHeader(input: ByteInput): FrameHeader {
  const { format } = input;
  const [flags, sizes] = input.peek(2);
  if (flags === undefined || sizes === undefined) throw cutOff(format);
  if (flags >>> 6 !== 1 || (flags & 2) !== 0 || (sizes & 0x8f) !== 0) throw unsupported(format, "use unknown flags");
  if ((flags & 1) !== 0) throw unsupported(format, "need a dictionary");
  const hasSize = (flags & 8) !== 0;
  const fields = new Uint8Array(input.bytes(hasSize ? 10 : 2));
  if (input.u8() !== ((xxh32(fields) >>> 8) & 0xff)) throw damaged(format, "the header's checksum is wrong");
  const view = new DataView(fields.buffer);
  const blockBits = (sizes >>> 4) & 7;
  if (blockBits < 4) throw damaged(format, "an impossible block size");
  return {
    areBlocksLinked: (flags & 0x20) === 0,
    hasBlockChecksums: (flags & 0x10) !== 0,
    hasChecksum: (flags & 4) !== 0,
    contentSize: hasSize ? view.getUint32(2, true) + view.getUint32(6, true) * 0x1_0000_0000 : null,
    blockSize: 1 << (8 + 2 * blockBits),
  };
}
