/**
 * Does a tree still have what an installation needs? Its index is read, kernel and ramdisks are found as a start of an
 * installation would find them, and their first bytes (all of them, for a deep check) are looked at.
 */
import * as fs from "node:fs";
import { algorithmOf, parseChecksum } from "../base/checksum.ts";
import { asGuestbootError, GuestbootError } from "../base/errors.ts";
import { silent } from "../base/progress.ts";
import type { Catalog, Flavour } from "../distro/catalog.ts";
import { resolveTree, type TreeRequest, type TreeResolution } from "../distro/resolve.ts";
import { HEAD_SIZE, readKernelImage } from "../kernel/kernel-image.ts";
import type { KernelBytes } from "../kernel/payload.ts";
import { serversWords } from "../kernel/what-else.ts";
import type { FileFacts } from "../repository/repository.ts";
import type { Store } from "../store/store.ts";
import { checksumOfFile } from "../trust/file-checksum.ts";
import type { Asked, CheckedTree } from "./checked-tree.ts";
import { kernelFindings, ramdiskFindings, type Findings, type SeenFile } from "./layout-findings.ts";
import { digestIn, listsFor } from "./listed-digests.ts";
import { obtain } from "./obtain.ts";

/** What is to be checked; null for what the tree shall tell. */
export interface LayoutWanted {
  readonly family: string | null;
  readonly release: string | null;
  readonly arch: string | null;
  readonly flavour: Flavour | null;
}

export interface LayoutCheck {
  /** Its address, without user and password. */
  readonly repository: string;
  /** What was asked for, or what the tree is; null where neither tells. */
  readonly family: string | null;
  readonly release: string | null;
  readonly arch: string | null;
  readonly flavour: Flavour | null;
  readonly ok: boolean;
  readonly problems: readonly string[];
  readonly notes: readonly string[];
  /** Paths below the repository that were asked for, each once, and what came of it. */
  readonly tried: readonly string[];
  readonly seconds: number;
}

export interface LayoutCheckOptions {
  readonly catalog: Catalog;
  /** The whole check may take as long. */
  readonly timeoutSeconds: number;
  /** Files are fetched whole, into it; null: only their beginnings are looked at. */
  readonly store: Store | null;
}

/** What was asked for, its family by the catalog's own name. */
export function askedFor(catalog: Catalog, wanted: LayoutWanted): LayoutWanted {
  const named = ({ family, aliases }: Catalog[number]) =>
    wanted.family !== null && [family, ...aliases].includes(wanted.family);
  return { ...wanted, family: catalog.find(named)?.family ?? wanted.family };
}

/** Never throws what a tree can be the reason of: that is a problem in the result. Ends in time, whatever hangs. */
export async function checkLayout(
  wanted: LayoutWanted,
  tree: CheckedTree,
  options: LayoutCheckOptions,
): Promise<LayoutCheck> {
  const started = performance.now();
  const asked: Asked[] = [];
  const address = tree.repository.address;
  const done = (found: LayoutWanted, { problems, notes }: Findings): LayoutCheck => ({
    repository: address,
    ...found,
    ok: problems.length === 0,
    problems,
    notes,
    tried: triedOf(asked),
    seconds: Math.round(performance.now() - started) / 1000,
  });
  const { silence } = tree.gate;
  const unresolved = askedFor(options.catalog, wanted);
  if (silence !== null) return done(unresolved, { problems: [`not asked any more: ${silence.message}`], notes: [] });

  const limit = timeLimit(options.timeoutSeconds, () => timedOut(address, options.timeoutSeconds, asked));
  try {
    // The race is for transports that do not see the signal at once.
    const { resolution, findings } = await Promise.race([
      lookAt(wanted, tree, options, asked, limit.signal),
      limit.passed,
    ]);
    const { family, release, arch, flavour } = resolution.candidate;
    return done({ family, release, arch, flavour }, findings);
  } catch (thrown) {
    const error = asGuestbootError(thrown);
    tree.gate.failed(error, started);
    return done(unresolved, { problems: [error.message], notes: error.hint === undefined ? [] : [error.hint] });
  } finally {
    limit.end();
  }
}

async function lookAt(
  wanted: LayoutWanted,
  tree: CheckedTree,
  { catalog, store }: LayoutCheckOptions,
  asked: Asked[],
  signal: AbortSignal,
): Promise<{ resolution: TreeResolution<FileFacts>; findings: Findings }> {
  const cutOff: string[] = [];
  const request: TreeRequest = { ...wanted, defaultArch: "amd64", files: null, installer: null };
  const resolution = await resolveTree<FileFacts>(catalog, request, {
    address: tree.repository.address,
    look(path, source) {
      if (source === "guest-installer") throw notInTree(path);
      return tree.look(path, asked, signal);
    },
    async readText(path) {
      const text = await tree.readText(path, asked, signal);
      if (text !== null && /[^\n]$/.test(text)) cutOff.push(`${path} does not end with a line's end: cut off?`);
      return text;
    },
  });
  const look: Look = { tree, store, asked, signal, digests: resolution.digests };
  const { kernel, ramdisks, flavour } = resolution.candidate;
  const findings = await Promise.all([
    lookAtFile(look, kernel, HEAD_SIZE, (file, bytes) => kernelFindings(file, readKernelImage(bytes), flavour)),
    ...ramdisks.map((path) =>
      lookAtFile(look, path, RAMDISK_HEAD, (file, { bytes }) => ramdiskFindings(file, serversWords(bytes))),
    ),
  ]);
  return {
    resolution,
    findings: {
      problems: findings.flatMap(({ problems }) => problems),
      notes: [...resolution.warnings, ...cutOff, ...findings.flatMap(({ notes }) => notes)],
    },
  };
}

const RAMDISK_HEAD = 4096;
/** As much of a kernel as is read into memory for a deep look. */
const LARGEST_KERNEL = 128 * 1024 * 1024;

interface Look {
  readonly tree: CheckedTree;
  readonly store: Store | null;
  readonly asked: Asked[];
  readonly signal: AbortSignal;
  readonly digests: ReadonlyMap<string, string>;
}

/** @param headSize bytes that are enough for a first look */
async function lookAtFile(
  look: Look,
  path: string,
  headSize: number,
  judge: (file: SeenFile, bytes: KernelBytes) => Findings,
): Promise<Findings> {
  const { tree, store, asked, signal } = look;
  if (store === null) {
    const head = await tree.readHead(path, headSize, asked, signal);
    if (head === null) return gone(path);
    const { url, size } = head.facts;
    const file = { path, url, size: head.isWhole ? head.bytes.length : size, digest: null };
    return judge(file, head);
  }
  const { repository } = tree;
  const stored = await tree.ask(path, asked, signal, () =>
    obtain(path, { repository, store, progress: silent, signal }),
  );
  if (stored === null) return gone(path);
  const listed = look.digests.get(path) ?? (await listedDigest(look, path));
  const algorithm = algorithmOf(parseChecksum(listed ?? "") ?? "sha256:");
  const found = algorithm === "sha256" ? stored.digest : await checksumOfFile(stored.path, algorithm);
  const isSmall = stored.size <= LARGEST_KERNEL;
  const bytes = { bytes: readStart(stored.path, isSmall ? stored.size : headSize), isWhole: isSmall };
  return judge({ path, url: stored.url, size: stored.size, digest: { found, listed } }, bytes);
}

async function listedDigest({ tree, asked, signal }: Look, path: string): Promise<string | null> {
  for (const { list, below } of listsFor(path)) {
    const text = await tree.readText(list, asked, signal);
    const digest = text === null ? null : digestIn(text, path, below);
    if (digest !== null) return digest;
  }
  return null;
}

function readStart(file: string, length: number): Uint8Array {
  const bytes = Buffer.alloc(length);
  const descriptor = fs.openSync(file, "r");
  try {
    return bytes.subarray(0, fs.readSync(descriptor, bytes, 0, length, 0));
  } finally {
    fs.closeSync(descriptor);
  }
}

function gone(path: string): Findings {
  return { problems: [`${path} was there a moment ago and is not any more`], notes: [] };
}

function notInTree(path: string): GuestbootError {
  return new GuestbootError(
    "UNSUPPORTED_INSTALL_METHOD",
    `${path} comes from this host's folder of guest installers: no repository has it`,
  );
}

interface TimeLimit {
  readonly signal: AbortSignal;
  /** Rejects when time is up. */
  readonly passed: Promise<never>;
  end(): void;
}

function timeLimit(seconds: number, reason: () => GuestbootError): TimeLimit {
  const controller = new AbortController();
  const { promise, reject } = Promise.withResolvers<never>();
  // Nobody may be waiting for it when it rejects.
  promise.catch(() => undefined);
  const timer = setTimeout(() => {
    const error = reason();
    controller.abort(error);
    reject(error);
  }, seconds * 1000);
  return { signal: controller.signal, passed: promise, end: () => clearTimeout(timer) };
}

function timedOut(address: string, seconds: number, asked: readonly Asked[]): GuestbootError {
  const waiting = asked.filter(({ outcome }) => outcome === "waiting").map(({ path }) => path);
  const [first, ...more] = waiting;
  const what =
    first === undefined ? "" : ` (waiting for ${first}${more.length === 0 ? "" : ` and ${more.length} more`})`;
  return new GuestbootError("REPOSITORY_UNREACHABLE", `${address}: not done after ${seconds} seconds${what}`, {
    hint: "is the server overloaded? --timeout SECONDS waits longer",
  });
}

function triedOf(asked: readonly Asked[]): string[] {
  const words = { waiting: "no answer", there: "there", missing: "not there", failed: "failed" } as const;
  const last = new Map(asked.map(({ path, outcome }) => [path, outcome]));
  return [...last].map(([path, outcome]) => `${path}: ${words[outcome]}`);
}
