/**
 * Symbolic links: in the inode, or in blocks of their own, which have headers in version 5.
 * Specification: XFS Algorithms & Data Structures, "Symbolic Links"
 */
import { CheckedReader } from "../../base/checked-reader.ts";
import { mappedContent } from "./content.ts";
import { damaged } from "./damage.ts";
import { readRuns } from "./extents.ts";
import type { Inode } from "./inode.ts";
import type { Layout, SelfDescription } from "./layout.ts";

/** The specification's XFS_SYMLINK_MAXLEN. */
const MAX_LENGTH = 1024;
const MAGIC = 0x58534c4d;
const HEADER_SIZE = 56;
const FIELDS: SelfDescription = { crc: 12, uuid: 16, owner: 32, blkno: 40 };

/** The target as bytes. @throws FILESYSTEM_DAMAGED */
export function readTarget(layout: Layout, link: Inode): Uint8Array {
  const { size } = link;
  const what = `the symbolic link of inode ${link.number}`;
  if (size === 0 || size > MAX_LENGTH) throw damaged(`${what} has ${size} bytes`);
  if (link.format === "local") {
    if (size > link.fork.length) throw damaged(`${what} has ${size} bytes in ${link.fork.length}`);
    return link.fork.slice(0, size);
  }
  const runs = readRuns(layout, link);
  const { version, blockSize } = layout.superblock;
  if (version === 4) return mappedContent(layout, runs, Math.ceil(size / blockSize) * blockSize, what).read(0, size);

  const target = new Uint8Array(size);
  let done = 0;
  for (const run of runs) {
    if (done === size) break;
    // One header an extent; none has more blocks than the longest link needs.
    const length = run.count * blockSize;
    if (run.count > Math.ceil((MAX_LENGTH + MAX_LENGTH) / blockSize))
      throw damaged(`${what} is in ${run.count} blocks`);
    const bytes = layout.source.read(run.physical * blockSize, length);
    const reader = new CheckedReader(bytes, what);
    if (reader.u32be(0, "sl_magic") !== MAGIC) throw damaged(`${what} is none`);
    layout.checkMetadata(bytes, FIELDS, run.physical, link.number, what);
    const offset = reader.u32be(4, "sl_offset");
    const count = reader.u32be(8, "sl_bytes");
    if (offset !== done || count === 0 || count > size - done) throw damaged(`${what} has ${count} bytes at ${offset}`);
    target.set(reader.bytes(HEADER_SIZE, count, "target"), done);
    done += count;
  }
  if (done < size) throw damaged(`${what} ends at ${done} of ${size} bytes`);
  return target;
}
