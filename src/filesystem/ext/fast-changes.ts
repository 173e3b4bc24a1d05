/**
 * Fast commits as a reader needs them: what an inode, a file's pieces and a folder's names are after them.
 */
import { firstIndex } from "../../base/first-index.ts";
import { extentBudget } from "../../base/limits.ts";
import { damaged } from "./damage.ts";
import type { FastChange, Piece } from "./fast-commit.ts";

/** By the numbers of inodes. */
export interface FastChanges {
  readonly inodes: ReadonlyMap<number, Uint8Array>;
  /** Oldest first. */
  readonly pieces: ReadonlyMap<number, readonly Piece[]>;
  /** Of folders, by name (its bytes as Latin-1): the inode, or null where the name is gone. */
  readonly names: ReadonlyMap<number, ReadonlyMap<string, number | null>>;
}

export function sumUp(changes: readonly FastChange[]): FastChanges {
  const inodes = new Map<number, Uint8Array>();
  const pieces = new Map<number, Piece[]>();
  const names = new Map<number, Map<string, number | null>>();
  for (const change of changes) {
    if (change.kind === "inode") {
      const before = inodes.get(change.inode);
      // The number was given to another file: what was said of the pieces of the first counts no more.
      if (before !== undefined && !isSameFile(before, change.raw)) pieces.delete(change.inode);
      inodes.set(change.inode, change.raw);
    } else if (change.kind === "piece") {
      const known = pieces.get(change.inode);
      if (known === undefined) pieces.set(change.inode, [change.piece]);
      else known.push(change.piece);
    } else {
      const known = names.get(change.folder) ?? new Map<string, number | null>();
      known.set(nameKey(change.name), change.inode);
      names.set(change.folder, known);
    }
  }
  return { inodes, pieces, names };
}

export function nameKey(name: Uint8Array): string {
  return Buffer.from(name.buffer, name.byteOffset, name.byteLength).toString("latin1");
}

const MODE_AT = 0;
const FORMAT = 0xf0;
const FLAGS_AT = 0x20;
const MAP_AT = 0x28;
const GENERATION_AT = 0x64;
const FLAG_EXTENTS = 0x80000;
/** No extents, in a root that has room for four. */
const EMPTY_EXTENTS = Buffer.from("0af300000400000000000000", "hex");

/**
 * An inode after a fast commit: all from that, but the map of its content, which only its pieces tell.
 * @throws FILESYSTEM_DAMAGED
 */
export function inodeAfter(onDisk: Uint8Array, committed: Uint8Array): Uint8Array {
  if (committed.length > onDisk.length) throw damaged(`a fast commit has an inode of ${committed.length} bytes`);
  const inode = Uint8Array.from(onDisk);
  inode.set(committed);
  const isMappedByExtents = (Buffer.from(committed).readUInt32LE(FLAGS_AT) & FLAG_EXTENTS) !== 0;
  if (!isMappedByExtents) return inode;
  const map = inode.subarray(MAP_AT, GENERATION_AT);
  const isExtents = onDisk[MAP_AT] === EMPTY_EXTENTS[0] && onDisk[MAP_AT + 1] === EMPTY_EXTENTS[1];
  if (isExtents && isSameFile(onDisk, committed)) map.set(onDisk.subarray(MAP_AT, GENERATION_AT));
  else map.fill(0).set(EMPTY_EXTENTS);
  return inode;
}

/** A number that is used again gets another generation. */
function isSameFile(one: Uint8Array, other: Uint8Array): boolean {
  const format = (inode: Uint8Array) => (inode[MODE_AT + 1] ?? 0) & FORMAT;
  const generation = (inode: Uint8Array) => Buffer.from(inode).readUInt32LE(GENERATION_AT);
  return format(one) === format(other) && generation(one) === generation(other);
}

/**
 * A file's pieces after later ones were put over them, ascending.
 *
 * All begins and ends are laid out in a row, and the parts between them given to the newest piece that covers them: a
 * list of any length in any order takes no longer than to sort it.
 * @throws BUDGET_EXCEEDED
 */
export function layOver(pieces: readonly Piece[], later: readonly Piece[]): Piece[] {
  const all = [...pieces, ...later].filter(({ count }) => count > 0);
  extentBudget().spend(all.length);
  const edges = Float64Array.from(all.flatMap(({ logical, count }) => [logical, logical + count])).sort();
  const owners: (Piece | undefined)[] = Array.from({ length: edges.length });
  /** The next part without an owner, from each on; the way there gets shorter each time it is gone. */
  const free = Uint32Array.from({ length: edges.length + 1 }, (_, index) => index);
  const nextFree = (from: number): number => {
    let at = from;
    for (let next = free[at] ?? at; next !== at; next = free[at] ?? at) {
      free[at] = free[next] ?? next;
      at = next;
    }
    return at;
  };
  for (const piece of all.toReversed()) {
    const end = indexOf(edges, piece.logical + piece.count);
    for (let part = nextFree(indexOf(edges, piece.logical)); part < end; part = nextFree(part)) {
      owners[part] = piece;
      free[part] = part + 1;
    }
  }
  return piecesOf(edges, owners);
}

/** Neighbouring parts of one owner are one piece; an edge that is there several times has parts of no blocks. */
function piecesOf(edges: Float64Array, owners: readonly (Piece | undefined)[]): Piece[] {
  const pieces: Piece[] = [];
  for (let part = 0; part < owners.length;) {
    const owner = owners[part];
    const first = edges[part] ?? 0;
    while (part < owners.length && owners[part] === owner) part += 1;
    const count = (edges[part] ?? first) - first;
    if (owner === undefined || owner.physical === null || count === 0) continue;
    pieces.push({ logical: first, count, physical: owner.physical + (first - owner.logical) });
  }
  return pieces;
}

/** The first place of an edge that is among them. */
function indexOf(edges: Float64Array, edge: number): number {
  return firstIndex(edges.length, (index) => (edges[index] ?? Infinity) >= edge);
}
