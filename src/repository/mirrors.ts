/**
 * One repository on several servers. The first that answers is used for everything else, so that a kernel and its
 * initrd come from one place; a file that this one has not is not looked for elsewhere.
 */
import { GuestbootError } from "../base/errors.ts";
import { silent } from "../base/progress.ts";
import { escapePath, type UrlLocation } from "./location.ts";
import type { RepositoryOptions } from "./options.ts";
import type { FetchOptions, FetchResult, FileFacts, Repository, Validators } from "./repository.ts";

type Open = (location: UrlLocation, options: RepositoryOptions) => Promise<Repository>;

/** @param mirrors at least one, the preferred first */
export function openMirrors(mirrors: readonly UrlLocation[], open: Open, options: RepositoryOptions): Repository {
  return new MirroredRepository(mirrors, open, options);
}

/** What a mirror that is of no use answers; anything else ends the search. */
const NO_ANSWER = ["REPOSITORY_UNREACHABLE", "REPOSITORY_REFUSED", "REDIRECT_REFUSED"];

const NO_VALIDATORS: Validators = { etag: null, lastModified: null };

class MirroredRepository implements Repository {
  readonly #mirrors: readonly UrlLocation[];
  readonly #open: Open;
  readonly #options: RepositoryOptions;
  readonly #opened = new AsyncDisposableStack();
  /** The mirror that has answered. */
  #chosen: Repository | null = null;
  /** The search for it, while it goes on: how it failed, or null. */
  #search: Promise<unknown> | null = null;

  constructor(mirrors: readonly UrlLocation[], open: Open, options: RepositoryOptions) {
    this.#mirrors = mirrors;
    this.#open = open;
    this.#options = options;
  }

  get address(): string {
    return this.#chosen?.address ?? this.#mirrors[0]?.address ?? "";
  }

  addressOf(path: string): string {
    // All transports escape in the same way.
    return this.#chosen?.addressOf(path) ?? this.address + escapePath(path);
  }

  async look(path: string, signal?: AbortSignal): Promise<FileFacts | null> {
    const { result, isOther } = await this.#ask((mirror) => mirror.look(path, signal));
    return result === null || !isOther ? result : { ...result, ...NO_VALIDATORS };
  }

  async fetch(path: string, options: FetchOptions = {}): Promise<FetchResult> {
    const preferred = this.#mirrors[0]?.address;
    const { result, isOther } = await this.#ask((mirror) =>
      // What is known of a file is known of the file on the mirror that our address names.
      mirror.fetch(path, this.#chosen === null && mirror.address !== preferred ? withoutKnowledge(options) : options),
    );
    if (result.outcome !== "content" || !isOther) return result;
    return { ...result, facts: { ...result.facts, ...NO_VALIDATORS } };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened.disposeAsync();
  }

  /**
   * The first request looks for a mirror; whoever comes meanwhile waits for what it finds.
   * `isOther`: the answer comes from another mirror than the one that `addressOf` named before.
   */
  async #ask<T>(request: (mirror: Repository) => Promise<T>): Promise<{ result: T; isOther: boolean }> {
    while (this.#chosen === null) {
      if (this.#search === null) {
        const choosing = this.#choose(request);
        this.#search = choosing.then(
          () => null,
          (failure: unknown) => failure,
        );
        return await choosing.finally(() => (this.#search = null));
      }
      const failure = await this.#search;
      // A search that was called off is begun anew; one that found no mirror would find none now.
      if (failure instanceof GuestbootError && NO_ANSWER.includes(failure.code)) throw failure;
    }
    return { result: await request(this.#chosen), isOther: false };
  }

  async #choose<T>(request: (mirror: Repository) => Promise<T>): Promise<{ result: T; isOther: boolean }> {
    const failures: GuestbootError[] = [];
    for (const [index, location] of this.#mirrors.entries()) {
      const isLast = index === this.#mirrors.length - 1;
      const mirror = this.#opened.use(await this.#open(location, this.#options));
      // There is another mirror to go to, so a failing one is not asked again and again.
      const impatient = isLast ? mirror : this.#opened.use(await this.#open(location, withoutRetries(this.#options)));
      try {
        const result = await request(impatient);
        this.#chosen = mirror;
        return { result, isOther: index > 0 };
      } catch (error) {
        if (!(error instanceof GuestbootError) || !NO_ANSWER.includes(error.code)) throw error;
        failures.push(error);
        if (!isLast) (this.#options.progress ?? silent).warn(`${error.message}; trying the next mirror`);
      }
    }
    throw noMirror(failures);
  }
}

function withoutRetries(options: RepositoryOptions): RepositoryOptions {
  return { ...options, http: { ...options.http, retryWaits: [] } };
}

function withoutKnowledge({ signal }: FetchOptions): FetchOptions {
  return { signal };
}

function noMirror(failures: readonly GuestbootError[]): GuestbootError {
  const last = failures.at(-1);
  const code = failures.every((failure) => failure.code === last?.code) ? last?.code : undefined;
  const reasons = failures.map((failure) => failure.message).join("; ");
  return new GuestbootError(
    code ?? "REPOSITORY_UNREACHABLE",
    `none of ${failures.length} mirrors answers: ${reasons}`,
    {
      hint: last?.hint,
      cause: last,
    },
  );
}
