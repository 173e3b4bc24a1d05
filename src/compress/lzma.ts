/**
 * `.lzma` files ("LZMA alone"): a header of thirteen bytes, then one LZMA stream. The format has no checksum: what is
 * damaged is only noticed where it contradicts itself.
 *
 * LZMA specification (Igor Pavlov, public domain), "The .lzma file format".
 */
import type { ByteInput } from "./byte-input.ts";
import { cutOff, damaged, growsPast, unsupported } from "./damage.ts";
import { LzmaDecoder, lzmaProperties } from "./lzma-decoder.ts";
import { PADDING, RangeDecoder } from "./range-decoder.ts";

export const LZMA_HEADER_SIZE = 13;

/** As `xz -9` uses twice over, and as recent kernels are packed with. */
export const LARGEST_DICTIONARY = 128 * 1024 * 1024;
/** Bytes that come out at a time. */
export const CHUNK_SIZE = 64 * 1024;

const INPUT_SIZE = 64 * 1024;
const UNKNOWN = 0xffff_ffff;

/** By plausible values, for want of a magic: what `lzma`, `xz --format=lzma` and 7-zip write. */
export function looksLikeLzma(head: Uint8Array): boolean {
  if (head.length < LZMA_HEADER_SIZE + 1) return false;
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const dictionary = view.getUint32(1, true);
  const low = view.getUint32(5, true);
  const high = view.getUint32(9, true);
  const properties = lzmaProperties(view.getUint8(0));
  if (properties === null || properties.literalContext + properties.literalPosition > 4) return false;
  const isUsualSize = isPowerOfTwo(dictionary) || isPowerOfTwo(dictionary / 3);
  const isSizeKnown = high < 64;
  const isSizeUnknown = high === UNKNOWN && low === UNKNOWN;
  // The range coder's first byte is zero.
  return dictionary >= 4096 && isUsualSize && (isSizeKnown || isSizeUnknown) && head[LZMA_HEADER_SIZE] === 0;
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value));
}

/** @throws GuestbootError DATA_DAMAGED, FEATURE_UNSUPPORTED, BUDGET_EXCEEDED */
export function* expandLzma(input: ByteInput, maximumBytes: number): Generator<Uint8Array, void> {
  const { format } = input;
  const properties = lzmaProperties(input.u8());
  if (properties === null) throw damaged(format, "impossible properties");
  const dictionary = input.u32le();
  const low = input.u32le();
  const high = input.u32le();
  const isKnown = low !== UNKNOWN || high !== UNKNOWN;
  const size = isKnown ? high * 0x1_0000_0000 + low : Infinity;
  if (isKnown && size > maximumBytes) throw growsPast(format, maximumBytes);
  const needed = Math.min(Math.max(dictionary, 4096), isKnown ? size : maximumBytes);
  if (needed > LARGEST_DICTIONARY) throw unsupported(format, `need a dictionary of ${needed} bytes`);
  const decoder = new LzmaDecoder(needed, format);
  decoder.setProperties(properties);
  decoder.resetState();
  const feed = new Feed(input);
  if (!feed.coder.start()) throw damaged(format, "the range coder's first byte is not zero");

  let done = 0;
  while (done < size) {
    const from = decoder.at;
    const limit = Math.min(decoder.window.length, from + CHUNK_SIZE, from + Math.min(size, maximumBytes + 1) - done);
    const stop = decoder.decode(feed.coder, limit);
    if (feed.coder.isPastEnd) throw cutOff(format);
    done += decoder.at - from;
    if (done > maximumBytes) throw growsPast(format, maximumBytes);
    if (decoder.at > from) yield decoder.window.slice(from, decoder.at);
    decoder.startOver();
    if (stop === "hungry") feed.more();
    if (stop === "marker") {
      if (isKnown) throw damaged(format, "they end before the size that they announce");
      feed.finish();
      return;
    }
  }
  // A marker is allowed after a known size; without one, the encoder has emptied itself.
  feed.coder.normalize();
  if (decoder.isInMatch || !feed.coder.isFinished) {
    feed.more();
    if (decoder.decode(feed.coder, decoder.at + 1) !== "marker") throw damaged(format, "they go on past their size");
  }
  feed.finish();
}

/** Carries bytes from the input to the range decoder, and gives back those that it did not need. */
class Feed {
  readonly coder = new RangeDecoder();
  readonly #input: ByteInput;
  readonly #buffer = new Uint8Array(INPUT_SIZE + PADDING);

  constructor(input: ByteInput) {
    this.#input = input;
    this.#hand();
  }

  more(): void {
    this.#input.skip(this.coder.next);
    this.#hand();
  }

  /** After the stream's last symbol. */
  finish(): void {
    const { coder } = this;
    coder.normalize();
    if (coder.isPastEnd) throw cutOff(this.#input.format);
    if (!coder.isFinished) throw damaged(this.#input.format, "the range coder does not end in zero");
    this.#input.skip(coder.next);
  }

  #hand(): void {
    const bytes = this.#input.peek(INPUT_SIZE);
    this.#buffer.set(bytes);
    this.#buffer.fill(0, bytes.length, bytes.length + PADDING);
    this.coder.refill(this.#buffer, 0, bytes.length, bytes.length === this.#input.left);
  }
}
