/**
 * The container that `lzop` writes, which kernels and initrds use for LZO: blocks with their sizes and checksums.
 *
 * No specification; the layout is the one that lzop's own output shows (`lzop -vvl`, od). Not here: the filters, which
 * no version of lzop writes by default.
 */
import type { ByteInput } from "./byte-input.ts";
import { cutOff, damaged, growsPast, unsupported } from "./damage.ts";
import { expandLzo1x } from "./lzo1x.ts";

const MAGIC = [0x89, 0x4c, 0x5a, 0x4f, 0x00, 0x0d, 0x0a, 0x1a, 0x0a] as const;
/** From this version on, the header has three more fields. */
const EXTENDED = 0x0940;
/** lzop writes 256 KiB and refuses more than this. */
const LARGEST_BLOCK = 64 * 1024 * 1024;

const ADLER32_EXPANDED = 0x1;
const ADLER32_PACKED = 0x2;
const EXTRA_FIELD = 0x40;
const CRC32_EXPANDED = 0x100;
const CRC32_PACKED = 0x200;
const MULTIPART = 0x400;
const FILTER = 0x800;
const CRC32_HEADER = 0x1000;

/** @throws GuestbootError DATA_DAMAGED, FEATURE_UNSUPPORTED, BUDGET_EXCEEDED */
export function* expandLzop(input: ByteInput, maximumBytes: number): Generator<Uint8Array, void> {
  const { format } = input;
  const flags = readHeader(input);
  let done = 0;
  for (;;) {
    const size = input.u32be();
    if (size === 0) return;
    const packedSize = input.u32be();
    if (size > LARGEST_BLOCK || packedSize > size) throw damaged(format, "a block has an impossible size");
    if (size > maximumBytes - done) throw growsPast(format, maximumBytes);
    const isStored = packedSize === size;
    const adler = (flags & ADLER32_EXPANDED) === 0 ? null : input.u32be();
    const crc = (flags & CRC32_EXPANDED) === 0 ? null : input.u32be();
    const packedAdler = isStored || (flags & ADLER32_PACKED) === 0 ? null : input.u32be();
    const packedCrc = isStored || (flags & CRC32_PACKED) === 0 ? null : input.u32be();
    if (packedSize > input.left) throw cutOff(format);
    const packed = input.bytes(packedSize);
    check(format, packed, packedAdler, packedCrc);
    const chunk = isStored ? packed.slice() : new Uint8Array(size);
    if (!isStored && expandLzo1x(packed, chunk) !== size) throw damaged(format, "a block has another size");
    check(format, chunk, adler, crc);
    done += size;
    yield chunk;
  }
}

/** Returns the flags. */
function readHeader(input: ByteInput): number {
  const { format } = input;
  if (MAGIC.some((byte) => input.u8() !== byte)) throw damaged(format, "no magic");
  const head = new Uint8Array(input.peek(4096));
  const start = input.taken;
  const version = input.u16be();
  const isExtended = version >= EXTENDED;
  input.skip(isExtended ? 4 : 2);
  const method = input.u8();
  if (method < 1 || method > 3) throw unsupported(format, `use the method ${method}`);
  if (isExtended) input.skip(1);
  const flags = input.u32be();
  if ((flags & (FILTER | MULTIPART)) !== 0) throw unsupported(format, "are filtered or in several parts");
  // Mode and time.
  input.skip(isExtended ? 12 : 8);
  input.skip(input.u8());
  const covered = head.subarray(0, input.taken - start);
  const hash = (flags & CRC32_HEADER) === 0 ? adler32(covered) : crc32(covered);
  if (input.u32be() !== hash) throw damaged(format, "the header's checksum is wrong");
  if ((flags & EXTRA_FIELD) !== 0) {
    input.skip(input.u32be());
    input.skip(4);
  }
  return flags;
}

function check(format: string, bytes: Uint8Array, adler: number | null, crc: number | null): void {
  if (adler !== null && adler32(bytes) !== adler) throw damaged(format, "a block's checksum (Adler-32) is wrong");
  if (crc !== null && crc32(bytes) !== crc) throw damaged(format, "a block's checksum (CRC32) is wrong");
}

function crc32(bytes: Uint8Array): number {
  return process.getBuiltinModule("node:zlib").crc32(bytes);
}

/** RFC 1950, section 8.2. */
function adler32(bytes: Uint8Array): number {
  let low = 1;
  let high = 0;
  for (let at = 0; at < bytes.length;) {
    // So many additions stay below 2^32.
    for (const stop = Math.min(at + 5552, bytes.length); at < stop; at++) {
      low += bytes[at] ?? 0;
      high += low;
    }
    low %= 65521;
    high %= 65521;
  }
  return high * 0x1_0000 + low;
}
