/**
 * QCOW2 disk images: the clusters of the disk through two levels of tables, plain, compressed or zeros
 * (https://www.qemu.org/docs/master/interop/qcow2.html).
 *
 * Not here: snapshots inside the image (the current state is read), reference counts, bitmaps.
 */
import type { ByteSource } from "../../base/byte-source.ts";
import { CheckedReader } from "../../base/checked-reader.ts";
import { blockCache, type BlockCache } from "../block-cache.ts";
import { mappedSource, type Piece } from "../mapped-source.ts";
import { expandCluster } from "./expand-cluster.ts";
import { damagedQcow2, type Qcow2Header } from "./qcow2-header.ts";

const TABLE_SLICE = 4096;
const CACHED_SLICES = 64;
/** Of at most 2 MiB each. */
const CACHED_CLUSTERS = 4;
const SUBCLUSTERS = 32;
const SECTOR = 512;

/** Bits 9 to 55 of an entry, as two halves. */
const HIGH_OFFSET_BITS = 0x00ff_ffff;
const LOW_OFFSET_BITS = 0xffff_fe00;
const COMPRESSED = 0x4000_0000;
const READS_AS_ZEROS = 1;

/** One entry of an L2 table, 64 bits in halves; with subclusters, their two bitmaps. */
interface L2Entry {
  readonly high: number;
  readonly low: number;
  /** Bit n: subcluster n reads as zeros. */
  readonly zeros: number;
  /** Bit n: subcluster n is stored. */
  readonly stored: number;
}

/** @throws (from its methods) IMAGE_DAMAGED, DATA_DAMAGED, OUT_OF_BOUNDS, DISK_UNREADABLE */
export function openQcow2(file: ByteSource, header: Qcow2Header): ByteSource {
  const { clusterSize } = header;
  const entryAt = l2Reader(file, header);
  const expanded = blockCache(CACHED_CLUSTERS);
  const inside = (offset: number, length: number): Piece => {
    if (offset + length > file.size) throw damagedQcow2("a cluster reaches past its end");
    return { kind: "stored", length, source: file, offset };
  };

  return mappedSource(header.size, "QCOW2 image", (offset, wanted): Piece => {
    const cluster = Math.floor(offset / clusterSize);
    const inCluster = offset % clusterSize;
    const entry = entryAt(cluster);
    if (entry !== null && (entry.high & COMPRESSED) !== 0) {
      const bytes = expanded.get(cluster, () => readCompressed(file, header, entry));
      return { kind: "made", length: clusterSize - inCluster, bytes: bytes.subarray(inCluster) };
    }
    const state = stateAt(entry, inCluster, header);
    if (state.kind === "zeros") return { kind: "zeros", length: state.end - inCluster };
    // The file may end inside its last cluster; what is missing there was never written.
    const there = file.size - state.start - inCluster;
    if (there <= 0 && state.start < file.size) return { kind: "zeros", length: state.end - inCluster };
    let length = Math.min(state.end - inCluster, Math.max(there, 1));
    // Clusters that follow each other in the file are read at once.
    let next = cluster + 1;
    while (!header.hasExtendedL2 && length < wanted && next * clusterSize < header.size) {
      const following = stateAt(entryAt(next), 0, header);
      const start = state.start + (next - cluster) * clusterSize;
      if (following.kind === "zeros" || following.start !== start || start + clusterSize > file.size) break;
      length += clusterSize;
      next += 1;
    }
    return inside(state.start + inCluster, length);
  });
}

type State =
  | { readonly kind: "zeros"; readonly end: number }
  /** `start` is where the whole cluster begins in the file. */
  | { readonly kind: "stored"; readonly end: number; readonly start: number };

/** What stands at `inCluster`, and up to where in the cluster. A compressed cluster is told as none of the two. */
function stateAt(entry: L2Entry | null, inCluster: number, header: Qcow2Header): State {
  const { clusterSize, hasExtendedL2 } = header;
  if (entry === null || (entry.high & COMPRESSED) !== 0) return { kind: "zeros", end: clusterSize };
  const start = offsetOf(entry);
  if (!hasExtendedL2) {
    if (start === 0 || (entry.low & READS_AS_ZEROS) !== 0) return { kind: "zeros", end: clusterSize };
    return { kind: "stored", end: clusterSize, start };
  }
  const size = clusterSize / SUBCLUSTERS;
  let index = Math.floor(inCluster / size);
  const isStored = isSet(entry.stored, index) && !isSet(entry.zeros, index);
  do index += 1;
  while (index < SUBCLUSTERS && (isSet(entry.stored, index) && !isSet(entry.zeros, index)) === isStored);
  if (!isStored) return { kind: "zeros", end: index * size };
  if (start === 0) throw damagedQcow2("a stored subcluster has no place");
  return { kind: "stored", end: index * size, start };
}

function isSet(bits: number, index: number): boolean {
  return ((bits >>> index) & 1) !== 0;
}

/** Reads both levels in slices, as they are needed; neither level leads back to another, so nothing can go in circles. */
function l2Reader(file: ByteSource, header: Qcow2Header): (cluster: number) => L2Entry | null {
  const entrySize = header.hasExtendedL2 ? 16 : 8;
  const perTable = header.clusterSize / entrySize;
  // Apart from each other: a slice of the one may begin where one of the other does, and be longer.
  const l1Slices = blockCache(CACHED_SLICES);
  const l2Slices = blockCache(CACHED_SLICES);
  const read = (slices: BlockCache, table: number, tableSize: number, at: number) => {
    const start = at - (at % TABLE_SLICE);
    const length = Math.min(TABLE_SLICE, tableSize - start);
    if (table + start + length > file.size) throw damagedQcow2("a table of clusters reaches past its end");
    const slice = slices.get(table + start, () => file.read(table + start, length));
    return { reader: new CheckedReader(slice, "QCOW2 table"), at: at - start };
  };
  return (cluster) => {
    const l1 = read(l1Slices, header.l1Offset, header.l1Entries * 8, Math.floor(cluster / perTable) * 8);
    const table = offsetOf({ high: l1.reader.u32be(l1.at, "L1 entry"), low: l1.reader.u32be(l1.at + 4, "L1 entry") });
    if (table === 0) return null;
    const { reader, at } = read(l2Slices, table, header.clusterSize, (cluster % perTable) * entrySize);
    return {
      high: reader.u32be(at, "L2 entry"),
      low: reader.u32be(at + 4, "L2 entry"),
      zeros: header.hasExtendedL2 ? reader.u32be(at + 8, "L2 entry") : 0,
      stored: header.hasExtendedL2 ? reader.u32be(at + 12, "L2 entry") : 0,
    };
  };
}

function offsetOf({ high, low }: Pick<L2Entry, "high" | "low">): number {
  return (high & HIGH_OFFSET_BITS) * 2 ** 32 + ((low & LOW_OFFSET_BITS) >>> 0);
}

/** The descriptor: the place to the byte, then how many sectors it takes beyond the one that it begins in. */
function readCompressed(file: ByteSource, header: Qcow2Header, entry: L2Entry): Uint8Array {
  const offsetBits = 62 - (Math.log2(header.clusterSize) - 8);
  const highBits = offsetBits - 32;
  const high = entry.high & 0x3fff_ffff;
  const offset = (high & (2 ** highBits - 1)) * 2 ** 32 + entry.low;
  const sectors = (high >>> highBits) + 1;
  const length = Math.min(sectors * SECTOR - (offset % SECTOR), file.size - offset);
  if (length <= 0) throw damagedQcow2("a compressed cluster lies past its end");
  return expandCluster(file.read(offset, length), header.compression, header.clusterSize);
}
