/**
 * The packers of Debian that judge our decompressors, and what they are given to pack.
 */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { memorySource } from "../../src/base/byte-source.ts";
import { asGuestbootError, type GuestbootError } from "../../src/base/errors.ts";
import { expandMember, recogniseCompression, type Compression } from "../../src/compress/compression.ts";

const PACKAGES: Readonly<Record<string, string>> = {
  gzip: "gzip",
  bzip2: "bzip2",
  xz: "xz-utils",
  lz4: "lz4",
  lzop: "lzop",
  zstd: "zstd",
  readelf: "binutils",
};

/** Runs `command`, words separated by spaces, and returns its standard output. */
export function pipe(command: string, input: Uint8Array = new Uint8Array(0)): Buffer {
  const [program = "", ...args] = command.split(" ");
  const done = spawnSync(program, args, { input, maxBuffer: 512 * 1024 * 1024 });
  if (done.error !== undefined && "code" in done.error && done.error.code === "ENOENT") {
    throw new Error(`${program} is missing: apt-get install ${PACKAGES[program] ?? program}`);
  }
  if (done.error !== undefined) throw done.error;
  if (done.status !== 0) throw new Error(`${command}: exit status ${done.status ?? "none"}: ${String(done.stderr)}`);
  return done.stdout;
}

export function accepts(command: string, input: Uint8Array): boolean {
  try {
    pipe(command, input);
    return true;
  } catch {
    return false;
  }
}

export interface Expanded {
  readonly compression: Compression;
  readonly bytes: Buffer;
  /** That the member took. */
  readonly length: number;
}

export async function expand(
  bytes: Uint8Array,
  { offset = 0, maximumBytes = 2 ** 30, as }: { offset?: number; maximumBytes?: number; as?: Compression } = {},
): Promise<Expanded> {
  const compression = as ?? recogniseCompression(bytes.subarray(offset, offset + 16));
  if (compression === null) throw new Error("not recognised");
  const member = expandMember(memorySource(bytes), offset, compression, { maximumBytes });
  const chunks: Uint8Array[] = [];
  for (;;) {
    const step = await member.next();
    if (step.done === true) return { compression, bytes: Buffer.concat(chunks), length: step.value };
    chunks.push(step.value);
  }
}

/** The error, as a value; null when there is none. */
export async function failure(work: Promise<unknown>): Promise<GuestbootError | null> {
  try {
    await work;
    return null;
  } catch (error) {
    return asGuestbootError(error);
  }
}

/** Numbers that are the same on every run (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

export function randomBytes(length: number, seed = 1): Buffer {
  const random = randomNumbers(seed);
  return Buffer.from(Uint8Array.from({ length }, () => random() * 256));
}

/** Words of a small language, and now and then some noise. */
export function textBytes(length: number, seed = 2): Buffer {
  const random = randomNumbers(seed);
  const words = Array.from({ length: 400 }, () => Math.floor(random() * 2 ** (4 + random() * 40)).toString(36));
  const pieces: string[] = [];
  for (let size = 0; size < length;) {
    const piece =
      random() < 0.01 ? String.fromCharCode(random() * 256) : `${words[Math.floor(random() ** 2 * 400)] ?? ""} `;
    pieces.push(piece);
    size += piece.length;
  }
  return Buffer.from(pieces.join(""), "latin1").subarray(0, length);
}

/** Machine code of this host, as the filters for jumps like it: the C library. */
export function machineCode(): Buffer {
  return fs.readFileSync("/usr/lib/x86_64-linux-gnu/libc.so.6");
}
