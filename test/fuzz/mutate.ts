/**
 * New inputs from old ones, by the changes that AFL's "havoc" stage made usual.
 */

export interface Mutator {
  /** Numbers from 0 to `bound` - 1. */
  readonly below: (bound: number) => number;
  readonly dictionary: readonly Uint8Array[];
  readonly largest: number;
  readonly isFixedSize: boolean;
}

/** Numbers at which formats' arithmetic goes wrong: limits of their fields, signs, powers of two. */
const EDGES = [
  0, 1, 2, 3, 4, 7, 8, 16, 31, 32, 63, 64, 100, 127, 128, 255, 256, 511, 512, 1023, 1024, 2047, 2048, 4095, 4096, 32767,
  32768, 65535, 65536, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff,
];

/** May change its input, which is a copy. */
type Change = (input: Uint8Array, mutator: Mutator, other: Uint8Array) => Uint8Array;

/** Changes `input`, or a copy; `other` is one more input, of which pieces may be taken. */
export function mutate(input: Uint8Array, other: Uint8Array, mutator: Mutator): Uint8Array {
  let result = input;
  const changes = mutator.isFixedSize ? IN_PLACE : ANY;
  // Sixteen changes of a short input leave nothing of it.
  for (let count = 1 << mutator.below(input.length < 64 ? 3 : 5); count > 0; count--) {
    const change = changes[mutator.below(changes.length)];
    if (change !== undefined) result = change(result, mutator, other);
  }
  return result.length > mutator.largest ? result.subarray(0, mutator.largest) : result;
}

const flipBit: Change = (input, { below }) => {
  const at = below(input.length);
  input[at] = (input[at] ?? 0) ^ (1 << below(8));
  return input;
};

const setByte: Change = (input, { below }) => {
  input[below(input.length)] = below(256);
  return input;
};

const addToByte: Change = (input, { below }) => {
  const at = below(input.length);
  input[at] = (input[at] ?? 0) + below(35) + 1;
  return input;
};

/** A number of 1, 2, 4 or 8 bytes, in either order of its bytes. */
const setNumber: Change = (input, { below }) => {
  const width = 1 << below(4);
  if (input.length < width) return input;
  const view = new DataView(input.buffer, input.byteOffset, input.length);
  const at = below(input.length - width + 1);
  const isLittle = below(2) === 0;
  const edge = EDGES[below(EDGES.length)] ?? 0;
  if (width === 1) view.setUint8(at, edge);
  else if (width === 2) view.setUint16(at, edge, isLittle);
  else if (width === 4) view.setUint32(at, edge, isLittle);
  else view.setBigUint64(at, BigInt(edge) << BigInt(below(33)), isLittle);
  return input;
};

/** Adds a small number to one of 2 or 4 bytes: off by one is where bounds break. */
const shiftNumber: Change = (input, { below }) => {
  const width = 2 << below(2);
  if (input.length < width) return input;
  const view = new DataView(input.buffer, input.byteOffset, input.length);
  const at = below(input.length - width + 1);
  const isLittle = below(2) === 0;
  const by = below(17) - 8;
  if (width === 2) view.setUint16(at, view.getUint16(at, isLittle) + by, isLittle);
  else view.setUint32(at, view.getUint32(at, isLittle) + by, isLittle);
  return input;
};

const overwriteByWord: Change = (input, { below, dictionary }) => {
  const word = dictionary[below(dictionary.length)];
  if (word === undefined || word.length > input.length) return input;
  input.set(word, below(input.length - word.length + 1));
  return input;
};

const copyPiece: Change = (input, { below }) => {
  const length = 1 + below(Math.min(input.length, 1 << (1 + below(10))));
  const from = below(input.length - length + 1);
  return input.copyWithin(below(input.length - length + 1), from, from + length);
};

const zeroPiece: Change = (input, { below }) => {
  const length = 1 + below(Math.min(input.length, 1 << (1 + below(10))));
  const at = below(input.length - length + 1);
  input.fill(below(4) === 0 ? 0xff : 0, at, at + length);
  return input;
};

const overwriteByOther: Change = (input, { below }, other) => {
  if (other.length === 0) return input;
  const length = 1 + below(Math.min(input.length, other.length, 1 << (1 + below(12))));
  const from = below(other.length - length + 1);
  // Images of one layout have their structures in the same places.
  const to = below(2) === 0 ? Math.min(from, input.length - length) : below(input.length - length + 1);
  input.set(other.subarray(from, from + length), to);
  return input;
};

const insertWord: Change = (input, { below, dictionary }) => {
  const word = dictionary[below(dictionary.length)];
  return word === undefined ? input : inserted(input, below(input.length + 1), word);
};

const insertPiece: Change = (input, { below }, other) => {
  const from = below(2) === 0 ? input : other;
  if (from.length === 0) return input;
  const length = 1 + below(Math.min(from.length, 1 << (1 + below(10))));
  const start = below(from.length - length + 1);
  return inserted(input, below(input.length + 1), from.slice(start, start + length));
};

const removePiece: Change = (input, { below }) => {
  if (input.length < 2) return input;
  const length = 1 + below(Math.min(input.length - 1, 1 << (1 + below(10))));
  const at = below(input.length - length + 1);
  return inserted(input.subarray(0, at), at, input.subarray(at + length));
};

const cutOff: Change = (input, { below }) => input.subarray(0, 1 + below(input.length));

function inserted(input: Uint8Array, at: number, piece: Uint8Array): Uint8Array {
  const result = new Uint8Array(input.length + piece.length);
  result.set(input.subarray(0, at));
  result.set(piece, at);
  result.set(input.subarray(at), at + piece.length);
  return result;
}

/** An empty input has no byte to change. */
const onBytes =
  (change: Change): Change =>
  (input, mutator, other) =>
    input.length === 0 ? Uint8Array.of(mutator.below(256)) : change(input, mutator, other);

const IN_PLACE = [
  flipBit,
  setByte,
  addToByte,
  setNumber,
  setNumber,
  shiftNumber,
  overwriteByWord,
  copyPiece,
  zeroPiece,
  overwriteByOther,
].map(onBytes);

const ANY = [...IN_PLACE, ...[insertWord, insertWord, insertPiece, removePiece, removePiece, cutOff].map(onBytes)];
