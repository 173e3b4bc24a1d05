/**
 * Compressed extents. zlib and zstd are one stream each; LZO is cut up into sectors.
 * Specification: https://btrfs.readthedocs.io/en/latest/dev/On-disk-format.html, "EXTENT_DATA"; of LZO, the comment
 * "LZO format" there: the length of all of it, then for each sector the length of its segment and the segment; a length
 * never lies across the border of a sector. All numbers have 32 bits.
 */
import { CheckedReader } from "../../base/checked-reader.ts";
import { expandBlock } from "../../compress/block.ts";
import { damaged } from "./damage.ts";
import type { Packing } from "./extents.ts";

/** What is inside, followed by zeros if it is less than it should be. @throws DATA_DAMAGED, FILESYSTEM_DAMAGED */
export function expandExtent(bytes: Uint8Array, { compression, size }: Packing, sectorSize: number): Uint8Array {
  const expanded = compression === "lzo" ? expandLzo(bytes, size, sectorSize) : expandBlock(bytes, compression, size);
  if (expanded.length === size) return expanded;
  const whole = new Uint8Array(size);
  whole.set(expanded.subarray(0, size));
  return whole;
}

const LENGTH_SIZE = 4;

function expandLzo(bytes: Uint8Array, size: number, sectorSize: number): Uint8Array {
  const reader = new CheckedReader(bytes, "btrfs LZO data");
  const total = reader.u32le(0, "length");
  if (total > bytes.length) throw damaged(`LZO data of ${total} bytes in an extent of ${bytes.length}`);
  const whole = new Uint8Array(size);
  let done = 0;
  for (let at = LENGTH_SIZE; done < size && at + LENGTH_SIZE <= total;) {
    const length = reader.u32le(at, "segment length");
    if (length === 0) throw damaged("LZO data with an empty segment");
    const segment = reader.bytes(at + LENGTH_SIZE, length, "segment");
    const expanded = expandBlock(segment, "lzo1x", Math.min(sectorSize, size - done));
    whole.set(expanded, done);
    // Every segment but the last gives a whole sector.
    done += sectorSize;
    at += LENGTH_SIZE + length;
    const left = sectorSize - (at % sectorSize);
    if (left < LENGTH_SIZE) at += left;
  }
  return whole;
}
