/**
 * A small text file of a repository: an index that tells what the tree holds.
 */
import { GuestbootError } from "../base/errors.ts";
import { decodeText } from "../base/text.ts";
import type { Repository } from "../repository/repository.ts";
import { poisoned } from "./poisoned.ts";

/** The largest indexes (a Debian `Release`, a SUSE `content`) have a few hundred kilobytes. */
const MAX_INDEX_SIZE = 4 * 1024 * 1024;

/** @returns null when the repository has no such file. @throws FILE_TOO_LARGE; what the repository throws */
export function readRepositoryText(repository: Repository, path: string, signal?: AbortSignal): Promise<string | null> {
  return poisoned(readText(repository, path, signal));
}

async function readText(repository: Repository, path: string, signal?: AbortSignal): Promise<string | null> {
  const result = await repository.fetch(path, { signal });
  if (result.outcome !== "content") return null;
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of result.body) {
    size += piece.length;
    if (size > MAX_INDEX_SIZE) {
      throw new GuestbootError("FILE_TOO_LARGE", `${result.facts.url}: an index of more than ${MAX_INDEX_SIZE} bytes`);
    }
    pieces.push(piece);
  }
  return decodeText(Buffer.concat(pieces));
}
