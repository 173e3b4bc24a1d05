/**
 * The content of a file, folder or long link as a byte source.
 */
import { checkRange, memorySource, targetOf, type ByteSource } from "../../base/byte-source.ts";
import { MappedContent, type Run } from "../mapped-content.ts";
import { hasInlineData, inlineData, isFastLink, refuseEncrypted, type Inode } from "./inode.ts";
import type { Layout } from "./layout.ts";
import { readRuns } from "./runs.ts";

/** @throws FEATURE_UNSUPPORTED for encrypted content; FILESYSTEM_DAMAGED. Reading throws FILESYSTEM_DAMAGED, BUDGET_EXCEEDED */
export function contentOf(layout: Layout, inode: Inode): ByteSource {
  refuseEncrypted(inode);
  const what = `inode ${inode.number}`;
  if (isFastLink(inode)) return memorySource(inode.map.subarray(0, inode.size), what);
  if (hasInlineData(inode)) {
    const { head, rest } = inlineData(inode);
    const bytes = Buffer.concat([head, rest]);
    return lengthened(bytes, inode.size, what);
  }
  const { source, superblock } = layout;
  let read: readonly Run[] | null = null;
  const runs = () => (read ??= readRuns(layout, inode));
  return new MappedContent({ source, blockSize: superblock.blockSize, runs, size: inode.size, what });
}

/** `bytes`, and zeros behind them: mke2fs makes a file that is one large hole in this way. */
function lengthened(bytes: Uint8Array, size: number, what: string): ByteSource {
  return {
    size,
    read(offset, length, into) {
      checkRange(offset, length, size, what);
      const there = bytes.subarray(offset, offset + length);
      const target = targetOf(length, into);
      target.set(there);
      return target.fill(0, there.length);
    },
  };
}
