/**
 * One gzip member: its header and trailer here, deflate by the platform. RFC 1952.
 */
import type { ByteInput } from "./byte-input.ts";
import { cutOff, damaged, unsupported } from "./damage.ts";

const MAGIC = 0x1f8b;
const DEFLATE = 8;
const HAS_HEADER_CRC = 2;
const HAS_EXTRA = 4;
const HAS_NAME = 8;
const HAS_COMMENT = 16;
const RESERVED = 0xe0;
export const GZIP_TRAILER_SIZE = 8;

/** Takes the header. @throws GuestbootError DATA_DAMAGED, FEATURE_UNSUPPORTED */
export function readGzipHeader(input: ByteInput): void {
  const { format } = input;
  if (input.u16be() !== MAGIC) throw damaged(format, "no magic");
  if (input.u8() !== DEFLATE) throw unsupported(format, "use another method than deflate");
  const flags = input.u8();
  if ((flags & RESERVED) !== 0) throw unsupported(format, "use unknown flags");
  // Time, level, system.
  input.skip(6);
  if ((flags & HAS_EXTRA) !== 0) input.skip(input.u8() + input.u8() * 0x100);
  if ((flags & HAS_NAME) !== 0) skipText(input);
  if ((flags & HAS_COMMENT) !== 0) skipText(input);
  if ((flags & HAS_HEADER_CRC) !== 0) input.skip(2);
}

/** @throws GuestbootError DATA_DAMAGED when they are not what came out. @param size in bytes */
export function checkGzipTrailer(input: ByteInput, crc: number, size: number): void {
  if (input.left < GZIP_TRAILER_SIZE) throw cutOff(input.format);
  if (input.u32le() !== crc) throw damaged(input.format, "the checksum is wrong");
  if (input.u32le() !== size % 0x1_0000_0000) throw damaged(input.format, "the size is another");
}

/** Ends by itself at the input's end. */
function skipText(input: ByteInput): void {
  while (input.u8() !== 0);
}
