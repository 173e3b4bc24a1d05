/**
 * A file of a repository, through the cache: one conditional request when a copy is there, a download when not.
 */
import { GuestbootError } from "../base/errors.ts";
import type { Progress } from "../base/progress.ts";
import type { FetchResult, Repository } from "../repository/repository.ts";
import type { Store, StoredFile } from "../store/store.ts";

export interface ObtainOptions {
  readonly repository: Repository;
  readonly store: Store;
  readonly progress: Progress;
  readonly signal?: AbortSignal | undefined;
}

/** @returns the stored file, or null when the repository has no such file. @throws what repository and store throw */
export async function obtain(path: string, options: ObtainOptions): Promise<StoredFile | null> {
  const { repository, store, progress, signal } = options;
  const key = repository.addressOf(path);
  const stored = store.find(key);
  const result = await repository.fetch(path, { unless: stored?.validators, signal });
  switch (result.outcome) {
    case "missing":
      return null;
    case "unchanged":
      if (stored === null) throw new GuestbootError("REPOSITORY_REFUSED", `${result.url}: "not modified", unasked`);
      progress.say(`${key}: unchanged, from the cache`);
      store.touch(key, new Date());
      return stored;
    case "content":
      return download(key, result, options);
  }
}

async function download(
  key: string,
  result: Extract<FetchResult, { outcome: "content" }>,
  { store, progress }: ObtainOptions,
): Promise<StoredFile> {
  const transfer = progress.transfer(key, result.facts.size);
  try {
    const stored = await store.write(key, result.facts, result.body, (bytes) => transfer.advance(bytes));
    transfer.end("done");
    return stored;
  } catch (error) {
    transfer.end("failed");
    throw error;
  }
}
