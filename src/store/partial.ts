/**
 * Transfers that broke off, kept so that the next start asks only for the rest.
 *
 * Beside the bytes stands what the source said of the file, in `partial/`; above all its entity tag, without which
 * nobody may ask for a rest: it could be another build's. While the bytes come they lie in `tmp/`. Bytes that were
 * written before this host was started last are not used: a power failure may have taken some of them.
 */
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { namesIn } from "./content.ts";
import { digestOf, hexOf } from "./digest.ts";
import { isLeft, removeIfThere } from "./temporary.ts";

/** What has come of a file. */
export interface PartialTransfer {
  /** The bytes that have come. */
  readonly path: string;
  /** How many these are: more than none, fewer than `size`. */
  readonly bytes: number;
  /** Of the whole file. */
  readonly size: number;
  /** A strong entity tag (RFC 9110, section 8.8.3). */
  readonly etag: string;
}

export interface WholeFile {
  readonly etag: string;
  /** Bytes. */
  readonly size: number;
}

/** Below this a transfer is begun anew: asking for a rest would save nothing. Bytes. */
export const LEAST_PARTIAL = 1024 * 1024;

/** Milliseconds. Nobody has asked for the file for as long. */
const STALE_AFTER = 24 * 3600 * 1000;
const VERSION = 1;

export function isStrong(etag: string | null): etag is string {
  return etag !== null && /^"[^"]*"$/.test(etag);
}

/** Says that the transfer of `key` comes into `tmp/NAME`. */
export function notePartial(storeFolder: string, key: string, whole: WholeFile, name: string): void {
  const { note, bytes } = placesOf(storeFolder, key);
  mkdirSync(join(storeFolder, "partial"), { recursive: true, mode: 0o755 });
  removeIfThere(bytes);
  const fields = { version: VERSION, key, etag: whole.etag, size: whole.size, name, boot: bootId() };
  writeFileSync(note, `${JSON.stringify(fields)}\n`, { mode: 0o644 });
}

/** What an earlier transfer of `key` has left; null for nothing that can be used. */
export function findPartial(storeFolder: string, key: string): PartialTransfer | null {
  const places = placesOf(storeFolder, key);
  const note = readNote(places.note);
  if (note === null || note.key !== key) return null;
  const waiting = join(storeFolder, "tmp", note.name);
  const path = [places.bytes, waiting].find((each) => statSync(each, { throwIfNoEntry: false })?.isFile() === true);
  if (path === undefined || (path === waiting && !isLeft(note.name))) return null;
  const bytes = statSync(path).size;
  return bytes > 0 && bytes < note.size ? { path, bytes, size: note.size, etag: note.etag } : null;
}

/** The transfer has broken off: what came is kept, if that is worth it. True when `temporary` has been moved. */
export function keepPartial(storeFolder: string, key: string, temporary: string): boolean {
  const { note, bytes } = placesOf(storeFolder, key);
  const known = readNote(note);
  const size = statSync(temporary, { throwIfNoEntry: false })?.size ?? 0;
  if (known === null || size < LEAST_PARTIAL || size >= known.size) {
    dropPartial(storeFolder, key);
    return false;
  }
  renameSync(temporary, bytes);
  return true;
}

export function dropPartial(storeFolder: string, key: string): void {
  const { note, bytes } = placesOf(storeFolder, key);
  removeIfThere(note);
  removeIfThere(bytes);
}

/** Moves what killed processes have left in `tmp/` to where it waits for the next try; old ones go. */
export function sweepPartials(storeFolder: string): void {
  const folder = join(storeFolder, "partial");
  for (const name of namesIn(folder)) {
    const hex = /^([0-9a-f]{64})\.(?:json|part)$/.exec(name)?.[1];
    if (hex === undefined) continue;
    const [noteFile, bytes] = [join(folder, `${hex}.json`), join(folder, `${hex}.part`)];
    const note = readNote(noteFile);
    const changed = statSync(join(folder, name), { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
    if (note === null || Date.now() - changed > STALE_AFTER) {
      // A note that is being written right now is not readable yet; its bytes are not here either.
      if (note !== null || Date.now() - changed > 60_000) [noteFile, bytes].forEach(removeIfThere);
      continue;
    }
    const waiting = join(storeFolder, "tmp", note.name);
    if (name.endsWith(".json") && isLeft(note.name) && statSync(waiting, { throwIfNoEntry: false }) !== undefined) {
      keepPartial(storeFolder, note.key, waiting);
    }
  }
}

function placesOf(storeFolder: string, key: string): { readonly note: string; readonly bytes: string } {
  const hex = hexOf(digestOf(key));
  return { note: join(storeFolder, "partial", `${hex}.json`), bytes: join(storeFolder, "partial", `${hex}.part`) };
}

interface Note extends WholeFile {
  readonly key: string;
  /** In `tmp/`. */
  readonly name: string;
}

function readNote(file: string): Note | null {
  try {
    const parsed: unknown = JSON.parse(readFileSync(file, "utf8"));
    if (typeof parsed !== "object" || parsed === null) return null;
    const fields = new Map<string, unknown>(Object.entries(parsed));
    const [key, etag, size, name] = [fields.get("key"), fields.get("etag"), fields.get("size"), fields.get("name")];
    if (fields.get("version") !== VERSION || fields.get("boot") !== bootId()) return null;
    if (typeof key !== "string" || typeof etag !== "string" || !isStrong(etag)) return null;
    if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) return null;
    if (typeof name !== "string" || !/^[\w.%~!'()*-]{1,255}$/.test(name)) return null;
    return { key, etag, size, name };
  } catch {
    return null;
  }
}

/** Changes with each start of the host: random(4). */
export function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch {
    return "unknown";
  }
}
