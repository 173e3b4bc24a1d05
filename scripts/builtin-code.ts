/**
 * The compiled code of the runtime's own modules. Node puts that of all of them (some 440, 3.9 MB) into a start-up
 * snapshot, and each start copies it all, needed or not: 900 page faults, a tenth to a fifth of what a start costs.
 * `node --build-snapshot-config` has `withoutCodeCache` for that, a single executable has nothing. So the build takes
 * out of the finished executable what no command of ours was seen to load. A module without its code works as before:
 * it is compiled when it is loaded.
 *
 * The code is a vector in the snapshot (`SnapshotSerializer` in Node's `src/node_snapshotable.cc`): the number of its
 * elements, then for each its name and its code, both with their length in front; all numbers are 64 bits, little
 * endian. It is the snapshot's last part, so what is behind the elements that stay is never read.
 */
import * as fs from "node:fs";

/** A module that is always there: from its element the others are found. */
const KNOWN = "internal/bootstrap/realm";
/** Bytes; the largest has some 100,000. */
const LARGEST_CODE = 4 * 1024 * 1024;
const LONGEST_NAME = 100;
const MOST_MODULES = 2000;
/** The first of V8's kept code; below it are 16 bits of the build. */
const MAGIC = 0xc0de;
const NUMBER_BYTES = 8;

interface Element {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

/**
 * Takes the code of all other modules out of the executable's snapshot.
 * @param kept by their names within Node, such as `internal/streams/readable`
 * @returns how many bytes each start needs no more
 * @throws Error for an executable that is laid out in another way
 */
export function keepBuiltinCode(executable: string, kept: ReadonlySet<string>): number {
  const program = fs.readFileSync(executable);
  const { at, elements } = findElements(program);
  const staying = elements.filter(({ name }) => kept.has(name));
  const count = Buffer.alloc(NUMBER_BYTES);
  count.writeBigUInt64LE(BigInt(staying.length));
  const vector = Buffer.concat([count, ...staying.map(({ start, end }) => program.subarray(start, end))]);
  const file = fs.openSync(executable, "r+");
  try {
    fs.writeSync(file, vector, 0, vector.length, at);
  } finally {
    fs.closeSync(file);
  }
  return (elements.at(-1)?.end ?? at) - at - vector.length;
}

/** @returns where the number of elements is, and the elements */
function findElements(program: Buffer): { readonly at: number; readonly elements: readonly Element[] } {
  const first = firstElement(program, knownElement(program));
  const at = first.start - NUMBER_BYTES;
  const count = numberAt(program, at);
  const elements: Element[] = [];
  for (let next: Element | null = first; next !== null && elements.length < MOST_MODULES;) {
    elements.push(next);
    next = elementAt(program, next.end);
  }
  if (elements.length !== count) {
    throw new Error(`${elements.length} modules' code in the snapshot, and ${count} by its own count (see KNOWN)`);
  }
  return { at, elements };
}

function knownElement(program: Buffer): Element {
  const name = Buffer.alloc(NUMBER_BYTES + KNOWN.length);
  name.writeBigUInt64LE(BigInt(KNOWN.length));
  name.write(KNOWN, NUMBER_BYTES, "latin1");
  // It is in other lists of the snapshot, too.
  for (let at = program.indexOf(name); at >= 0; at = program.indexOf(name, at + 1)) {
    const element = elementAt(program, at);
    if (element !== null) return element;
  }
  throw new Error(`the code of ${KNOWN} is not in the snapshot`);
}

function firstElement(program: Buffer, known: Element): Element {
  let first = known;
  for (let steps = 0; steps < MOST_MODULES; steps++) {
    const before = elementBefore(program, first.start);
    if (before === null) break;
    first = before;
  }
  return first;
}

/** The element that ends at `end`. */
function elementBefore(program: Buffer, end: number): Element | null {
  for (let at = end - 1; at >= Math.max(0, end - LARGEST_CODE); at--) {
    const element = elementAt(program, at);
    if (element?.end === end) return element;
  }
  return null;
}

function elementAt(program: Buffer, start: number): Element | null {
  const length = numberAt(program, start);
  if (length === null || length < 1 || length > LONGEST_NAME) return null;
  const sizeAt = start + NUMBER_BYTES + length;
  const size = numberAt(program, sizeAt);
  if (size === null || size < 4 || size > LARGEST_CODE) return null;
  const code = sizeAt + NUMBER_BYTES;
  if (code + size > program.length || program.readUInt32LE(code) >>> 16 !== MAGIC) return null;
  return { name: program.toString("latin1", start + NUMBER_BYTES, sizeAt), start, end: code + size };
}

/** @returns null where no number is that small, or the file ends */
function numberAt(program: Buffer, at: number): number | null {
  if (at < 0 || at + NUMBER_BYTES > program.length || program.readUInt32LE(at + 4) !== 0) return null;
  return program.readUInt32LE(at);
}
