/**
 * An installation tree as a start looks at it: every file and index through the cache, with what became of each, so
 * that a kernel of one build is never started with an initrd of another.
 */
import { GuestbootError } from "../base/errors.ts";
import type { Progress } from "../base/progress.ts";
import type { ReadText } from "../distro/tree-index.ts";
import { isOutage } from "../repository/outage.ts";
import type { Repository } from "../repository/repository.ts";
import { digestOf } from "../store/digest.ts";
import type { Store, StoredFile } from "../store/store.ts";
import { digestIn, imagesListFor } from "./listed-digests.ts";
import { obtain, obtainText, type Freshness, type ObtainOptions, type Outcome } from "./obtain.ts";
import { poisoned } from "./poisoned.ts";

export interface TreeOptions {
  readonly repository: Repository;
  readonly store: Store;
  readonly progress: Progress;
  readonly signal?: AbortSignal | undefined;
  readonly freshness: Freshness;
}

export interface CachedTree {
  /**
   * A kernel or an initrd; null when it is not there.
   * @param readList a list of digests, after what vouches for it was checked
   * @throws as `obtain`; what `readList` throws, but for a list that cannot be had now
   */
  look(path: string, readList: ReadText): Promise<StoredFile | null>;
  /** An index; null when it is not there. @throws as `obtainText` */
  readText(path: string): Promise<string | null>;
  /** Was anything taken from the cache that the server was not asked about? */
  readonly isFromMemory: boolean;
  /** Has anything new come into the cache? */
  readonly hasFetched: boolean;
  /** @throws REPOSITORY_UNREACHABLE when some of the files are new and others could not be asked about */
  checkOneTime(files: readonly StoredFile[]): void;
}

export function openCachedTree(options: TreeOptions): CachedTree {
  const { repository } = options;
  const outcomes = new Map<string, Outcome>();
  const texts = new Map<string, Promise<string | null>>();
  const noting = (path: string): ObtainOptions => ({
    ...options,
    onOutcome: (outcome) => outcomes.set(repository.addressOf(path), outcome),
  });
  const readText = (path: string) => {
    const known = texts.get(path) ?? poisoned(obtainText(path, noting(path)));
    texts.set(path, known);
    return known;
  };
  return {
    async look(path, readList) {
      return obtain(path, { ...noting(path), ...(await buildOf(path, readList)) });
    },
    readText,
    get isFromMemory() {
      return [...outcomes.values()].includes("fresh");
    },
    get hasFetched() {
      return [...outcomes.values()].includes("fetched");
    },
    checkOneTime(files) {
      const had = files.map(({ key }) => outcomes.get(key));
      if (!had.includes("fetched") || !had.includes("server down")) return;
      throw new GuestbootError(
        "REPOSITORY_UNREACHABLE",
        `${repository.address}: the server went away between the kernel and its initrd, and the copies in the cache may be older`,
        { hint: "start again when the server answers" },
      );
    },
  };
}

/**
 * Debian's installer is replaced as a whole, and an initrd works with the modules of its own build only: its folder of
 * images lists the digests of one build.
 */
async function buildOf(path: string, readList: ReadText): Promise<Pick<ObtainOptions, "build" | "digest">> {
  const images = imagesListFor(path);
  const list = images === null ? null : await unlessUnreachable(readList(images.list));
  if (images === null || list === null) return {};
  const listed = digestIn(list, path, images.below);
  return { build: digestOf(list), digest: listed?.startsWith("sha256:") === true ? listed : undefined };
}

/** A cache that holds the file and not its list is still of use. */
async function unlessUnreachable(text: Promise<string | null>): Promise<string | null> {
  try {
    return await text;
  } catch (error) {
    if (isOutage(error) || (error instanceof GuestbootError && error.code === "NOT_CACHED")) return null;
    throw error;
  }
}
