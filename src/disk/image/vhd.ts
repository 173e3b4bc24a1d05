/**
 * VHD disk images, fixed and dynamic ("Virtual Hard Disk Image Format Specification", Microsoft, 2006): what XenServer
 * keeps virtual disks in. All numbers are big-endian.
 *
 * Not here: differencing images, whose other half is another file (refused by name); the saved state of a guest.
 */
import { sliceSource, type ByteSource } from "../../base/byte-source.ts";
import { CheckedReader } from "../../base/checked-reader.ts";
import { GuestbootError } from "../../base/errors.ts";
import { quote } from "../../base/printable.ts";
import { blockCache } from "../block-cache.ts";
import { mappedSource, type Piece } from "../mapped-source.ts";

export const VHD_COOKIE = "conectix";

const FOOTER_SIZE = 512;
const HEADER_SIZE = 1024;
const SECTOR = 512;
const TYPE_FIXED = 2;
const TYPE_DYNAMIC = 3;
const TYPE_DIFFERENCING = 4;
const UNUSED = 0xffff_ffff;
/** The specification's default is 2 MiB; what is far from it is damage. */
const MIN_BLOCK = 4096;
const MAX_BLOCK = 256 * 1024 * 1024;
const TABLE_SLICE = 4096;
const CACHED_SLICES = 64;

interface Footer {
  readonly type: number;
  readonly dataOffset: number;
  /** Bytes of the disk in the image. */
  readonly size: number;
}

/**
 * The disk that a VHD holds, or null when the file is none.
 * @param head the file's first bytes
 * @throws IMAGE_DAMAGED, FEATURE_UNSUPPORTED (a differencing image), OUT_OF_BOUNDS
 */
export function openVhd(file: ByteSource, head: Uint8Array): ByteSource | null {
  // The footer is last; all kinds but the fixed one have a copy at the start, which outlives a file that was cut off.
  const footer = readFooter(file, file.size - FOOTER_SIZE) ?? (isCookie(head) ? readFooter(file, 0) : null);
  if (footer === null) {
    if (isCookie(head)) throw damaged("the footer's checksum is wrong in both copies");
    return null;
  }
  switch (footer.type) {
    case TYPE_FIXED:
      return sliceSource(file, 0, Math.min(footer.size, file.size - FOOTER_SIZE), "VHD image");
    case TYPE_DYNAMIC:
      return openDynamic(file, footer);
    case TYPE_DIFFERENCING:
      throw new GuestbootError(
        "FEATURE_UNSUPPORTED",
        `a differencing VHD image cannot be read by itself: it needs its parent ${quote(parentName(file, footer))}`,
        { hint: "coalesce it into one image first, or give the disk that the host makes of it" },
      );
    default:
      throw damaged(`it is of type ${footer.type}, which the format does not have`);
  }
}

function readFooter(file: ByteSource, offset: number): Footer | null {
  if (offset < 0) return null;
  const bytes = file.read(offset, FOOTER_SIZE);
  if (!isCookie(bytes)) return null;
  const reader = new CheckedReader(bytes, "VHD footer");
  if (reader.u32be(64, "checksum") !== checksum(bytes, 64)) return null;
  return {
    dataOffset: reader.u32be(60, "disk type") === TYPE_FIXED ? 0 : reader.u64be(16, "data offset"),
    size: reader.u64be(48, "current size"),
    type: reader.u32be(60, "disk type"),
  };
}

function isCookie(bytes: Uint8Array): boolean {
  return bytes.length >= 8 && Buffer.from(bytes.subarray(0, 8)).toString("latin1") === VHD_COOKIE;
}

/** The one's complement of the sum of all bytes but those of the checksum itself. */
function checksum(bytes: Uint8Array, at: number): number {
  let sum = 0;
  bytes.forEach((byte, index) => {
    if (index < at || index >= at + 4) sum += byte;
  });
  return ~sum >>> 0;
}

interface DynamicHeader {
  readonly tableOffset: number;
  readonly entries: number;
  readonly blockSize: number;
}

function readHeader(file: ByteSource, footer: Footer): DynamicHeader {
  const bytes = file.read(footer.dataOffset, HEADER_SIZE);
  const reader = new CheckedReader(bytes, "VHD dynamic header");
  if (Buffer.from(reader.bytes(0, 8, "cookie")).toString("latin1") !== "cxsparse") {
    throw damaged("it has no dynamic header where its footer says");
  }
  if (reader.u32be(36, "checksum") !== checksum(bytes, 36)) throw damaged("its dynamic header's checksum is wrong");
  const blockSize = reader.u32be(32, "block size");
  if (blockSize < MIN_BLOCK || blockSize > MAX_BLOCK || (blockSize & (blockSize - 1)) !== 0) {
    throw damaged(`its block size is ${blockSize}`);
  }
  return {
    tableOffset: reader.u64be(16, "table offset"),
    entries: reader.u32be(28, "max table entries"),
    blockSize,
  };
}

function openDynamic(file: ByteSource, footer: Footer): ByteSource {
  const { tableOffset, entries, blockSize } = readHeader(file, footer);
  if (footer.size > entries * blockSize) throw damaged("its block table is too short for its size");
  if (tableOffset + entries * 4 > file.size) throw damaged("its block table reaches past the end of the file");
  // A bit a sector, filled up to a whole sector.
  const bitmapSize = Math.ceil(blockSize / SECTOR / 8 / SECTOR) * SECTOR;
  const slices = blockCache(CACHED_SLICES);
  const bitmaps = blockCache(CACHED_SLICES);
  const entry = (block: number): number => {
    const byte = block * 4;
    const start = byte - (byte % TABLE_SLICE);
    const length = Math.min(TABLE_SLICE, entries * 4 - start);
    const slice = slices.get(start, () => file.read(tableOffset + start, length));
    return new CheckedReader(slice, "VHD block table").u32be(byte - start, "sector of a block");
  };
  return mappedSource(footer.size, "VHD image", (offset): Piece => {
    const block = Math.floor(offset / blockSize);
    const inBlock = offset % blockSize;
    const sector = entry(block);
    if (sector === UNUSED) return { kind: "zeros", length: blockSize - inBlock };
    const at = sector * SECTOR;
    const bitmap = bitmaps.get(at, () => file.read(at, bitmapSize));
    // A sector whose bit is not set was never written: zeros, whatever the file holds there.
    const run = bitRun(bitmap, Math.floor(inBlock / SECTOR), blockSize / SECTOR);
    const length = run.end * SECTOR - inBlock;
    return run.isSet
      ? { kind: "stored", length, source: file, offset: at + bitmapSize + inBlock }
      : { kind: "zeros", length };
  });
}

/** The first bit from `bit` on that differs from it, at most `end`. The highest bit of a byte comes first. */
function bitRun(bitmap: Uint8Array, bit: number, end: number): { readonly isSet: boolean; readonly end: number } {
  const isSet = bitOf(bitmap, bit);
  const whole = isSet ? 0xff : 0;
  let at = bit + 1;
  while (at < end && (at % 8 === 0 && bitmap[at / 8] === whole ? true : bitOf(bitmap, at) === isSet)) {
    at += at % 8 === 0 && bitmap[at / 8] === whole ? 8 : 1;
  }
  return { isSet, end: Math.min(at, end) };
}

function bitOf(bitmap: Uint8Array, bit: number): boolean {
  return ((bitmap[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0;
}

function parentName(file: ByteSource, footer: Footer): string {
  const bytes = file.read(footer.dataOffset, HEADER_SIZE);
  const name = Buffer.from(bytes.subarray(64, 64 + 512))
    .swap16()
    .toString("utf16le");
  return name.replace(/\0.*$/s, "");
}

function damaged(how: string): GuestbootError {
  return new GuestbootError("IMAGE_DAMAGED", `the VHD image is damaged: ${how}`);
}
