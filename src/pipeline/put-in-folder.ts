/**
 * An installation's files out of the cache into a folder of somebody's own, under the names that they have in the tree.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import type { TreeResolution } from "../distro/resolve.ts";
import { handOut } from "../store/hand-out.ts";
import type { StoredFile } from "../store/store.ts";

export interface PutFile {
  readonly stored: StoredFile;
  /** Where it lies now. */
  readonly target: string;
}

/** The kernel first, then the ramdisks in their order. @throws as `handOut` */
export function putInFolder({ candidate, kernel, ramdisks }: TreeResolution<StoredFile>, folder: string): PutFile[] {
  const targetOf = (below: string) => path.join(folder, path.posix.basename(below));
  const files = [
    { stored: kernel, target: targetOf(candidate.kernel) },
    ...ramdisks.map((stored, index) => ({ stored, target: targetOf(candidate.ramdisks[index] ?? "") })),
  ];
  for (const { stored, target } of files) replaceWith(stored, target);
  return files;
}

/** In one step: a fetch that fails half-way leaves what an earlier one put there. */
function replaceWith(stored: StoredFile, target: string): void {
  const fresh = `${target}.guestboot-${process.pid}`;
  try {
    handOut(stored.path, fresh);
    fs.renameSync(fresh, target);
  } finally {
    // rename(2) leaves both names where they are already the same file.
    fs.rmSync(fresh, { force: true });
  }
}
