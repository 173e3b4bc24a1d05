/**
 * An installation's kernel and ramdisks from its repository, through the cache: resolved, proved, held against what was
 * proved, and of one time. What the cache remembers and is not so any more is asked about once.
 */
import { GuestbootError } from "../base/errors.ts";
import type { Progress } from "../base/progress.ts";
import type { Catalog } from "../distro/catalog.ts";
import {
  resolveTree,
  type Resolution,
  type TreeReader,
  type TreeRequest,
  type TreeResolution,
} from "../distro/resolve.ts";
import { pruneStore } from "../store/prune.ts";
import type { Store, StoredFile } from "../store/store.ts";
import { openCachedTree, type CachedTree } from "./cached-tree.ts";
import type { Freshness } from "./obtain.ts";
import { openTrustChain, type ProvedTree, type TrustChain, type TrustWanted } from "./trust-chain.ts";
import { verifyFiles } from "./verify-files.ts";
import type { CheckedRepository } from "./web-pages.ts";

export interface InstallerWanted {
  readonly catalog: Catalog;
  readonly request: TreeRequest;
  readonly repository: CheckedRepository;
  readonly store: Store;
  readonly trust: TrustWanted;
  readonly freshness: Freshness;
  /** Bytes that the cache may hold; null: any number. */
  readonly cacheSize: number | null;
  readonly progress: Progress;
  readonly signal?: AbortSignal | undefined;
  /** A file of a layout whose files are on this host, not in the repository; null when it is not there. */
  readonly lookOnHost: (path: string) => Promise<StoredFile | null>;
}

export interface ObtainedInstaller {
  readonly found: TreeResolution<StoredFile>;
  readonly proved: ProvedTree;
}

/** @throws TRUST_REQUIRED, DIGEST_MISMATCH, SIGNATURE_BAD, and as `resolveTree` and `obtain` */
export async function obtainInstaller(wanted: InstallerWanted): Promise<ObtainedInstaller> {
  const { freshness } = wanted;
  const obtained = (await obtainOnce(wanted)) ?? (await obtainOnce({ ...wanted, freshness: asking(freshness) }));
  if (obtained === null) throw new TypeError("what was asked for just now is not remembered");
  const { found, proved } = obtained;
  for (const warning of [...found.warnings, ...proved.warnings]) wanted.progress.warn(warning);
  return obtained;
}

/** Only what is learnt from now on counts. */
function asking(freshness: Freshness): Freshness {
  return { ...freshness, freshFor: 0, since: Date.now() };
}

/** What indexes and files that were not asked about at one time may look like. */
const OF_ANOTHER_TIME: readonly string[] = ["INVALID_SOURCE", "DIGEST_MISMATCH", "SIGNATURE_BAD"];

/** null: it failed on what the cache remembers; the mirror may have the files by now, or in another place. */
async function obtainOnce(wanted: InstallerWanted): Promise<ObtainedInstaller | null> {
  const { store, trust, freshness, progress, cacheSize, lookOnHost } = wanted;
  const tree = openCachedTree(wanted);
  const chain = openTrustChain((path) => tree.readText(path), trust, store.folder);
  const since = new Date();
  try {
    if (asksForProof(trust) && !freshness.offline) await proveFirst(wanted, chain);
    const resolved = await resolveTree(wanted.catalog, wanted.request, {
      ...reader(wanted, chain),
      look: (path, source) => (source === "repository" ? tree.look(path, chain.readList) : lookOnHost(path)),
    });
    const { family, release, arch, layout } = resolved.candidate;
    progress.step?.("resolved", `${family} ${release} ${arch} (${layout})`);
    const proved = await chain.prove(resolved);
    const isOnHost = resolved.candidate.source === "guest-installer";
    const again = (path: string) => (isOnHost ? lookOnHost(path) : tree.look(path, chain.readList));
    const found = await verifyFiles(resolved, proved, { store, since, again });
    progress.say(`trust: ${proved.trust}${proved.by === null ? "" : ` (${proved.by})`}`);
    tree.checkOneTime([found.kernel, ...found.ramdisks]);
    if (tree.hasFetched && cacheSize !== null) prune(store, cacheSize, found);
    return { found, proved };
  } catch (error) {
    if (isWorthAsking(error, tree, freshness)) return null;
    throw error;
  }
}

function reader({ repository }: InstallerWanted, chain: TrustChain): Omit<TreeReader<unknown>, "look"> {
  return {
    address: repository.address,
    remark: (path) => repository.remark(path),
    readText: chain.readText,
  };
}

function asksForProof({ policy }: TrustWanted): boolean {
  return policy === "require-signed" || policy === "require-listed";
}

/** Too little proof is known before the download, for the price of a question a file that the cache has not. */
async function proveFirst(wanted: InstallerWanted, chain: TrustChain): Promise<void> {
  const { repository, store, lookOnHost, signal } = wanted;
  const resolved = await resolveTree<object>(wanted.catalog, wanted.request, {
    ...reader(wanted, chain),
    look: async (path, source) => {
      if (source !== "repository") return lookOnHost(path);
      return store.find(repository.addressOf(path)) ?? (await repository.look(path, signal));
    },
  });
  await chain.prove(resolved);
}

function isWorthAsking(error: unknown, tree: CachedTree, { offline, freshFor }: Freshness): boolean {
  if (!tree.isFromMemory || offline || freshFor === 0) return false;
  return error instanceof GuestbootError && OF_ANOTHER_TIME.includes(error.code);
}

function prune({ folder }: Store, maxSize: number, { kernel, ramdisks }: Resolution<StoredFile>): void {
  const spare = new Set([kernel, ...ramdisks].map((file) => file.digest));
  pruneStore(folder, { maxSize, maxAge: null }, { spare });
}
