/** What the build changes in the runtime's own data, on a made-up executable. */
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, expect, test } from "vitest";
import { leaveOutLockChecks } from "../../scripts/lock-checks.ts";
import { temporaryFolder } from "../program.ts";

const folder = temporaryFolder();
afterAll(() => folder[Symbol.dispose]());

const HEADER_BYTES = 64;
const SEGMENT_BYTES = 56;
const SECTION_BYTES = 64;
const SYMBOL_BYTES = 24;
const SEGMENT_AT = HEADER_BYTES;
const DATA_AT = SEGMENT_AT + SEGMENT_BYTES;
const DATA_BYTES = 64;
const SYMBOLS_AT = DATA_AT + DATA_BYTES;
/** Where its data is in memory. */
const ADDRESS = 0x400000n;

interface Symbol {
  readonly name: string;
  readonly value: number;
  readonly type?: number;
}

const VARIABLE = "_ZN4absl12_GLOBAL__N_124synch_deadlock_detectionE";

test.each([VARIABLE, `${VARIABLE}.0`])("%s becomes 0, and nothing else changes", (name) => {
  const before = executableWith([{ name, value: 2 }]);
  const after = Buffer.from(before);
  after.writeUInt32LE(0, DATA_AT);
  const file = written(before);
  expect(leaveOutLockChecks(file)).toBe(true);
  expect(fs.readFileSync(file)).toEqual(after);
});

test.each([
  { what: "no such variable", program: executableWith([{ name: "another", value: 2 }]) },
  { what: "a function of that name", program: executableWith([{ name: VARIABLE, value: 2, type: 2 }]) },
  { what: "no symbols", program: executableWith([]) },
  { what: "another format", program: Buffer.from("#!/bin/sh\n") },
])("what has $what is left as it is", ({ program }) => {
  const file = written(program);
  expect(leaveOutLockChecks(file)).toBe(false);
  expect(fs.readFileSync(file)).toEqual(program);
});

test.each([
  { what: "another value", program: executableWith([{ name: VARIABLE, value: 1 }]) },
  {
    what: "two of that name",
    program: executableWith([
      { name: VARIABLE, value: 2 },
      { name: `${VARIABLE}.1`, value: 2 },
    ]),
  },
  { what: "no place in the file", program: executableWith([{ name: VARIABLE, value: 2 }], 0x900000n) },
])("a variable with $what is refused, and the file left as it is", ({ program }) => {
  const file = written(program);
  expect(() => leaveOutLockChecks(file)).toThrow("not as it was known");
  expect(fs.readFileSync(file)).toEqual(program);
});

/** ELF of 64 bits: one segment with the symbols' values, a symbol table and its names. */
function executableWith(symbols: readonly Symbol[], moved = 0n): Buffer {
  const names = Buffer.from(`\0${symbols.map(({ name }) => `${name}\0`).join("")}`);
  const namesAt = SYMBOLS_AT + symbols.length * SYMBOL_BYTES;
  const sectionsAt = namesAt + names.length;
  const program = Buffer.alloc(sectionsAt + 3 * SECTION_BYTES);
  program.write("\x7fELF\x02\x01\x01", "latin1");
  program.writeBigUInt64LE(BigInt(SEGMENT_AT), 0x20);
  program.writeBigUInt64LE(BigInt(sectionsAt), 0x28);
  for (const [at, value] of [
    [0x36, SEGMENT_BYTES],
    [0x38, 1],
    [0x3a, SECTION_BYTES],
    [0x3c, 3],
  ] as const) {
    program.writeUInt16LE(value, at);
  }
  program.writeUInt32LE(1, SEGMENT_AT);
  for (const [at, value] of [
    [8, BigInt(DATA_AT)],
    [16, ADDRESS],
    [32, BigInt(DATA_BYTES)],
    [40, BigInt(DATA_BYTES)],
  ] as const) {
    program.writeBigUInt64LE(value, SEGMENT_AT + at);
  }
  for (const [index, { name, value, type = 1 }] of symbols.entries()) {
    const at = SYMBOLS_AT + index * SYMBOL_BYTES;
    program.writeUInt32LE(names.indexOf(`\0${name}\0`) + 1, at);
    program.writeUInt8(type, at + 4);
    program.writeBigUInt64LE(ADDRESS + moved + BigInt(4 * index), at + 8);
    program.writeUInt32LE(value, DATA_AT + 4 * index);
  }
  names.copy(program, namesAt);
  const section = (index: number, type: number, offset: number, size: number, link: number) => {
    const at = sectionsAt + index * SECTION_BYTES;
    program.writeUInt32LE(type, at + 4);
    program.writeBigUInt64LE(BigInt(offset), at + 0x18);
    program.writeBigUInt64LE(BigInt(size), at + 0x20);
    program.writeUInt32LE(link, at + 0x28);
  };
  section(1, 2, SYMBOLS_AT, symbols.length * SYMBOL_BYTES, 2);
  section(2, 3, namesAt, names.length, 0);
  return program;
}

function written(program: Buffer): string {
  const file = path.join(folder.path, "executable");
  fs.writeFileSync(file, program);
  return file;
}
