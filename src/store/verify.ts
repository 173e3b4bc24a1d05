/**
 * Reads everything in the store and says what is not what it should be.
 */
import { join } from "node:path";
import { contentFile, contentFiles, markOf, namesIn } from "./content.ts";
import { digestOfFile } from "./digest.ts";
import { readEntry } from "./index-entry.ts";
import { removeIfThere } from "./temporary.ts";

/** `damaged`: its bytes are not what its name says. `missing`: an entry stands for content that is not there. */
export interface BadFile {
  readonly problem: "damaged" | "missing" | "unreadable entry";
  readonly path: string;
  /** Where it came from, as far as that is known. */
  readonly urls: readonly string[];
}

export interface Verified {
  /** Files of content that were read. */
  readonly files: number;
  /** Bytes that were read. */
  readonly bytes: number;
  readonly bad: readonly BadFile[];
}

/**
 * @param repair removes what is bad, so that it is fetched again
 * @param onBytes is told after each file how many bytes it had
 */
export function verifyStore(
  storeFolder: string,
  { repair = false, onBytes = () => undefined }: { repair?: boolean; onBytes?: (count: number) => void } = {},
): Verified {
  const index = join(storeFolder, "index");
  const bad: BadFile[] = [];
  const urlsByContent = new Map<string, string[]>();
  const entriesByContent = new Map<string, string[]>();
  for (const name of namesIn(index)) {
    const file = join(index, name);
    const entry = readEntry(file);
    if (entry?.kind === "absence") continue;
    if (entry === null) {
      bad.push({ problem: "unreadable entry", path: file, urls: [] });
      if (repair) removeIfThere(file);
      continue;
    }
    const path = contentFile(storeFolder, entry.digest);
    urlsByContent.set(path, [...(urlsByContent.get(path) ?? []), entry.url]);
    entriesByContent.set(path, [...(entriesByContent.get(path) ?? []), file]);
    if (markOf(path, entry.size) !== null) continue;
    bad.push({ problem: "missing", path, urls: [entry.url] });
    if (repair) removeIfThere(file);
  }
  let [files, bytes] = [0, 0];
  for (const { path, digest, size } of contentFiles(storeFolder)) {
    files += 1;
    bytes += size;
    if (!isWhole(path, digest)) {
      bad.push({ problem: "damaged", path, urls: urlsByContent.get(path) ?? [] });
      if (repair) [path, ...(entriesByContent.get(path) ?? [])].forEach(removeIfThere);
    }
    onBytes(size);
  }
  return { files, bytes, bad };
}

function isWhole(path: string, digest: string): boolean {
  try {
    return digestOfFile(path) === digest;
  } catch {
    return false;
  }
}
