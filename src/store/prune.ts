/**
 * Makes the store smaller: what nobody has used for longest goes first, and what is in use never goes.
 *
 * In use is content with more than one name (a boot file or a pin is a link to it), what a start is about to hand out,
 * and what is on its way in. Boot files that are copies do not need their content any more.
 */
import { lstatSync, mkdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { contentFiles, namesIn, type ContentFile } from "./content.ts";
import type { Digest } from "./digest.ts";
import { readEntry } from "./index-entry.ts";
import { sweepPartials } from "./partial.ts";
import { sweepPins } from "./pins.ts";
import { isAlive, removeIfThere, sweepTemporaries, temporaryName } from "./temporary.ts";

export interface PruneLimits {
  /** Bytes of content that may stay; null for any number. */
  readonly maxSize: number | null;
  /** Seconds that a file may have been unused; null for any time. */
  readonly maxAge: number | null;
}

export interface PrunedFile {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly usedAt: Date;
  /** Where it came from; empty for content that no key stands for. */
  readonly urls: readonly string[];
}

export interface Pruned {
  readonly removed: readonly PrunedFile[];
  /** Bytes. */
  readonly freed: number;
  readonly left: number;
  /** Bytes that are above the limit and stay, because they are in use. */
  readonly kept: number;
}

export interface PruneOptions {
  /** Only says what would be removed. */
  readonly dryRun?: boolean | undefined;
  /** Content that stays whatever happens: what has just come. */
  readonly spare?: ReadonlySet<Digest> | undefined;
}

/** Milliseconds: how long a start may take from finding a file to its boot files. */
const ABOUT_TO_BE_USED = 120_000;
/** Milliseconds: how long a verdict on a signature is remembered at most. */
const VERDICTS_HOLD = 24 * 3600 * 1000;

export function pruneStore(
  storeFolder: string,
  { maxSize, maxAge }: PruneLimits,
  { dryRun = false, spare = new Set() }: PruneOptions = {},
): Pruned {
  if (!dryRun) {
    sweepStore(storeFolder);
    sweepOldVerdicts(storeFolder);
  }
  const candidates = readShelves(storeFolder).sort((one, other) => one.usedAt - other.usedAt);
  const now = Date.now();
  let left = candidates.reduce((sum, { file }) => sum + file.size, 0);
  const whole = left;
  const removed: PrunedFile[] = [];
  for (const candidate of candidates) {
    const { file, usedAt, urls } = candidate;
    const isTooOld = maxAge !== null && now - usedAt > maxAge * 1000;
    const isTooMuch = maxSize !== null && left > maxSize;
    if (!isTooOld && !isTooMuch) continue;
    if (file.links > 1 || spare.has(file.digest) || now - usedAt < ABOUT_TO_BE_USED) continue;
    if (!dryRun && !remove(storeFolder, candidate)) continue;
    left -= file.size;
    removed.push({ digest: file.digest, size: file.size, usedAt: new Date(usedAt), urls });
  }
  return { removed, freed: whole - left, left, kept: maxSize === null ? 0 : Math.max(0, left - maxSize) };
}

/** Removes what dead processes have left, but no content. */
export function sweepStore(storeFolder: string): void {
  sweepPins(storeFolder);
  sweepPartials(storeFolder);
  if (namesIn(join(storeFolder, "tmp")).length > 0) sweepTemporaries(join(storeFolder, "tmp"));
  for (const name of namesIn(join(storeFolder, "verified"))) {
    const writer = /\.json\.(\d+)$/.exec(name)?.[1];
    if (writer !== undefined && !isAlive(Number(writer))) removeIfThere(join(storeFolder, "verified", name));
  }
}

/** What was found of signatures is not looked at any more after a day. */
function sweepOldVerdicts(storeFolder: string): void {
  for (const name of namesIn(join(storeFolder, "verified"))) {
    const file = join(storeFolder, "verified", name);
    const madeAt = statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
    if (Date.now() - madeAt > VERDICTS_HOLD) removeIfThere(file);
  }
}

interface Candidate {
  readonly file: ContentFile;
  /** Milliseconds since 1970. */
  readonly usedAt: number;
  readonly urls: readonly string[];
  /** The entries that stand for it. */
  readonly entries: readonly string[];
}

function readShelves(storeFolder: string): Candidate[] {
  const index = join(storeFolder, "index");
  const byDigest = new Map<Digest, { file: string; url: string; usedAt: number }[]>();
  for (const name of namesIn(index)) {
    const file = join(index, name);
    const entry = readEntry(file);
    if (entry?.kind !== "file") continue;
    const usedAt = statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    byDigest.set(entry.digest, [...(byDigest.get(entry.digest) ?? []), { file, url: entry.url, usedAt }]);
  }
  return [...contentFiles(storeFolder)].map((file) => {
    const entries = byDigest.get(file.digest) ?? [];
    return {
      file,
      usedAt: Math.max(file.changedAt.getTime(), ...entries.map((each) => each.usedAt)),
      urls: entries.map((each) => each.url),
      entries: entries.map((each) => each.file),
    };
  });
}

/** False: somebody began to use it meanwhile, and it stays. */
function remove(storeFolder: string, { file, usedAt, entries }: Candidate): boolean {
  // Out of reach first, then a look whether anybody was quicker: who finds the entry now does not find the content.
  const aside = join(storeFolder, "tmp", temporaryName());
  try {
    mkdirSync(join(storeFolder, "tmp"), { recursive: true, mode: 0o755 });
    renameSync(file.path, aside);
  } catch {
    return false;
  }
  const isInUse =
    (lstatSync(aside, { throwIfNoEntry: false })?.nlink ?? 1) > 1 ||
    entries.some((each) => (statSync(each, { throwIfNoEntry: false })?.mtimeMs ?? 0) > usedAt);
  if (isInUse) {
    renameSync(aside, file.path);
    return false;
  }
  entries.forEach(removeIfThere);
  removeIfThere(aside);
  return true;
}
