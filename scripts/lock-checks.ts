/**
 * The runtime is built with Abseil's check for locks that are taken in an order that may deadlock. It is meant for
 * debugging: the first lock of each process makes a graph of a megabyte, and each one after it is looked up there. That
 * is one in twenty of a bare start's milliseconds, and no thread of ours learns anything from it, so the build sets the
 * variable that turns it off (`absl::SetMutexDeadlockDetectionMode(kIgnore)` would, but a program cannot call it that
 * early).
 *
 * The variable is found by its name in the executable's symbol table (System V ABI, "Symbol Table",
 * https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.symtab.html).
 */
import * as fs from "node:fs";

/** `absl::(anonymous namespace)::synch_deadlock_detection`, and what the compiler may add to it. */
const VARIABLE = /^_ZN4absl12_GLOBAL__N_124synch_deadlock_detectionE(\.\d+)?$/;
/** `absl::OnDeadlockCycle`: what it is, and what it becomes. */
const ABORT = 2;
const IGNORE = 0;

const ELF64_LITTLE_ENDIAN = "\x7fELF\x02\x01";
const SHT_SYMTAB = 2;
const PT_LOAD = 1;
const STT_OBJECT = 1;
const SYMBOL_BYTES = 24;

/**
 * Turns the check off in the executable.
 * @returns whether it was there; without a symbol table nothing is found, and nothing changed
 * @throws Error for a variable that is not what it is known to be
 */
export function leaveOutLockChecks(executable: string): boolean {
  const program = fs.readFileSync(executable);
  if (program.toString("latin1", 0, ELF64_LITTLE_ENDIAN.length) !== ELF64_LITTLE_ENDIAN) return false;
  const found = findVariables(program);
  if (found.length === 0) return false;
  const [address, ...others] = found;
  const at = address === undefined || others.length > 0 ? null : placeInFile(program, address);
  if (at === null || program.readUInt32LE(at) !== ABORT) {
    throw new Error("the runtime's variable for its check of locks is not as it was known (see lock-checks.ts)");
  }
  const value = Buffer.alloc(4);
  value.writeUInt32LE(IGNORE);
  const file = fs.openSync(executable, "r+");
  try {
    fs.writeSync(file, value, 0, value.length, at);
  } finally {
    fs.closeSync(file);
  }
  return true;
}

interface Section {
  readonly type: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
}

/** @returns the addresses of all variables of that name */
function findVariables(program: Buffer): readonly bigint[] {
  const sections = sectionsOf(program);
  const symbols = sections.find(({ type }) => type === SHT_SYMTAB);
  const names = symbols === undefined ? undefined : sections[symbols.link];
  if (symbols === undefined || names === undefined) return [];
  const found: bigint[] = [];
  for (let at = symbols.offset; at < symbols.offset + symbols.size; at += SYMBOL_BYTES) {
    if ((program.readUInt8(at + 4) & 0xf) !== STT_OBJECT) continue;
    const name = names.offset + program.readUInt32LE(at);
    if (VARIABLE.test(program.toString("latin1", name, program.indexOf(0, name)))) {
      found.push(program.readBigUInt64LE(at + 8));
    }
  }
  return found;
}

function sectionsOf(program: Buffer): readonly Section[] {
  const table = Number(program.readBigUInt64LE(0x28));
  const [bytes, count] = [program.readUInt16LE(0x3a), program.readUInt16LE(0x3c)];
  return Array.from({ length: count }, (_, index) => {
    const at = table + index * bytes;
    return {
      type: program.readUInt32LE(at + 4),
      offset: Number(program.readBigUInt64LE(at + 0x18)),
      size: Number(program.readBigUInt64LE(at + 0x20)),
      link: program.readUInt32LE(at + 0x28),
    };
  });
}

/** Where in the file that address is loaded from; null where no segment has it. */
function placeInFile(program: Buffer, address: bigint): number | null {
  const table = Number(program.readBigUInt64LE(0x20));
  const [bytes, count] = [program.readUInt16LE(0x36), program.readUInt16LE(0x38)];
  for (let index = 0; index < count; index++) {
    const at = table + index * bytes;
    const [offset, start] = [program.readBigUInt64LE(at + 8), program.readBigUInt64LE(at + 16)];
    const inFile = program.readBigUInt64LE(at + 32);
    const isHere = program.readUInt32LE(at) === PT_LOAD && address >= start && address + 4n <= start + inFile;
    if (isHere) return Number(offset + address - start);
  }
  return null;
}
