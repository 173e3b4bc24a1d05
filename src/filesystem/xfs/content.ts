/**
 * What the extents of an inode map, as a byte source.
 */
import type { ByteSource } from "../../base/byte-source.ts";
import { MappedContent, type Mapped, type Run } from "../mapped-content.ts";
import { readRuns } from "./extents.ts";
import { refuseRealtime, type Inode } from "./inode.ts";
import type { Layout } from "./layout.ts";

/**
 * The content of a regular file.
 * @throws FEATURE_UNSUPPORTED for the realtime section. Reading throws FILESYSTEM_DAMAGED, BUDGET_EXCEEDED
 */
export function contentOf(layout: Layout, inode: Inode): ByteSource {
  refuseRealtime(inode);
  let read: readonly Run[] | null = null;
  return mapped(layout, () => (read ??= readRuns(layout, inode)), inode.size, `inode ${inode.number}`);
}

/** `size` bytes that the runs map; those that none maps are zeros. */
export function mappedContent(layout: Layout, runs: readonly Run[], size: number, what: string): ByteSource {
  return mapped(layout, () => runs, size, what);
}

function mapped({ source, superblock }: Layout, runs: Mapped["runs"], size: number, what: string): ByteSource {
  return new MappedContent({ source, blockSize: superblock.blockSize, runs, size, what });
}
