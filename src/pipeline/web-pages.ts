/**
 * A repository in which a web page counts as a file that is not there. Many servers answer 200 with a page of words
 * where they have no file (an error page, a login, the listing of a folder), and a guest that is given one for its
 * kernel fails without a word. What a file is beyond that is not looked at here.
 */
import { serversWords } from "../kernel/what-else.ts";
import type { FetchOptions, FetchResult, FileFacts, Repository } from "../repository/repository.ts";

export interface CheckedRepository extends Repository {
  /** Why a path that the server answered for counts as not there: "a web page". null where there is no more to say. */
  remark(path: string): string | null;
}

/** Bytes that show what a page is; its title stands in them. */
const ENOUGH = 1024;

/** Costs a start nothing; `look` asks each server once for a file that cannot be there. */
export function withoutWebPages(repository: Repository): CheckedRepository {
  const pages = new Map<string, string>();
  let honest: Promise<boolean> | null = null;
  const isHonest = () => (honest ??= saysMissing(repository));

  const fetch = async (path: string, options?: FetchOptions): Promise<FetchResult> => {
    const result = await repository.fetch(path, options);
    // Some of the indexes are XML, which begins as a page may.
    if (result.outcome !== "content" || path.endsWith(".xml")) return result;
    const { start, body } = await begun(result.body);
    const page = pageIn(start);
    if (page === null) return { ...result, body };
    await body.return(undefined);
    pages.set(path, page);
    return { outcome: "missing", url: result.facts.url };
  };

  const look = async (path: string, signal?: AbortSignal): Promise<FileFacts | null> => {
    const facts = await repository.look(path, signal);
    if (facts === null || !isFromWeb(facts)) return facts;
    if (facts.url.endsWith("/") && !path.endsWith("/")) {
      pages.set(path, "a folder");
      return null;
    }
    if (await isHonest()) return facts;
    const result = await fetch(path, { signal });
    if (result.outcome !== "content") return null;
    await result.body[Symbol.asyncIterator]().return?.();
    return facts;
  };

  return {
    get address() {
      return repository.address;
    },
    addressOf: (path) => repository.addressOf(path),
    look,
    fetch,
    remark: (path) => pages.get(path) ?? null,
    [Symbol.asyncDispose]: () => repository[Symbol.asyncDispose](),
  };
}

function isFromWeb({ url }: FileFacts): boolean {
  return /^https?:/i.test(url);
}

/** A server that has a file of a name which nobody has thought of before answers for anything. */
async function saysMissing(repository: Repository): Promise<boolean> {
  const { randomUUID } = process.getBuiltinModule("node:crypto");
  try {
    return (await repository.look(`.guestboot-${randomUUID()}`)) === null;
  } catch {
    // What is wrong there shows at the files that are wanted.
    return true;
  }
}

function pageIn(start: Uint8Array): string | null {
  const words = serversWords(start);
  return words !== null && /^a (?:web page|directory listing)/.test(words) ? words : null;
}

/** The first bytes of a body, and the body with them. */
async function begun(
  body: AsyncIterable<Uint8Array>,
): Promise<{ readonly start: Uint8Array; readonly body: AsyncGenerator<Uint8Array> }> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  const rest = body[Symbol.asyncIterator]();
  while (length < ENOUGH) {
    const next = await rest.next();
    if (next.done === true) break;
    pieces.push(next.value);
    length += next.value.length;
  }
  return { start: Buffer.concat(pieces), body: joined(pieces, rest) };
}

/** A reader that stops in the middle, or never begins, ends the transfer. */
function joined(pieces: readonly Uint8Array[], rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  const generator = (async function* () {
    try {
      yield* pieces;
      for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
    } finally {
      await rest.return?.();
    }
  })();
  const end = generator.return.bind(generator);
  // A generator that was never started does not run its `finally`.
  generator.return = async (value) => {
    await rest.return?.();
    return end(value);
  };
  return generator;
}
