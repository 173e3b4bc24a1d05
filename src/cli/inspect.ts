/**
 * `guestboot inspect`: what a file is and holds.
 */
import { GuestbootError } from "../base/errors.ts";
import { setReadLimits } from "../base/limits.ts";
import { printable } from "../base/printable.ts";
import { readSettings } from "../base/settings.ts";
import { encodeText } from "../base/text.ts";
import type { Member } from "../initrd/members.ts";
import { kernelLines } from "../kernel/describe.ts";
import { extractFrom, inspectFile, type Inspected, type InspectedFile } from "../pipeline/inspect.ts";
import { onlyOperand, readArguments, wants } from "./arguments.ts";
import { cancellation } from "./cancellation.ts";
import { diskLines } from "./disk-words.ts";
import { helpOf } from "./help.ts";
import { limitOf } from "./limit.ts";
import { printJson, reporting } from "./report.ts";

const OPTIONS = {
  list: { type: "boolean" },
  extract: { type: "string" },
  "max-size-mb": { type: "string" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
  debug: { type: "boolean" },
} as const;

export async function runInspect(argv: readonly string[]): Promise<number> {
  const json = wants(argv, "--json");
  return reporting("inspect", { json }, async () => {
    const { values, positionals } = readArguments(argv, OPTIONS);
    if (values.help === true) {
      process.stdout.write(helpOf("inspect"));
      return;
    }
    const file = onlyOperand(positionals, "FILE");
    const settings = await readSettings(process.env);
    setReadLimits(settings.limits);
    using cancelled = cancellation("nothing was changed");
    const limits = { maximumBytes: limitOf(values["max-size-mb"], settings.maxInitrdSize), signal: cancelled.signal };
    if (values.extract !== undefined) {
      if (json || values.list === true) {
        throw new GuestbootError("USAGE", "--extract prints the file's bytes and goes with neither --json nor --list");
      }
      await extractFrom(file, values.extract, limits, writeOut);
      return;
    }
    const files: InspectedFile[] = [];
    const found = await inspectFile(file, limits, values.list === true ? (each) => void files.push(each) : null);
    if (json) printJson(values.list === true ? { ...found, list: files.map(plain) } : found);
    else if (values.list === true) for (const each of files) process.stdout.write(`${lineOf(each)}\n`);
    else process.stdout.write(`${wordsOf(found).join("\n")}\n`);
  });
}

/** Waits for a slow reader, so that a large file is not kept in memory. */
async function writeOut(bytes: Uint8Array): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  process.stdout.write(bytes, (error) => {
    if (error === undefined || error === null) resolve(undefined);
    else reject(new GuestbootError("OUTPUT_FAILED", "standard output cannot be written", { cause: error }));
  });
  await promise;
}

function wordsOf(found: Inspected): string[] {
  switch (found.kind) {
    case "disk":
      return diskLines(found);
    case "kernel":
      return [...kernelLines(found)];
    case "initrd":
      return [
        `initrd, ${bytesOf(found.size)}: ${counted(found.members.length, "member")}, ${counted(found.files, "name")}`,
        ...found.members.map(memberLine),
        ...moduleLines(found.modules),
      ];
    case "ext2 ramdisk": {
      const packed = found.compression === null ? "" : `, ${found.compression} of ${bytesOf(found.expandedSize)}`;
      return [
        `ext2 ramdisk, ${bytesOf(found.size)}${packed}: ${counted(found.files, "name")}`,
        ...moduleLines(found.modules),
      ];
    }
  }
}

function memberLine({ index, offset, length, compression, size, content, archives, records }: Member): string {
  const packed = compression === null ? "uncompressed" : `${compression} of ${bytesOf(size)}`;
  const more = archives > 1 ? ` in ${archives} archives` : "";
  const holds = content === "ext2" ? "an ext2 image" : `${counted(records, "name")}${more}`;
  return `  ${index + 1}: bytes ${offset} to ${offset + length}, ${packed}, ${holds}`;
}

function moduleLines(modules: readonly { readonly version: string; readonly count: number }[]): string[] {
  return modules.map(({ version, count }) => `kernel ${printable(version)}: ${counted(count, "module")}`);
}

/** As ls -l has it, as far as it is known. */
function lineOf({ mode, uid, gid, size, path, target, kind }: InspectedFile): string {
  const arrow = typeof target === "string" ? ` -> ${printable(target)}` : "";
  const owner = mode === undefined ? kind.padEnd(10) : `${modeWord(mode)} ${String(uid)}:${String(gid)}`;
  return `${owner} ${String(size).padStart(10)} ${printable(path)}${arrow}`;
}

const LETTERS: Readonly<Record<number, string>> = { 1: "p", 2: "c", 4: "d", 6: "b", 8: "-", 10: "l", 12: "s" };

/** `-rwxr-xr-x` */
function modeWord(mode: number): string {
  const bits = ["r", "w", "x", "r", "w", "x", "r", "w", "x"].map((letter, index) =>
    (mode >> (8 - index)) & 1 ? letter : "-",
  );
  const special = (index: number, bit: number, letter: string) => {
    if ((mode & bit) === 0) return;
    bits[index] = bits[index] === "x" ? letter : letter.toUpperCase();
  };
  special(2, 0o4000, "s");
  special(5, 0o2000, "s");
  special(8, 0o1000, "t");
  return `${LETTERS[mode >> 12] ?? "?"}${bits.join("")}`;
}

/** Names that are not UTF-8 cannot stand in JSON as they are. */
function plain(file: InspectedFile): InspectedFile {
  return { ...file, path: Buffer.from(encodeText(file.path)).toString() };
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

function bytesOf(count: number): string {
  return `${count} bytes`;
}
