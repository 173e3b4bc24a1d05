/**
 * A gzip member whose data are stored as they are: RFC 1952 around the stored blocks of RFC 1951, 3.2.4. A library that
 * compresses does the same, but takes a process that needs it once some twenty milliseconds.
 */

/** Deflate, no name, no time, no level named, Unix. */
const HEADER = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3] as const;
/** Of a stored block: its length is a number of 16 bits. */
const MOST = 0xffff;
const LAST = 1;

/** The member's bytes; the chunks come out as they are, with blocks' heads between them. */
export function* storeInGzip(chunks: Iterable<Uint8Array>): Generator<Uint8Array, void> {
  const zlib = process.getBuiltinModule("node:zlib");
  yield Uint8Array.from(HEADER);
  let crc = 0;
  let size = 0;
  for (const chunk of chunks) {
    crc = zlib.crc32(chunk, crc);
    size += chunk.length;
    for (let at = 0; at < chunk.length; at += MOST) {
      const block = chunk.subarray(at, at + MOST);
      yield blockHead(block.length, 0);
      yield block;
    }
  }
  yield blockHead(0, LAST);
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc, 0);
  trailer.writeUInt32LE(size % 0x1_0000_0000, 4);
  yield trailer;
}

function blockHead(length: number, flags: number): Uint8Array {
  const head = Buffer.alloc(5);
  head.writeUInt8(flags, 0);
  head.writeUInt16LE(length, 1);
  head.writeUInt16LE(length ^ MOST, 3);
  return head;
}
