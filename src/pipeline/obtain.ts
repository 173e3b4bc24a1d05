/**
 * A file of a repository, through the cache: nothing is asked where a copy is fresh enough, one conditional request
 * where one is there, a download where none is; however many processes ask at once, one of them does it.
 *
 * What is fresh, and what goes on without its server, is said here; whether the bytes are the distribution's is not.
 */
import * as fs from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { GuestbootError } from "../base/errors.ts";
import type { Progress } from "../base/progress.ts";
import { decodeText } from "../base/text.ts";
import { isOutage } from "../repository/outage.ts";
import type { FetchResult, Repository } from "../repository/repository.ts";
import { tooLarge } from "../repository/transfer.ts";
import type { Store, StoredFile } from "../store/store.ts";

export interface Freshness {
  /** Seconds after the source has called a copy current during which it is not asked again; 0: each start asks. */
  readonly freshFor: number;
  /** Nothing is asked at all: the cache has it, or the start fails. */
  readonly offline: boolean;
  /** Milliseconds since 1970: what was learnt after it is current. The time at which the start began. */
  readonly since: number;
}

/** How a file was had. `server down`: the last copy that was known as current, and may not be any more. */
export type Outcome = "fresh" | "unchanged" | "fetched" | "missing" | "server down" | "offline";

export interface ObtainOptions {
  readonly repository: Repository;
  readonly store: Store;
  readonly progress: Progress;
  readonly signal?: AbortSignal | undefined;
  /** Every start asks when not given. */
  readonly freshness?: Freshness | undefined;
  /** The only digest that will do; a copy with another one is not used. Not compared with what is downloaded. */
  readonly digest?: string | undefined;
  /** The build of the installer that is wanted: a copy of another one is not used. */
  readonly build?: string | null | undefined;
  /** Bytes; what is larger is refused. */
  readonly maxSize?: number | undefined;
  readonly onOutcome?: ((outcome: Outcome) => void) | undefined;
}

/** The largest indexes (a Debian `Release`, a SUSE `content`) have a few hundred kilobytes. */
const MAX_TEXT_SIZE = 4 * 1024 * 1024;

/** Pauses between the tries of one transfer that breaks off, in milliseconds. */
const TRANSFER_WAITS = [250, 1000, 2000, 4000];

/**
 * @returns the stored file, or null when the repository has no such file
 * @throws NOT_CACHED where nothing may be asked; what repository and store throw
 */
export async function obtain(path: string, options: ObtainOptions): Promise<StoredFile | null> {
  const { repository, store, signal } = options;
  const key = repository.addressOf(path);
  // What a drive or a folder holds is asked for each time: another medium has the same address, and it costs nothing.
  if (!isRemote(key)) return finish(options, await fetchOrCheck(path, key, options));

  const known = currentCopy(key, options);
  if (known !== undefined) return finish(options, known);
  if (options.freshness?.offline === true) return finish(options, offlineCopy(key, options));
  const obtained = await store.exclusively(
    key,
    // Whoever held the lock before us may have asked meanwhile.
    async () => currentCopy(key, options) ?? (await fetchOrCheck(path, key, options)),
    signal,
  );
  return finish(options, obtained);
}

/** A small file's text; null when the repository has no such file. @throws FILE_TOO_LARGE; as `obtain` */
export async function obtainText(path: string, options: ObtainOptions): Promise<string | null> {
  const stored = await obtain(path, { ...options, maxSize: MAX_TEXT_SIZE });
  if (stored === null) return null;
  if (stored.size > MAX_TEXT_SIZE) throw tooLarge(stored.url, MAX_TEXT_SIZE);
  return decodeText(fs.readFileSync(stored.path));
}

interface Obtained {
  readonly file: StoredFile | null;
  readonly outcome: Outcome;
}

function finish({ store, onOutcome }: ObtainOptions, { file, outcome }: Obtained): StoredFile | null {
  if (file !== null) store.use(file.key);
  onOutcome?.(outcome);
  return file;
}

function isRemote(address: string): boolean {
  return /^(?:https?|ftp|nfs):/.test(address);
}

/** The copy, or the knowledge that there is no such file, where nobody needs to be asked; else undefined. */
function currentCopy(key: string, options: ObtainOptions): Obtained | undefined {
  const { store, freshness } = options;
  if (freshness === undefined) return undefined;
  const isCurrent = ({ checkedAt }: { checkedAt: Date }) => {
    const age = Date.now() - checkedAt.getTime();
    // A time in the future tells nothing: the clock was wrong then, or is now.
    return age >= 0 && (checkedAt.getTime() >= freshness.since || age < freshness.freshFor * 1000);
  };
  const stored = usableCopy(key, options);
  if (stored !== null) return isCurrent(stored) ? { file: stored, outcome: "fresh" } : undefined;
  const absentSince = store.absentSince(key);
  if (absentSince === null || !isCurrent({ checkedAt: absentSince })) return undefined;
  return { file: null, outcome: "fresh" };
}

function usableCopy(key: string, { store, digest, build }: ObtainOptions): StoredFile | null {
  const stored = store.find(key);
  if (stored === null) return null;
  if (digest !== undefined && stored.digest !== digest) return null;
  const isOther = typeof build === "string" && stored.build !== null && stored.build !== build;
  return isOther && digest === undefined ? null : stored;
}

function offlineCopy(key: string, options: ObtainOptions): Obtained {
  const stored = usableCopy(key, options);
  if (stored !== null) return { file: stored, outcome: "offline" };
  if (options.store.absentSince(key) !== null) return { file: null, outcome: "offline" };
  throw new GuestbootError("NOT_CACHED", `${key} is not in the cache, and nothing may be asked of the network`, {
    hint: "fetch it once without --offline, or set offline = no in the section [cache] of /etc/guestboot.conf",
  });
}

async function fetchOrCheck(path: string, key: string, options: ObtainOptions): Promise<Obtained> {
  const { repository, store, progress, signal } = options;
  const stored = usableCopy(key, options);
  let result: FetchResult;
  try {
    const rest = isRemote(key) ? (store.partial(key) ?? undefined) : undefined;
    result = await repository.fetch(path, { unless: stored?.validators, rest, signal });
  } catch (error) {
    if (stored === null || !isOutage(error) || !(error instanceof GuestbootError)) throw error;
    progress.warn(
      `${error.message}; going on with the copy in the cache, which was current at ${stored.checkedAt.toISOString()}`,
    );
    return { file: stored, outcome: "server down" };
  }
  switch (result.outcome) {
    case "missing":
      if (isRemote(key)) store.noteAbsence(key, new Date());
      return { file: null, outcome: "missing" };
    case "unchanged": {
      if (stored === null) throw new GuestbootError("REPOSITORY_REFUSED", `${result.url}: "not modified", unasked`);
      const touched = store.touch(key, new Date(), typeof options.build !== "string" ? {} : { build: options.build });
      // Thrown away meanwhile: without a copy the question is another one.
      if (touched === null) return fetchOrCheck(path, key, options);
      progress.say(`${key}: unchanged, from the cache`);
      return { file: touched, outcome: "unchanged" };
    }
    case "content":
      return { file: await download(path, key, result, options), outcome: "fetched" };
  }
}

type Content = Extract<FetchResult, { outcome: "content" }>;

/** A transfer that breaks off is begun again, or goes on, as long as there is hope. */
async function download(path: string, key: string, first: Content, options: ObtainOptions): Promise<StoredFile> {
  const { repository, store, progress, signal } = options;
  let content = first;
  for (let tries = 0; ; tries += 1) {
    const before = store.partial(key)?.bytes ?? 0;
    try {
      return await transferOnce(key, content, options);
    } catch (error) {
      signal?.throwIfAborted();
      const pause = TRANSFER_WAITS[tries];
      const grew = (store.partial(key)?.bytes ?? 0) > before;
      if (!(error instanceof GuestbootError) || pause === undefined || !isBroken(error) || (tries > 0 && !grew)) {
        throw error;
      }
      progress.say(`${error.message}; trying again`);
      await wait(pause, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
      signal?.throwIfAborted();
      const again = await repository.fetch(path, { rest: store.partial(key) ?? undefined, signal });
      if (again.outcome !== "content") throw error;
      content = again;
    }
  }
}

function isBroken({ code }: GuestbootError): boolean {
  return code === "TRANSFER_TRUNCATED" || code === "TRANSFER_FAILED";
}

async function transferOnce(key: string, content: Content, options: ObtainOptions): Promise<StoredFile> {
  const { store, progress, build, maxSize = Number.MAX_SAFE_INTEGER } = options;
  const { facts } = content;
  if (facts.size !== null && facts.size > maxSize) {
    await endBody(content.body);
    throw tooLarge(facts.url, maxSize);
  }
  const behind = (content.behind ?? 0) > 0 ? (store.partial(key) ?? undefined) : undefined;
  const transfer = progress.transfer(key, facts.size);
  if (behind !== undefined) transfer.advance(behind.bytes);
  try {
    const body = maxSize === Number.MAX_SAFE_INTEGER ? content.body : bounded(content.body, facts.url, maxSize);
    const stored = await store.write(key, facts, body, {
      onBytes: (bytes) => transfer.advance(bytes),
      behind,
      build,
      lend: content.lend,
    });
    transfer.end("done");
    return stored;
  } catch (error) {
    transfer.end("failed");
    throw error;
  }
}

async function endBody(body: AsyncIterable<Uint8Array>): Promise<void> {
  await body[Symbol.asyncIterator]().return?.();
}

async function* bounded(body: AsyncIterable<Uint8Array>, url: string, limit: number): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > limit) throw tooLarge(url, limit);
    yield chunk;
  }
}
