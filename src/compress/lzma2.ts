/**
 * LZMA2: LZMA in chunks with sizes, resets between them, and chunks that are stored as they are. The filter of `.xz`.
 *
 * The .xz File Format 1.2, section 5.3.1; the chunks as xz's own documentation of LZMA2 describes them (public domain).
 */
import type { ByteInput } from "./byte-input.ts";
import { damaged, unsupported } from "./damage.ts";
import { CHUNK_SIZE, LARGEST_DICTIONARY } from "./lzma.ts";
import { LzmaDecoder, lzmaProperties } from "./lzma-decoder.ts";
import { PADDING, RangeDecoder } from "./range-decoder.ts";

const END = 0;
const STORED_AND_RESET = 1;
const STORED = 2;
/** From these on: LZMA, and with a new state, new properties, a new dictionary as well. */
const LZMA = 0x80;
const NEW_STATE = 0xa0;
const NEW_PROPERTIES = 0xc0;
const NEW_DICTIONARY = 0xe0;

const LARGEST_PACKED = 0x1_0000;

/** The size in bytes that the filter's one byte of properties stands for, or null where it stands for none. */
export function dictionarySize(bits: number): number | null {
  if (bits > 40) return null;
  return bits === 40 ? 0xffff_ffff : (2 | (bits & 1)) * 2 ** (Math.floor(bits / 2) + 11);
}

/** What the blocks of one stream use in turn: a hostile stream may have a million of them, each with a large window. */
export interface Lzma2Room {
  readonly packed: Uint8Array;
  decoder: LzmaDecoder | null;
}

export function makeLzma2Room(): Lzma2Room {
  return { packed: new Uint8Array(LARGEST_PACKED + PADDING), decoder: null };
}

/**
 * Yields views of the window, each good until the next is asked for.
 * @param mostBytes more than this cannot come out, so the window need not be larger
 */
export function* expandLzma2(
  input: ByteInput,
  dictionary: number,
  mostBytes: number,
  room: Lzma2Room,
): Generator<Uint8Array, void> {
  const { format } = input;
  const windowSize = Math.max(Math.min(dictionary, mostBytes), CHUNK_SIZE);
  if (windowSize > LARGEST_DICTIONARY) throw unsupported(format, `need a dictionary of ${windowSize} bytes`);
  const { packed } = room;
  const decoder = decoderFor(room, windowSize, format);
  const coder = new RangeDecoder();
  // What must come before anything else can be understood.
  let needs: typeof NEW_DICTIONARY | typeof NEW_PROPERTIES | typeof NEW_STATE | typeof LZMA = NEW_DICTIONARY;
  for (;;) {
    const control = input.u8();
    if (control === END) return;
    if (control < LZMA) {
      if (control > STORED) throw damaged(format, "an unknown kind of LZMA2 chunk");
      if (control === STORED_AND_RESET) decoder.forgetWindow();
      else if (needs === NEW_DICTIONARY) throw damaged(format, "no dictionary reset at the beginning");
      if (needs === NEW_DICTIONARY) needs = NEW_PROPERTIES;
      yield* stored(input, decoder, input.u16be() + 1);
      continue;
    }
    if (control < needs) throw damaged(format, "an LZMA2 chunk builds on what is not there");
    const size = (control & 0x1f) * 0x1_0000 + input.u16be() + 1;
    const packedSize = input.u16be() + 1;
    if (control >= NEW_DICTIONARY) decoder.forgetWindow();
    if (control >= NEW_PROPERTIES) {
      const properties = lzmaProperties(input.u8());
      if (properties === null || properties.literalContext + properties.literalPosition > 4) {
        throw damaged(format, "impossible properties");
      }
      decoder.setProperties(properties);
    }
    if (control >= NEW_STATE) decoder.resetState();
    needs = LZMA;
    packed.set(input.bytes(packedSize));
    packed.fill(0, packedSize, packedSize + PADDING);
    coder.refill(packed, 0, packedSize, true);
    if (!coder.start()) throw damaged(format, "the range coder's first byte is not zero");
    for (let left = size; left > 0;) {
      decoder.startOver();
      const from = decoder.at;
      const limit = Math.min(decoder.window.length, from + Math.min(left, CHUNK_SIZE));
      if (decoder.decode(coder, limit) === "marker") throw damaged(format, "an end marker where none is allowed");
      if (coder.isPastEnd) throw damaged(format, "an LZMA2 chunk is shorter than it says");
      left -= decoder.at - from;
      yield decoder.window.subarray(from, decoder.at);
    }
    coder.normalize();
    if (decoder.isInMatch || coder.next !== packedSize || !coder.isFinished) {
      throw damaged(format, "an LZMA2 chunk does not end where it says");
    }
  }
}

/** A window that is larger than asked for serves as well. */
function decoderFor(room: Lzma2Room, windowSize: number, format: string): LzmaDecoder {
  if (room.decoder === null || room.decoder.window.length < windowSize) {
    room.decoder = new LzmaDecoder(windowSize, format);
  }
  return room.decoder;
}

function* stored(input: ByteInput, decoder: LzmaDecoder, size: number): Generator<Uint8Array, void> {
  for (let left = size; left > 0;) {
    decoder.startOver();
    const from = decoder.at;
    const count = Math.min(left, decoder.window.length - from);
    decoder.store(input.bytes(count));
    left -= count;
    yield decoder.window.subarray(from, decoder.at);
  }
}
