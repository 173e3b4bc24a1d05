/**
 * One stream of an `.xz` file: its blocks, their filters and checks (none, CRC32, CRC64, SHA-256), and the index that
 * must agree with them. What follows the stream (padding, another stream) is the caller's.
 *
 * The .xz File Format 1.2 (Lasse Collin, Igor Pavlov, public domain); numbers of sections below. Not here: the filters
 * for IA-64 and RISC-V, and other checks than those four.
 */
import { openFilter, type StreamFilter } from "./branch-filter.ts";
import { ByteInput } from "./byte-input.ts";
import { Crc64 } from "./crc64.ts";
import { damaged, growsPast, unsupported } from "./damage.ts";
import { dictionarySize, expandLzma2, makeLzma2Room, type Lzma2Room } from "./lzma2.ts";

const HEADER_MAGIC = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] as const;
const FOOTER_MAGIC = 0x5a59;
const LZMA2 = 0x21;
const INDEX = 0;
/** Section 1.2: such a number takes at most nine bytes. */
const LONGEST_NUMBER = 9;

/** Section 2.1.1.2; the sizes in bytes that checks of each kind take, known or not. */
const CHECK_SIZES = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64] as const;
const NO_CHECK = 0;
const CRC32 = 1;
const CRC64 = 4;
const SHA256 = 10;

/** @throws GuestbootError DATA_DAMAGED, FEATURE_UNSUPPORTED, BUDGET_EXCEEDED */
export function* expandXz(input: ByteInput, maximumBytes: number): Generator<Uint8Array, void> {
  const { format } = input;
  const check = readStreamHeader(input);
  const sizes = new SizeList();
  const room = makeLzma2Room();
  let done = 0;
  for (;;) {
    const start = input.taken;
    const headerSize = input.u8();
    if (headerSize === INDEX) {
      readIndex(input, sizes, start);
      readFooter(input, check, input.taken - start);
      return;
    }
    const header = readBlockHeader(input, headerSize);
    const bodyStart = input.taken;
    const expanded = yield* expandBlock(input, header, room, check, maximumBytes - done, maximumBytes);
    const packed = input.taken - bodyStart;
    if (header.expanded !== null && header.expanded !== expanded) throw damaged(format, "a block has another size");
    if (header.packed !== null && header.packed !== packed) throw damaged(format, "a block has another packed size");
    readPadding(input, packed);
    const found = check.digest();
    if (!equal(input.bytes(check.size), found)) throw damaged(format, `the ${check.name} checksum is wrong`);
    sizes.add(input, bodyStart - start + packed + check.size, expanded);
    done += expanded;
  }
}

/** The checksum of each block. */
interface Check {
  readonly kind: number;
  readonly name: string;
  readonly size: number;
  update(bytes: Uint8Array): void;
  /** And begins anew. */
  digest(): Uint8Array;
}

function readStreamHeader(input: ByteInput): Check {
  const header = new Uint8Array(input.bytes(12));
  if (HEADER_MAGIC.some((byte, index) => header[index] !== byte)) throw damaged(input.format, "no magic");
  const [reserved = 0, kind = 0] = header.subarray(6);
  if (crc32(header.subarray(6, 8)) !== le32(header, 8)) throw damaged(input.format, "the header's checksum is wrong");
  if (reserved !== 0 || kind > 0xf) throw unsupported(input.format, "use unknown flags");
  return openCheck(kind, input.format);
}

interface BlockHeader {
  readonly packed: number | null;
  readonly expanded: number | null;
  readonly dictionary: number;
  /** In the order in which they are undone. */
  readonly filters: readonly StreamFilter[];
}

/** Section 3.1. @param encodedSize the header's first byte */
function readBlockHeader(input: ByteInput, encodedSize: number): BlockHeader {
  const { format } = input;
  const rest = new Uint8Array(input.bytes((encodedSize + 1) * 4 - 1));
  const fieldsEnd = rest.length - 4;
  if (crc32(rest.subarray(0, fieldsEnd), crc32(Uint8Array.of(encodedSize))) !== le32(rest, fieldsEnd)) {
    throw damaged(format, "a block header's checksum is wrong");
  }
  const fields = fieldsOf(rest.subarray(0, fieldsEnd), format);
  const flags = fields.u8();
  if ((flags & 0x3c) !== 0) throw unsupported(format, "use unknown flags");
  const packed = (flags & 0x40) === 0 ? null : readNumber(fields);
  const expanded = (flags & 0x80) === 0 ? null : readNumber(fields);
  const filters: StreamFilter[] = [];
  let dictionary: number | null = null;
  for (let left = (flags & 3) + 1; left > 0; left--) {
    const id = readNumber(fields);
    const propertiesSize = readNumber(fields);
    if (propertiesSize > fields.left) throw damaged(format, "a filter's properties are too long");
    const properties = new Uint8Array(fields.bytes(propertiesSize));
    if (left > 1) filters.unshift(openFilter(id, properties, format));
    else if (id === LZMA2 && properties.length === 1) dictionary = dictionarySize(properties[0] ?? 0xff);
    else throw unsupported(format, `use the filter 0x${id.toString(16)} as the last`);
  }
  if (dictionary === null) throw damaged(format, "an impossible dictionary");
  if (fields.bytes(fields.left).some((byte) => byte !== 0)) throw unsupported(format, "use unknown header fields");
  return { packed, expanded, dictionary, filters };
}

/** Returns how many bytes came out. */
function* expandBlock(
  input: ByteInput,
  { dictionary, expanded, filters }: BlockHeader,
  room: Lzma2Room,
  check: Check,
  mostBytes: number,
  maximumBytes: number,
): Generator<Uint8Array, number> {
  if (expanded !== null && expanded > mostBytes) throw growsPast(input.format, maximumBytes);
  let done = 0;
  let chunks = expandLzma2(input, dictionary, expanded ?? mostBytes, room);
  for (const filter of filters) chunks = undo(chunks, filter);
  for (const chunk of chunks) {
    done += chunk.length;
    if (done > mostBytes) throw growsPast(input.format, maximumBytes);
    // The window goes on to change.
    const own = filters.length === 0 ? chunk.slice() : chunk;
    check.update(own);
    yield own;
  }
  return done;
}

function* undo(chunks: Iterable<Uint8Array>, filter: StreamFilter): Generator<Uint8Array, void> {
  let left = new Uint8Array(0);
  let position = 0;
  for (const chunk of chunks) {
    const bytes = new Uint8Array(left.length + chunk.length);
    bytes.set(left);
    bytes.set(chunk, left.length);
    const ready = filter.undo(bytes, position);
    position += ready;
    left = bytes.slice(ready);
    if (ready > 0) yield bytes.subarray(0, ready);
  }
  if (left.length > 0) yield left;
}

/** Blocks and the index are padded to four bytes. */
function readPadding(input: ByteInput, size: number): void {
  for (let count = size; count % 4 !== 0; count++) {
    if (input.u8() !== 0) throw damaged(input.format, "padding that is not zero");
  }
}

/** Section 4. @param start where the index begins */
function readIndex(input: ByteInput, sizes: SizeList, start: number): void {
  // Its checksum covers all of it, so it is read with what it adds up to alone.
  const crc = new RunningCrc32(Uint8Array.of(INDEX));
  const count = readNumber(input, crc);
  if (count !== sizes.count) throw damaged(input.format, "the index counts other blocks");
  const listed = new SizeList();
  for (let index = 0; index < count; index++) listed.add(input, readNumber(input, crc), readNumber(input, crc));
  if (listed.digest() !== sizes.digest()) throw damaged(input.format, "the index lists other sizes");
  for (let size = input.taken - start; size % 4 !== 0; size++) {
    const byte = input.u8();
    crc.update(Uint8Array.of(byte));
    if (byte !== 0) throw damaged(input.format, "padding that is not zero");
  }
  if (input.u32le() !== crc.value) throw damaged(input.format, "the index's checksum is wrong");
}

/** Section 2.1.2. */
function readFooter(input: ByteInput, check: Check, indexSize: number): void {
  const footer = new Uint8Array(input.bytes(12));
  if (crc32(footer.subarray(4, 10)) !== le32(footer, 0)) throw damaged(input.format, "the footer's checksum is wrong");
  const isRight =
    (le32(footer, 4) + 1) * 4 === indexSize &&
    footer[8] === 0 &&
    footer[9] === check.kind &&
    ((footer[11] ?? 0) << 8) + (footer[10] ?? 0) === FOOTER_MAGIC;
  if (!isRight) throw damaged(input.format, "the footer contradicts the rest");
}

/** The blocks' sizes, kept as a count and a checksum: a file may have millions of blocks. */
class SizeList {
  readonly #crc = new RunningCrc32();
  count = 0;

  add(input: ByteInput, unpadded: number, expanded: number): void {
    this.count++;
    if (!Number.isSafeInteger(unpadded + expanded)) throw damaged(input.format, "a size beyond anything real");
    this.#crc.update(new Uint8Array(Float64Array.of(unpadded, expanded).buffer));
  }

  digest(): number {
    return this.#crc.value;
  }
}

/** Section 1.2. */
function readNumber(input: ByteInput, crc?: RunningCrc32): number {
  let value = 0;
  let scale = 1;
  for (let index = 0; index < LONGEST_NUMBER; index++) {
    const byte = input.u8();
    crc?.update(Uint8Array.of(byte));
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) {
      if (byte === 0 && index > 0) break;
      if (!Number.isSafeInteger(value)) break;
      return value;
    }
    scale *= 0x80;
  }
  throw damaged(input.format, "an impossible number");
}

function openCheck(kind: number, format: string): Check {
  const size = CHECK_SIZES[kind] ?? 0;
  const nothing = new Uint8Array(0);
  if (kind === NO_CHECK) return { kind, name: "", size, update: () => undefined, digest: () => nothing };
  if (kind === CRC32) {
    let crc = new RunningCrc32();
    const digest = () => {
      const bytes = new Uint8Array(4);
      new DataView(bytes.buffer).setUint32(0, crc.value, true);
      crc = new RunningCrc32();
      return bytes;
    };
    return { kind, name: "CRC32", size, update: (bytes) => crc.update(bytes), digest };
  }
  if (kind === CRC64) {
    let crc = new Crc64();
    const digest = () => {
      const bytes = crc.digest();
      crc = new Crc64();
      return bytes;
    };
    return { kind, name: "CRC64", size, update: (bytes) => crc.update(bytes), digest };
  }
  if (kind === SHA256) {
    const { createHash } = process.getBuiltinModule("node:crypto");
    let hash = createHash("sha256");
    const digest = () => {
      const bytes = hash.digest();
      hash = createHash("sha256");
      return bytes;
    };
    return { kind, name: "SHA-256", size, update: (bytes) => void hash.update(bytes), digest };
  }
  throw unsupported(format, `use the checksum number ${kind}`);
}

class RunningCrc32 {
  value = 0;

  constructor(first?: Uint8Array) {
    if (first !== undefined) this.update(first);
  }

  update(bytes: Uint8Array): void {
    this.value = crc32(bytes, this.value);
  }
}

function crc32(bytes: Uint8Array, before = 0): number {
  return process.getBuiltinModule("node:zlib").crc32(bytes, before);
}

function le32(bytes: Uint8Array, offset: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(offset, true);
}

function equal(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}

/** A structure in memory, read as any other input. */
function fieldsOf(bytes: Uint8Array, format: string): ByteInput {
  const source = { size: bytes.length, read: (offset: number, length: number) => bytes.slice(offset, offset + length) };
  return new ByteInput(source, 0, format);
}
