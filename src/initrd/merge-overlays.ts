/** Several overlays as one: a later one's files take the place of an earlier one's, folders are merged. */
import type { Overlay, OverlayEntry } from "./overlay.ts";

export function mergeOverlays(overlays: readonly Overlay[]): Overlay {
  const [first = [], ...more] = overlays;
  let merged = first;
  for (const overlay of more) merged = laidOver(merged, overlay);
  return merged;
}

function laidOver(below: Overlay, above: Overlay): Overlay {
  const replacing = new Map(above.map((entry) => [entry.path, entry]));
  const kept = withoutReplaced(below, replacing);
  const folders = new Set(kept.filter((entry) => entry.kind === "directory").map((entry) => entry.path));
  // A folder that both have stays where it is, with the later one's rights.
  return [
    ...kept.map((entry) => (entry.kind === "directory" ? (replacing.get(entry.path) ?? entry) : entry)),
    ...above.filter((entry) => !folders.has(entry.path)),
  ];
}

function withoutReplaced(below: Overlay, replacing: ReadonlyMap<string, OverlayEntry>): Overlay {
  /** Where a file with several names was replaced under its first, the name that has its content now. */
  const moved = new Map<string, string>();
  const replaced = new Map<string, OverlayEntry>();
  return below.flatMap((entry): OverlayEntry[] => {
    if (isReplaced(entry, replacing)) {
      replaced.set(entry.path, entry);
      return [];
    }
    if (entry.kind !== "hard link" || entry.target === undefined) return [entry];
    const content = replaced.get(entry.target);
    if (content === undefined) return [entry];
    const target = moved.get(entry.target);
    if (target !== undefined) return [{ ...entry, target }];
    moved.set(entry.target, entry.path);
    return [{ ...content, path: entry.path }];
  });
}

function isReplaced(entry: OverlayEntry, replacing: ReadonlyMap<string, OverlayEntry>): boolean {
  const other = replacing.get(entry.path);
  if (other !== undefined && (other.kind !== "directory" || entry.kind !== "directory")) return true;
  for (let end = entry.path.lastIndexOf("/"); end > 0; end = entry.path.lastIndexOf("/", end - 1)) {
    const above = replacing.get(entry.path.slice(0, end));
    if (above !== undefined && above.kind !== "directory") return true;
  }
  return false;
}
