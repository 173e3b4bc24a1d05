/**
 * Remembers in the cache folder what signatures were found to be, so that a start that sees the same index again with
 * the same keyrings need not load the OpenPGP library, which takes longer than the rest of the start.
 *
 * What was found is remembered by everything that it depends on: the signed bytes, the signature, and the keyrings as
 * they are (path, size, time of change). It is forgotten when the key expires, and after a day at the latest, since
 * clocks move. The folder is as trusted as the cached files beside it: who can write there needs no forged signature.
 * What cannot be read counts as absent, and a folder that cannot be written remembers nothing.
 */
import type { Verdict } from "./signature.ts";

export interface RememberedCheck {
  /** The text that the signature covers; null for a detached one, where the caller has it. */
  readonly text: string | null;
  readonly verdict: Verdict;
}

export interface VerdictMemory {
  find(key: string): RememberedCheck | null;
  /** @param until milliseconds since 1970 */
  put(key: string, check: RememberedCheck, until: number): void;
}

/** Bound to the program's version of the rules: raised when a signature's verdict may change. */
const RULES = 1;
const LONGEST_MS = 24 * 60 * 60 * 1000;
const LARGEST_FILE = 16 * 1024 * 1024;
const MOST_FILES = 200;

export const NO_MEMORY: VerdictMemory = { find: () => null, put: () => undefined };

/** @param folder is made when something is remembered */
export function openVerdictMemory(folder: string): VerdictMemory {
  const fs = process.getBuiltinModule("node:fs");
  return {
    find(key) {
      const file = fileOf(folder, key);
      try {
        if (fs.statSync(file).size > LARGEST_FILE) return null;
        return readCheck(fs.readFileSync(file, "utf8"), key);
      } catch {
        return null;
      }
    },
    put(key, check, until) {
      const now = Date.now();
      const kept = { rules: RULES, key, now, until: Math.min(until, now + LONGEST_MS), sum: sumOf(check), check };
      const file = fileOf(folder, key);
      const fresh = `${file}.${process.pid}`;
      try {
        fs.mkdirSync(folder, { recursive: true, mode: 0o755 });
        sweep(folder, now);
      } catch {
        return;
      }
      try {
        fs.writeFileSync(fresh, JSON.stringify(kept), { mode: 0o644, flag: "wx" });
        fs.renameSync(fresh, file);
      } catch {
        fs.rmSync(fresh, { force: true });
      }
    },
  };
}

/** A name for everything that a verdict depends on. */
export function memoryKey(parts: readonly (string | Uint8Array)[]): string {
  const hash = process.getBuiltinModule("node:crypto").createHash("sha256");
  for (const part of parts) hash.update(`${part.length} `).update(part);
  return hash.digest("hex");
}

function fileOf(folder: string, key: string): string {
  return `${folder}/${key}.json`;
}

/** A file torn by a power failure does not read as what it was. */
function sumOf(check: unknown): string {
  return memoryKey([JSON.stringify(check)]);
}

function readCheck(json: string, key: string): RememberedCheck | null {
  const kept: unknown = JSON.parse(json);
  if (!isRecord(kept) || kept["rules"] !== RULES || kept["key"] !== key || kept["sum"] !== sumOf(kept["check"])) {
    return null;
  }
  const { now, until, check } = kept;
  const time = Date.now();
  // Made in the future: a clock was wrong.
  if (typeof now !== "number" || typeof until !== "number" || now > time || until <= time) return null;
  return isCheck(check) ? check : null;
}

function isCheck(value: unknown): value is RememberedCheck {
  if (!isRecord(value) || !(value["text"] === null || typeof value["text"] === "string")) return false;
  const verdict = value["verdict"];
  if (!isRecord(verdict)) return false;
  const { kind, signers, reasons } = verdict;
  if (kind === "unproven") return Array.isArray(reasons) && reasons.every((reason) => typeof reason === "string");
  return kind === "signed" && Array.isArray(signers) && signers.length > 0 && signers.every(isSigner);
}

function isSigner(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { keyId, name, isExpired, expires } = value;
  const isNamed = typeof keyId === "string" && (name === null || typeof name === "string");
  return isNamed && typeof isExpired === "boolean" && (expires === null || typeof expires === "number");
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

/** Old ones go, and all of them when they are too many. */
function sweep(folder: string, now: number): void {
  const fs = process.getBuiltinModule("node:fs");
  const names = fs.readdirSync(folder);
  for (const name of names) {
    const file = `${folder}/${name}`;
    const made = fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? now;
    if (names.length > MOST_FILES || Math.abs(now - made) > LONGEST_MS) fs.rmSync(file, { force: true });
  }
}
