/**
 * An installation's kernel, ramdisks and arguments for other programs: looked up, or fetched into folders of theirs.
 */
import * as fs from "node:fs";
import { readPin, type Checksum } from "../base/checksum.ts";
import { GuestbootError, isSystemError, systemReason } from "../base/errors.ts";
import { silent, type Progress } from "../base/progress.ts";
import type { TrustPolicy } from "../base/trust-settings.ts";
import { ownCatalog, wholeCatalog } from "../distro/whole-catalog.ts";
import type { TrustWanted } from "../pipeline/trust-chain.ts";
import type { FileJson, ResolvedJson } from "../pipeline/installer-json.ts";
import {
  lookUpInstaller,
  notInRepository,
  openInstallerTree,
  resolvedJson,
  type InstallerTree,
} from "../pipeline/installer-tree.ts";
import { obtainInstaller } from "../pipeline/obtain-installer.ts";
import { putInFolder } from "../pipeline/put-in-folder.ts";
import { openStore } from "../store/store.ts";

/** What is wanted of a repository; whatever is not given is recognised from the tree, or is its default. */
export interface InstallerRequest {
  /** `http://`, `https://`, `ftp://`, `nfs://…`, or the path of a folder, an ISO or a zip file. */
  readonly repository: string;
  /** A family of the catalog: `debianlike`, `rhlike`, `sleslike`, … */
  readonly distro?: string | undefined;
  readonly release?: string | undefined;
  readonly arch?: string | undefined;
  /** Which kernel; the Xen one is preferred where there are both. */
  readonly flavour?: "xen" | "generic" | undefined;
  readonly trust?: TrustRequest | undefined;
  /** URL of an HTTP proxy. */
  readonly proxy?: string | undefined;
  /** A file of certificates (PEM) of authorities that are believed beside the system's. */
  readonly caFile?: string | undefined;
  /** Where `http_proxy`, `https_proxy` and `no_proxy` are looked up (`process.env`); nowhere when not given. */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined;
  /** A folder of catalog files that add families and releases, as `/etc/guestboot/distros.d`. */
  readonly catalogFolder?: string | undefined;
  /** Is told of transfers and of what an admin should know. */
  readonly progress?: Progress | undefined;
}

/** How much proof the files need. */
export interface TrustRequest {
  /** `prefer` when not given: the best that there is, and never a mismatch. */
  readonly policy?: TrustPolicy | undefined;
  /** Keyring files, or folders of them; `/usr/share/keyrings` when not given. */
  readonly keyrings?: readonly string[] | undefined;
  readonly acceptExpiredKeys?: boolean | undefined;
  /** SHA-256 digests (64 hexadecimal digits) that beat every index; the ramdisks' in their order. */
  readonly sha256?: { readonly kernel?: string | undefined; readonly ramdisks?: readonly string[] } | undefined;
}

export interface FetchRequest extends InstallerRequest {
  /** Files are kept and found again here, by their digests; made where it is missing. One folder may serve many at once. */
  readonly cacheFolder: string;
  /** The files land here, under their names in the tree; made where it is missing. */
  readonly outputFolder: string;
  /** Nothing is asked of the network: only what the cache has. */
  readonly offline?: boolean | undefined;
  /** Seconds during which a copy in the cache that its server has called current needs no new question; 0 when not given. */
  readonly freshFor?: number | undefined;
  /** Ends the work; what has come stays in the cache. */
  readonly signal?: AbortSignal | undefined;
}

export interface FetchedFile extends FileJson {
  /** `sha256:` and hexadecimal digits, of the bytes that came. */
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  /** Where the file lies now. */
  readonly file: string;
}

export interface FetchedInstaller extends ResolvedJson {
  readonly kernel: FetchedFile;
  readonly ramdisks: readonly FetchedFile[];
}

const KEYRINGS = ["/usr/share/keyrings"];

/**
 * Which kernel, ramdisks and arguments an installation takes; in the shape that `guestboot resolve --json` prints. No
 * kernel and no ramdisk is fetched, and nothing is written.
 *
 * @throws GuestbootError INVALID_SOURCE where the tree does not have them; REPOSITORY_UNREACHABLE, TRUST_REQUIRED, …
 */
export async function resolve(request: InstallerRequest): Promise<ResolvedJson> {
  await using tree = await openTree(request);
  const resolved = await lookUpInstaller(tree, catalogOf(request), null);
  const { progress = silent } = request;
  for (const warning of [...resolved.found.warnings, ...resolved.proved.warnings]) progress.warn(warning);
  return resolvedJson(resolved);
}

/**
 * Resolves, downloads through the cache, verifies, and puts the files into `outputFolder`.
 *
 * @throws GuestbootError as `resolve`; DIGEST_MISMATCH, NO_SPACE, CACHE_UNWRITABLE, OUTPUT_FAILED; nothing was put into
 *   the folder then
 */
export async function fetch(request: FetchRequest): Promise<FetchedInstaller> {
  const { progress = silent, signal, outputFolder } = request;
  makeFolder(outputFolder);
  await using tree = await openTree(request);
  const resolved = await obtainInstaller({
    ...tree,
    catalog: catalogOf(request),
    store: openStore(request.cacheFolder),
    freshness: { freshFor: request.freshFor ?? 0, offline: request.offline === true, since: Date.now() },
    cacheSize: null,
    progress,
    signal,
    lookOnHost: () => Promise.reject(notInRepository(tree.request)),
  });
  const { found, proved } = resolved;
  const plain = found.candidate;
  const [kernel, ...ramdisks] = putInFolder(found, outputFolder).map(({ stored, target }, index): FetchedFile => {
    const path = index === 0 ? plain.kernel : (plain.ramdisks[index - 1] ?? "");
    return { url: stored.key, path, digest: stored.digest, size: stored.size, file: target };
  });
  if (kernel === undefined) throw new TypeError("an installer without a kernel");
  return { ...resolvedJson({ found: { ...found, kernel, ramdisks }, proved }), kernel, ramdisks };
}

function openTree(request: InstallerRequest): Promise<InstallerTree> {
  const { proxy, caFile, environment, progress } = request;
  return openInstallerTree(request.repository, {
    family: request.distro ?? null,
    release: request.release ?? null,
    arch: request.arch ?? null,
    flavour: request.flavour ?? null,
    trust: trustOf(request.trust ?? {}),
    options: { proxy, caFile, environment, progress },
  });
}

function catalogOf({ catalogFolder }: InstallerRequest) {
  return catalogFolder === undefined ? ownCatalog() : wholeCatalog(catalogFolder);
}

function trustOf({ policy, keyrings, acceptExpiredKeys, sha256 }: TrustRequest): TrustWanted {
  return {
    policy: policy ?? "prefer",
    keyrings: keyrings ?? KEYRINGS,
    acceptExpiredKeys: acceptExpiredKeys === true,
    pinned: {
      kernel: sha256?.kernel === undefined ? null : pinFrom(sha256.kernel),
      ramdisks: (sha256?.ramdisks ?? []).map(pinFrom),
    },
  };
}

function pinFrom(digest: string): Checksum {
  const pin = readPin(digest);
  if (pin === null) throw new GuestbootError("USAGE", "sha256: a digest has 64 hexadecimal digits");
  return pin;
}

function makeFolder(folder: string): void {
  try {
    fs.mkdirSync(folder, { recursive: true });
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new GuestbootError("OUTPUT_FAILED", `${folder} cannot be made: ${systemReason(error)}`, { cause: error });
  }
}
