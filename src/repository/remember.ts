/**
 * A repository whose answers are remembered, so that many may ask for the same index or kernel and the server is asked
 * once. Only answers are: a failure may be gone at the next try.
 */
import type { FileFacts, Repository } from "./repository.ts";

/** As many paths as that; a layout check of everything asks for some hundreds. */
const MOST_ANSWERS = 10_000;

export function remembering(repository: Repository): Repository {
  const answers = new Map<string, FileFacts | null>();
  const remember = (path: string, facts: FileFacts | null) => {
    if (answers.size < MOST_ANSWERS) answers.set(path, facts);
    return facts;
  };
  return {
    get address() {
      return repository.address;
    },
    addressOf: (path) => repository.addressOf(path),
    async look(path, signal) {
      signal?.throwIfAborted();
      const known = answers.get(path);
      return known === undefined ? remember(path, await repository.look(path, signal)) : known;
    },
    async fetch(path, options = {}) {
      options.signal?.throwIfAborted();
      if (answers.get(path) === null) return { outcome: "missing", url: repository.addressOf(path) };
      const result = await repository.fetch(path, options);
      if (result.outcome === "missing") remember(path, null);
      if (result.outcome === "content") remember(path, result.facts);
      return result;
    },
    [Symbol.asyncDispose]: () => repository[Symbol.asyncDispose](),
  };
}
