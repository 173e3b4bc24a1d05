/**
 * A source put together from pieces of others: a logical volume, a disk image with a block map.
 */
import { checkRange, targetOf, type ByteSource } from "../base/byte-source.ts";
import { GuestbootError } from "../base/errors.ts";

/** What stands at one place, and for how many bytes from there on. */
export type Piece =
  | { readonly kind: "zeros"; readonly length: number }
  | { readonly kind: "stored"; readonly length: number; readonly source: ByteSource; readonly offset: number }
  /** Bytes that had to be made (expanded); they are copied before the next piece is asked for. */
  | { readonly kind: "made"; readonly length: number; readonly bytes: Uint8Array };

/**
 * @param pieceAt what stands at a byte of it; at least one byte, and it may reach past what is asked for
 * @throws (from its methods) OUT_OF_BOUNDS and what the sources throw
 */
export function mappedSource(
  size: number,
  what: string,
  pieceAt: (offset: number, wanted: number) => Piece,
): ByteSource {
  const next = (offset: number, wanted: number): Piece => {
    const piece = pieceAt(offset, wanted);
    // A piece of no length would keep the loop below for ever.
    if (!(piece.length >= 1)) {
      throw new GuestbootError("OUT_OF_BOUNDS", `${what}: nothing stands at byte ${offset}`);
    }
    return piece;
  };
  return {
    size,
    read(offset, length, into) {
      checkRange(offset, length, size, what);
      const target = targetOf(length, into);
      let done = 0;
      while (done < length) {
        const piece = next(offset + done, length - done);
        const part = target.subarray(done, done + Math.min(piece.length, length - done));
        fill(part, piece);
        done += part.length;
      }
      return target;
    },
    onDisk(offset, length) {
      checkRange(offset, length, size, what);
      if (length === 0) return null;
      const piece = next(offset, length);
      if (piece.kind !== "stored") return null;
      return piece.source.onDisk?.(piece.offset, Math.min(piece.length, length)) ?? null;
    },
  };
}

function fill(target: Uint8Array, piece: Piece): void {
  if (piece.kind === "zeros") target.fill(0);
  else if (piece.kind === "made") target.set(piece.bytes.subarray(0, target.length));
  else piece.source.read(piece.offset, target.length, target);
}
