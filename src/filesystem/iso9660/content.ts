/**
 * The content of a file as a byte source: one section of the image, or several for a file above 4 GiB.
 */
import { checkRange, memorySource, sliceSource, targetOf, type ByteSource } from "../../base/byte-source.ts";
import type { Extent } from "./directory-record.ts";
import type { IsoVolume } from "./volume.ts";
import { damaged } from "./damage.ts";

/** @throws FILESYSTEM_DAMAGED when the image ends before the content does */
export function contentOf(volume: IsoVolume, sections: readonly Extent[], what: string): ByteSource {
  // Where an empty file would lie is not defined, and is often past the end.
  const filled = sections.filter(({ size }) => size > 0);
  for (const section of filled) volume.checkExtent(section, what);
  const [only] = filled;
  if (only === undefined) return memorySource(new Uint8Array(), what);
  if (filled.length === 1) return sliceSource(volume.source, only.start, only.size, what);
  return joined(volume.source, filled, what);
}

/** Bytes of all sections. */
export function sizeOf(sections: readonly Extent[]): number {
  return sections.reduce((sum, { size }) => sum + size, 0);
}

function joined(source: ByteSource, sections: readonly Extent[], what: string): ByteSource {
  const size = sizeOf(sections);
  // Sections that share their bytes would make a small image a file of any size.
  if (size > source.size) throw damaged(`${what} has ${size} bytes in an image of ${source.size}`);
  return {
    size,
    read(offset, length, into) {
      checkRange(offset, length, size, what);
      const target = targetOf(length, into);
      const end = offset + length;
      let start = 0;
      for (const section of sections) {
        const from = Math.max(offset, start);
        const to = Math.min(end, start + section.size);
        if (from < to) {
          const piece = target.subarray(from - offset, to - offset);
          source.read(section.start + (from - start), piece.length, piece);
        }
        start += section.size;
      }
      return target;
    },
  };
}
