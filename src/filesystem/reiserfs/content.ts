/**
 * The content of a file or link as a byte source: whole blocks that indirect items point to, and bytes that lie in the
 * leaves themselves (direct items: small files, and the tails of larger ones). What no item covers reads as zeros.
 * Specification: Florian Buchholz, "The structure of the Reiser file system", sections "Direct items", "Indirect items".
 */
import { firstIndex } from "../../base/first-index.ts";
import { Budget } from "../../base/budget.ts";
import { checkRange, targetOf, type ByteSource, type DiskRange } from "../../base/byte-source.ts";
import { CheckedReader } from "../../base/checked-reader.ts";
import { damaged } from "./damage.ts";
import { DIRECT, firstKeyOf, INDIRECT, isBehind, isOf } from "./key.ts";
import type { Item } from "./node.ts";
import { nameOf, type FilesystemObject } from "./object.ts";
import type { Tree } from "./tree.ts";

/** Bytes of a file that lie on the volume in one piece. */
interface Piece {
  /** The place in the file, in bytes. */
  readonly start: number;
  readonly length: number;
  /** The place on the volume, in bytes. */
  readonly at: number;
}

/** A boot file of 128 MiB in single blocks of 512 bytes has 262,144. */
const MAX_PIECES = 262_144;
const POINTER_SIZE = 4;

/** Reading throws FILESYSTEM_DAMAGED, OUT_OF_BOUNDS, BUDGET_EXCEEDED. */
export function contentOf(tree: Tree, object: FilesystemObject): ByteSource {
  const { size } = object;
  const what = `object ${nameOf(object.id)}`;
  let known: readonly Piece[] | null = null;
  /** Where the last read ended: files are read from front to back. */
  let current = 0;
  /** The piece that holds the byte, or else the next one; undefined behind the last. */
  const pieceAt = (offset: number): Piece | undefined => {
    const pieces = (known ??= readPieces(tree, object));
    const endsAfter = (index: number) => {
      const piece = pieces[index];
      return piece === undefined || piece.start + piece.length > offset;
    };
    const isIt = (index: number) => endsAfter(index) && (index === 0 || !endsAfter(index - 1));
    if (!isIt(current)) current = isIt(current + 1) ? current + 1 : firstIndex(pieces.length, endsAfter);
    return pieces[current];
  };
  return {
    size,
    read(offset, length, into) {
      checkRange(offset, length, size, what);
      const target = targetOf(length, into);
      const end = offset + length;
      let at = offset;
      while (at < end) {
        const piece = pieceAt(at);
        const start = piece?.start ?? end;
        if (piece === undefined || at < start) {
          const holeEnd = Math.min(end, start);
          target.fill(0, at - offset, holeEnd - offset);
          at = holeEnd;
        } else {
          const pieceEnd = Math.min(end, start + piece.length);
          const part = target.subarray(at - offset, pieceEnd - offset);
          tree.source.read(piece.at + (at - start), part.length, part);
          at = pieceEnd;
        }
      }
      return target;
    },
    onDisk(offset, length): DiskRange | null {
      checkRange(offset, length, size, what);
      const piece = pieceAt(offset);
      if (piece === undefined || piece.start > offset) return null;
      const inPiece = offset - piece.start;
      return tree.source.onDisk?.(piece.at + inPiece, Math.min(length, piece.length - inPiece)) ?? null;
    },
  };
}

function readPieces(tree: Tree, { id, size }: FilesystemObject): readonly Piece[] {
  const pieces: Piece[] = [];
  const budget = new Budget("pieces of a file", MAX_PIECES);
  /** Where the last item ended. */
  let covered = 0;
  for (const item of tree.itemsFrom(firstKeyOf(id))) {
    const { key } = item;
    if (!isOf(key, id)) {
      // The search may begin before the object.
      if (isBehind(key, id)) break;
      continue;
    }
    if (key.type !== INDIRECT && key.type !== DIRECT) continue;
    const start = key.offset - 1;
    if (start < covered) throw damaged(`two items of object ${nameOf(id)} hold the same bytes`);
    if (start >= size) break;
    covered = start + (key.type === DIRECT ? addDirect(item, start) : addIndirect(item, start));
  }
  return pieces;

  function addDirect({ body, at }: Item, start: number): number {
    add(start, body.length, at);
    // Tails of the newer format are filled up to multiples of eight bytes.
    return body.length;
  }

  function addIndirect({ body }: Item, start: number): number {
    const { blockSize, blockCount } = tree.superblock;
    const reader = new CheckedReader(body, "ReiserFS indirect item");
    const count = Math.floor(body.length / POINTER_SIZE);
    for (let index = 0; index < count; index++) {
      const block = reader.u32le(index * POINTER_SIZE, "block pointer");
      if (block >= blockCount) throw damaged(`object ${nameOf(id)} has block ${block} of ${blockCount}`);
      if (block !== 0) add(start + index * blockSize, blockSize, block * blockSize);
    }
    return count * blockSize;
  }

  function add(start: number, length: number, at: number): void {
    const inFile = Math.min(length, size - start);
    if (inFile <= 0) return;
    const last = pieces.at(-1);
    if (last !== undefined && last.start + last.length === start && last.at + last.length === at) {
      pieces[pieces.length - 1] = { ...last, length: last.length + inFile };
      return;
    }
    budget.spend();
    pieces.push({ start, length: inFile, at });
  }
}
