/**
 * Memory that whoever takes bytes in lends to whoever receives them, so that they come to lie where they belong at once
 * and not in memory of their own first.
 */

/**
 * The memory that the next bytes belong in, which may be little; null: none now. Asked only when all bytes that were
 * handed on so far have been taken.
 */
export type Room = () => Uint8Array | null;

/**
 * Tells the source of a body of such memory. From then on a piece of the body may lie in it, or in memory of the source
 * that holds the bytes only until the next piece is asked for.
 */
export type Lend = (room: Room) => void;
