/**
 * `ramdisk_size=`: a kernel copies an image of a filesystem into a block device of its own, which has a fixed size
 * (Documentation/admin-guide/blockdev/ramdisk.rst). An image that has grown may need a larger one than its kernel makes
 * by itself. Archives go into a filesystem that grows, so this says nothing of them.
 */
import { openDisk } from "../disk/open-disk.ts";
import { EXT2_HEAD, isExt2 } from "../initrd/members.ts";
import { expandHead } from "../kernel/payload.ts";

const HEAD = 32 * 1024;
/** RFC 1952: ISIZE, the last four bytes. */
const GZIP_SIZE = 4;
const LEAST_GZIP = 18;

/** The word for the command line; null where the ramdisk is no image of ext2, or has not grown. */
export function ramdiskSizeWord(original: string, patched: string): string | null {
  const [before, after] = [imageSize(original), imageSize(patched)];
  if (before === null || after === null || after <= before) return null;
  return `ramdisk_size=${Math.ceil(after / 1024)}`;
}

/** Bytes of the image of ext2 that the file holds, plain or gzipped; null where it holds none. */
function imageSize(file: string): number | null {
  using disk = openDisk(file);
  const { source } = disk;
  const head = source.read(0, Math.min(HEAD, source.size));
  if (isExt2(head)) return source.size;
  if (source.size < LEAST_GZIP || head[0] !== 0x1f || head[1] !== 0x8b) return null;
  const begun = expandHead(head, "gzip", EXT2_HEAD);
  if (begun === null || !isExt2(begun)) return null;
  const size = source.read(source.size - GZIP_SIZE, GZIP_SIZE);
  return new DataView(size.buffer, size.byteOffset, GZIP_SIZE).getUint32(0, true);
}
