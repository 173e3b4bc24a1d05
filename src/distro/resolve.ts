/**
 * Which kernel, ramdisks and arguments an installation from the tree in front of us takes. What the tree's own index
 * says beats the catalog's candidates; where nobody has named family, release or architecture, the tree does.
 */
import { GuestbootError } from "../base/errors.ts";
import {
  foundCandidate,
  layoutCandidates,
  noCandidates,
  rootsOf,
  scopeOf,
  type Candidate,
  type FileSource,
  type NamedFiles,
  type Scope,
} from "./candidates.ts";
import { findFamily, type Catalog, type Family, type Flavour } from "./catalog.ts";
import { installerArguments, type InstallerArguments, type InstallerWishes } from "./installer-arguments.ts";
import { recognise, releaseOfFacts, type Recognised } from "./recognise.ts";
import { namedRelease, releaseUnder } from "./release-name.ts";
import {
  readTreeFacts,
  rememberingReader,
  type ReadText,
  type RememberedReader,
  type TreeFacts,
} from "./tree-index.ts";
import { nothingThere, triedWords, type Tried } from "./what-was-tried.ts";

/** What is to be installed; null for what the tree shall tell. */
export interface TreeRequest {
  readonly family: string | null;
  readonly release: string | null;
  readonly arch: string | null;
  /** Where neither the request nor the tree names one. */
  readonly defaultArch: string;
  /** null: whichever the tree has, a Xen kernel preferred. */
  readonly flavour: Flavour | null;
  /** For families whose files the VM's record names. */
  readonly files: NamedFiles | null;
  /** null: the installer's arguments do not matter. */
  readonly installer: InstallerWishes | null;
}

/** How the tree is looked at. */
export interface TreeReader<File> {
  /** The repository, for errors. */
  readonly address: string;
  /**
   * Answers for one path, null when it is not there; whether it asks with a HEAD request or by fetching the file is
   * the caller's business, so that a start needs one request a file.
   */
  look(path: string, source: FileSource): Promise<File | null>;
  /** Why a path counts as not there, where there is more to say: "a web page". */
  readonly remark?: (path: string) => string | null;
  /** A small file's text, null when it is not there. The caller bounds it at 4 MiB. */
  readonly readText: ReadText;
}

/** A candidate that the repository has, with what looking at its files gave. */
export interface Resolution<File> {
  readonly candidate: Candidate;
  readonly kernel: File;
  readonly ramdisks: readonly File[];
}

export interface TreeResolution<File> extends Resolution<File> {
  /** What the installer's kernel needs on its command line. */
  readonly arguments: string;
  readonly warnings: readonly string[];
  /** Every path that was asked for and was not there. */
  readonly tried: readonly string[];
  /** The index file that was read, or null. */
  readonly index: string | null;
  /**
   * What that index says the files' digests are, by path below the repository: `sha256:…`, `sha512:…`, `sha1:…`.
   * Not checked here.
   */
  readonly digests: ReadonlyMap<string, string>;
}

/**
 * @throws UNSUPPORTED_INSTALL_METHOD for what the family, its installer or we cannot do; INVALID_SOURCE listing every
 *   path that was tried; SUPPORT_PACKAGE_MISSING where the files should be on this host; what `tree` throws
 */
export async function resolveTree<File>(
  catalog: Catalog,
  given: TreeRequest,
  tree: TreeReader<File>,
): Promise<TreeResolution<File>> {
  const request = underItsFamily(catalog, given);
  const index = rememberingReader(tree.readText);
  const known = await identify(catalog, request, tree, index);
  const { family, facts } = known;
  const arch = request.arch ?? archOf(family, known.arches, request.defaultArch);
  const wanted = scopeOf(family, { release: request.release ?? known.release, arch });
  const scope = { ...wanted, indexed: facts !== null };
  const candidates = candidatesIn(family, scope, request, facts);
  const found = await firstThere(candidates, tree, { ...index, facts }, (candidate) =>
    argumentsOf(candidate, request.installer),
  );
  return {
    ...found.resolution,
    arguments: found.prepared.text,
    warnings: [...index.warnings, ...disagreements(request, scope, known), ...found.prepared.warnings],
    tried: index.missing,
    index: facts?.index ?? null,
    digests: new Map([...(facts?.files ?? [])].flatMap(([path, digest]) => (digest === null ? [] : [[path, digest]]))),
  };
}

/** The release as the name that was used for the family means it. */
function underItsFamily(catalog: Catalog, request: TreeRequest): TreeRequest {
  const { family, release } = request;
  if (family === null || release === null) return request;
  return { ...request, release: releaseUnder(findFamily(catalog, family), family, release) };
}

/** A codename is one family's alone, and tells it where the tree does not; a number may be anybody's. */
function onlyFamilyOf(catalog: Catalog, release: string | null): Family | null {
  if (release === null || /^v?[0-9]/.test(release)) return null;
  const families = catalog.filter((family) => namedRelease(family, release).listed !== undefined);
  return families.length === 1 ? (families[0] ?? null) : null;
}

/** The family and what the tree tells, from the request where it says, else from the tree. */
async function identify<File>(
  catalog: Catalog,
  request: TreeRequest,
  tree: TreeReader<File>,
  index: RememberedReader,
): Promise<Recognised> {
  const { readText, missing } = index;
  if (request.family === null) {
    const has = async (path: string) => {
      const there = (await tree.look(path, "repository")) !== null;
      if (!there) missing.push(path);
      return there;
    };
    const found = await recognise(catalog, request.release, { readText, has });
    if (found !== null) return found;
    const only = onlyFamilyOf(catalog, request.release);
    if (only !== null) return { family: only, release: null, arches: [], facts: null };
    throw new GuestbootError(
      "INVALID_SOURCE",
      `${tree.address} does not tell which distribution it is (${triedWords(tree, { ...index, facts: null })})`,
      { hint: "check the address, or name the distribution with --distro and --release", args: [tree.address] },
    );
  }
  const named = findFamily(catalog, request.family);
  const moved = request.release === null ? undefined : namedRelease(named, request.release).listed?.family;
  const family = moved === undefined ? named : findFamily(catalog, moved);
  const facts = family.files === "repository" ? await factsFor(family, request, readText) : null;
  const release = facts === null ? null : releaseOfFacts(family, facts);
  return { family, release: release ?? null, arches: facts?.arches ?? [], facts };
}

/** The first index that the tree has, of the kinds that the family's trees have. */
async function factsFor(family: Family, request: TreeRequest, readText: ReadText): Promise<TreeFacts | null> {
  const scope = scopeOf(family, {
    release: request.release,
    arch: request.arch ?? archOf(family, [], request.defaultArch),
  });
  for (const root of rootsOf(family, scope)) {
    for (const kind of family.index) {
      const facts = await readTreeFacts(kind, root, scope.release, readText);
      if (facts !== null) return facts;
    }
  }
  return null;
}

/** The default where the tree has it or says nothing, else the first that tree and family both know. */
function archOf(family: Family, ofTree: readonly string[], byDefault: string): string {
  const known = ofTree.filter((arch) => Object.hasOwn(family.arches, arch));
  const same = known.find((arch) => family.arches[arch] === family.arches[byDefault]);
  const [first] = [...known, ...(Object.hasOwn(family.arches, byDefault) ? [] : Object.keys(family.arches))];
  return same ?? first ?? byDefault;
}

/** Those that the index names stand before the catalog's of the same flavour. */
function candidatesIn(family: Family, scope: Scope, request: TreeRequest, facts: TreeFacts | null): Candidate[] {
  if (family.files === "record") return [fromRecord(family, scope, request.files)];
  const layouts = layoutCandidates(family, scope, request.flavour);
  const indexed = indexCandidates(family, scope, facts, layouts).filter(
    (each) => request.flavour === null || each.flavour === request.flavour,
  );
  const isNew = (each: Candidate) => !indexed.some((other) => samePaths(each, other));
  const rest = layouts.filter(isNew).filter((each) => isInstaller(each, facts));
  // A tree's own Xen kernel first, wherever its place is written.
  const ordered = [
    ...indexed.filter((each) => each.flavour === "xen"),
    ...(facts?.images.length ? rest.filter((each) => each.flavour === "xen") : []),
    ...indexed.filter((each) => each.flavour === "generic"),
    ...(facts?.images.length ? rest.filter((each) => each.flavour === "generic") : rest),
  ];
  const complete = ordered.filter((each) => isListed(each, facts));
  const candidates = [...complete, ...ordered.filter((each) => !complete.includes(each))];
  if (candidates.length > 0) return candidates;
  if (layouts.length === 0) throw noCandidates(family, scope, request.flavour);
  throw new GuestbootError(
    "INVALID_SOURCE",
    `${facts?.index ?? "the index"} lists no installer of ${family.family} ${scope.release ?? ""} for ${scope.arch} ` +
      `(it lists: ${facts?.installers?.slice(0, 20).join(", ") ?? "none"})`,
    {
      hint: "check the release and the architecture (of a VM: other-config:debian-release, install-arch)",
      args: [facts?.index ?? ""],
    },
  );
}

function fromRecord(family: Family, scope: Scope, files: NamedFiles | null): Candidate {
  if (files === null) {
    throw new GuestbootError(
      "INVALID_SOURCE",
      `${family.family} needs to know which kernel to load from the repository`,
      {
        hint: "set other-config:install-kernel and install-ramdisk to paths below the repository",
        args: ["install-kernel"],
      },
    );
  }
  return foundCandidate(family, scope, {
    flavour: "xen",
    layout: "install-kernel",
    root: "",
    kernel: files.kernel,
    ramdisks: files.ramdisks,
  });
}

function indexCandidates(
  family: Family,
  scope: Scope,
  facts: TreeFacts | null,
  layouts: readonly Candidate[],
): Candidate[] {
  if (facts === null) return [];
  return facts.images.flatMap(({ platform, kernel, ramdisk }) => {
    const isXen = platform === "xen";
    if (!isXen && family.arches[platform] !== scope.arch) return [];
    // Written by hand as a layout too, it keeps what the layout knows of its installer.
    const same = layouts.find((each) => each.kernel === kernel && (each.flavour === "xen") === isXen);
    const flavour = isXen ? "xen" : "generic";
    const found = foundCandidate(family, scope, {
      flavour,
      layout: facts.index,
      root: facts.root,
      kernel,
      ramdisks: [ramdisk],
    });
    return [{ ...found, installer: same?.installer ?? found.installer }];
  });
}

function samePaths(one: Candidate, other: Candidate): boolean {
  const paths = ({ flavour, kernel, ramdisks }: Candidate) => JSON.stringify([flavour, kernel, ramdisks]);
  return paths(one) === paths(other);
}

/** An index that lists files and does not list these is about other ones. */
function isListed(candidate: Candidate, facts: TreeFacts | null): boolean {
  if (facts?.kind !== "suse-content" || facts.files.size === 0) return true;
  return [candidate.kernel, ...candidate.ramdisks].every((path) => facts.files.has(path));
}

/** Where a suite lists its installers, one that it does not list is not there. */
function isInstaller(candidate: Candidate, facts: TreeFacts | null): boolean {
  if (facts === null || facts.installers === null) return true;
  const suite = facts.index.slice(0, facts.index.lastIndexOf("/") + 1);
  if (!candidate.kernel.startsWith(`${suite}main/installer-`)) return true;
  return facts.installers.some((folder) => candidate.kernel.startsWith(folder));
}

function argumentsOf(candidate: Candidate, wishes: InstallerWishes | null): InstallerArguments {
  if (wishes === null) return { text: "", warnings: [] };
  const what = candidate.release === "unknown" ? candidate.family : `${candidate.family} ${candidate.release}`;
  const silent = { network: "", cdrom: "", graphical: null, password: null };
  return installerArguments(candidate.installer ?? silent, wishes, candidate, what);
}

/** Where the request and the tree say different things, the request wins and its maker is told. */
function disagreements(request: TreeRequest, scope: Scope, { family, release, arches, facts }: Recognised): string[] {
  if (facts === null) return [];
  const warnings: string[] = [];
  const told = (what: string, wanted: string, says: string) =>
    warnings.push(`${what} ${wanted} was asked for, but ${facts.index} says ${says}: going on with ${wanted}`);
  const known = arches.flatMap((arch) => family.arches[arch] ?? []);
  if (request.arch !== null && known.length > 0 && !known.includes(scope.arch)) {
    told("architecture", scope.arch, arches.join(", "));
  }
  if (request.family !== null && facts.product !== null && releaseOfFacts(family, facts) === undefined) {
    told("distribution", family.family, facts.product);
  }
  // A suite's name in place of a codename (stable, bookworm) is no disagreement.
  const isSuite = facts.kind === "debian-release";
  if (request.release !== null && release !== null && release !== scope.release && !isSuite) {
    told("release", scope.release ?? request.release, release);
  }
  return warnings;
}

interface FirstThere<File, Prepared> {
  readonly resolution: Resolution<File>;
  readonly prepared: Prepared;
}

/** @param prepare is done before a candidate's files are looked for, so that what it refuses costs no download */
async function firstThere<File, Prepared>(
  candidates: readonly Candidate[],
  tree: TreeReader<File>,
  tried: Tried,
  prepare: (candidate: Candidate) => Prepared,
): Promise<FirstThere<File, Prepared>> {
  for (const candidate of candidates) {
    prepare(candidate);
    const paths = [candidate.kernel, ...candidate.ramdisks];
    const [kernel, ...ramdisks] = await allOrFirstFailure(paths.map((path) => tree.look(path, candidate.source)));
    const absent = paths.filter((_path, index) => [kernel, ...ramdisks][index] === null);
    tried.missing.push(...absent);
    if (kernel !== null && kernel !== undefined && absent.length === 0) {
      const there = ramdisks.filter((file): file is Awaited<File> => file !== null);
      // Once more: which of several mirrors the installer is told of shows only when one has answered.
      return { resolution: { candidate, kernel, ramdisks: there }, prepared: prepare(candidate) };
    }
  }
  throw nothingThere(candidates, tree, tried);
}

/** All results; when one fails, the failure comes only after the others have ended, so that nothing runs on behind. */
async function allOrFirstFailure<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(promises);
  return settled.map((each) => {
    if (each.status === "rejected") throw each.reason;
    return each.value;
  });
}
