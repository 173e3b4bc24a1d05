/**
 * The content of a file or folder as a byte source over its runs of clusters.
 */
import { firstIndex } from "../../base/first-index.ts";
import { checkRange, memorySource, targetOf, type ByteSource, type DiskRange } from "../../base/byte-source.ts";
import type { BootSector } from "./boot-sector.ts";
import { damaged } from "./damage.ts";
import type { Run, Table } from "./table.ts";

/** What lies where on a volume. */
export interface Volume {
  readonly source: ByteSource;
  readonly boot: BootSector;
  readonly table: Table;
}

/** A file of `size` bytes. The chain is followed at the first read. Reading throws FILESYSTEM_DAMAGED, BUDGET_EXCEEDED */
export function contentOf(volume: Volume, firstCluster: number, size: number): ByteSource {
  if (size === 0) return memorySource(new Uint8Array(), "empty file");
  const { source, boot, table } = volume;
  const clusters = Math.ceil(size / boot.clusterSize);
  let runs: readonly Run[] | null = null;
  const mapped = (): readonly Run[] => {
    if (runs !== null) return runs;
    runs = table.runs(firstCluster, clusters);
    const last = runs.at(-1);
    const found = last === undefined ? 0 : last.logical + last.count;
    if (found < clusters) throw damaged(`a file of ${size} bytes has ${found} clusters of ${boot.clusterSize} bytes`);
    return runs;
  };
  /** Where the bytes from `offset` on lie, and how many there in one piece. */
  const placeOf = (offset: number) => {
    const run = runOf(mapped(), Math.floor(offset / boot.clusterSize));
    const inRun = offset - run.logical * boot.clusterSize;
    return { at: run.offset + inRun, available: run.count * boot.clusterSize - inRun };
  };
  return {
    size,
    read(offset, length, into) {
      checkRange(offset, length, size, "file");
      const target = targetOf(length, into);
      for (let done = 0; done < length;) {
        const { at, available } = placeOf(offset + done);
        const piece = target.subarray(done, Math.min(length, done + available));
        source.read(at, piece.length, piece);
        done += piece.length;
      }
      return target;
    },
    onDisk(offset, length): DiskRange | null {
      checkRange(offset, length, size, "file");
      if (length === 0) return null;
      const { at, available } = placeOf(offset);
      return source.onDisk?.(at, Math.min(length, available)) ?? null;
    },
  };
}

function runOf(runs: readonly Run[], cluster: number): Run {
  const next = firstIndex(runs.length, (index) => (runs[index]?.logical ?? Infinity) > cluster);
  const run = runs[Math.max(0, next - 1)];
  if (run === undefined) throw damaged("a file has no clusters");
  return run;
}
