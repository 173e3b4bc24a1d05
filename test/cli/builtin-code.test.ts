/** What the build takes out of a start-up snapshot, on a made-up one. */
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, expect, test } from "vitest";
import { keepBuiltinCode } from "../../scripts/builtin-code.ts";
import { temporaryFolder } from "../program.ts";

const folder = temporaryFolder();
afterAll(() => folder[Symbol.dispose]());

const MODULES = ["assert", "fs", "internal/bootstrap/realm", "net", "zlib"];

test("the code of the modules that are kept moves to the front, and the number of modules says so", () => {
  const file = snapshotWith(MODULES, MODULES.length);
  const saved = keepBuiltinCode(file, new Set(["fs", "zlib", "no such module"]));
  const after = fs.readFileSync(file);
  const kept = Buffer.concat([numberOf(2), elementOf("fs"), elementOf("zlib")]);
  expect(after.subarray(BEFORE.length, BEFORE.length + kept.length)).toEqual(kept);
  expect(saved).toBe(
    ["assert", "internal/bootstrap/realm", "net"].reduce((sum, name) => sum + elementOf(name).length, 0),
  );
});

test("what is before and behind the code stays where it is", () => {
  const file = snapshotWith(MODULES, MODULES.length);
  const before = fs.readFileSync(file);
  keepBuiltinCode(file, new Set());
  const after = fs.readFileSync(file);
  expect(after).toHaveLength(before.length);
  expect(after.subarray(0, BEFORE.length)).toEqual(BEFORE);
  expect(after.subarray(-BEHIND.length)).toEqual(BEHIND);
});

test.each([
  { what: "a number of modules that is another", modules: MODULES, count: 4, message: "5 modules' code" },
  {
    what: "no code of a module that is always there",
    modules: ["fs", "net"],
    count: 2,
    message: "internal/bootstrap/realm",
  },
])("a snapshot with $what is refused, and left as it is", ({ modules, count, message }) => {
  const file = snapshotWith(modules, count);
  const before = fs.readFileSync(file);
  expect(() => keepBuiltinCode(file, new Set(["fs"]))).toThrow(message);
  expect(fs.readFileSync(file)).toEqual(before);
});

/** Other parts of a snapshot; a name without code is in it, too. */
const BEFORE = Buffer.concat([
  Buffer.alloc(100, 0xff),
  numberOf(24),
  Buffer.from("internal/bootstrap/realm"),
  Buffer.alloc(64, 0xff),
]);
const BEHIND = Buffer.from("what is behind the snapshot");

function snapshotWith(modules: readonly string[], count: number): string {
  const file = path.join(folder.path, "executable");
  fs.writeFileSync(file, Buffer.concat([BEFORE, numberOf(count), ...modules.map(elementOf), BEHIND]));
  return file;
}

/** As Node's own: name and code, each behind its length; the code begins with V8's number for it. */
function elementOf(name: string): Buffer {
  const code = Buffer.alloc(1000 + name.length, name);
  code.writeUInt32LE(0xc0de_06a9);
  return Buffer.concat([numberOf(name.length), Buffer.from(name), numberOf(code.length), code]);
}

function numberOf(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}
