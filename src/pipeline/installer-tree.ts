/**
 * The tree that somebody names by its address, where no VM's record asks for it: opened, and looked into with questions
 * alone; and the shape in which other programs are told what is in it.
 */
import type { Checksum } from "../base/checksum.ts";
import { GuestbootError } from "../base/errors.ts";
import type { Catalog, Flavour } from "../distro/catalog.ts";
import { repositoryForInstaller, wishesOfMirror } from "../distro/installer-arguments.ts";
import { resolveTree, type TreeRequest, type TreeResolution } from "../distro/resolve.ts";
import { parseLocation } from "../repository/location.ts";
import { openRepository } from "../repository/open.ts";
import type { RepositoryOptions } from "../repository/options.ts";
import type { FileJson, ResolvedJson } from "./installer-json.ts";
import { readRepositoryText } from "./read-text.ts";
import { openTrustChain, type ProvedTree, type TrustWanted } from "./trust-chain.ts";
import { withoutWebPages, type CheckedRepository } from "./web-pages.ts";

/** What is wanted of a tree; null for what the tree is to tell by itself. */
export interface WantedTree {
  readonly family: string | null;
  readonly release: string | null;
  readonly arch: string | null;
  readonly flavour: Flavour | null;
  readonly trust: TrustWanted;
  readonly options: RepositoryOptions;
}

/** What is asked for, and the repository to look for it in. */
export interface InstallerTree extends AsyncDisposable {
  readonly request: TreeRequest;
  readonly repository: CheckedRepository;
  readonly trust: TrustWanted;
}

/** A resolved tree, and what is known of its files. */
export interface ResolvedTarget<File> {
  readonly found: TreeResolution<File>;
  readonly proved: ProvedTree;
}

/** What the options ask for, and the repository to look for it in. */
export interface OpenTarget extends AsyncDisposable {
  readonly request: TreeRequest;
  readonly repository: CheckedRepository;
  readonly trust: TrustWanted;
}

/** What a person installs today where neither they nor the tree say. */
const DEFAULT_ARCH = "amd64";

/** Nothing is asked of a server yet. @throws as `openRepository` */
export async function openInstallerTree(address: string, wanted: WantedTree): Promise<InstallerTree> {
  const { family, release, arch, flavour, trust } = wanted;
  const repository = withoutWebPages(await openRepository(parseLocation(address), wanted.options));
  const wishes = { repository: repositoryForInstaller(address), graphical: null };
  const installer = wishesOfMirror(wishes, address, repository);
  return {
    request: { family, release, arch, defaultArch: DEFAULT_ARCH, flavour, files: null, installer },
    repository,
    trust,
    [Symbol.asyncDispose]: () => repository[Symbol.asyncDispose](),
  };
}

/**
 * Looks into the tree with questions alone: no kernel and no initrd is fetched.
 *
 * @param cacheFolder where verdicts on signatures are remembered; null: nowhere
 * @throws as `resolveTree` and `TrustChain.prove`
 */
export async function lookUpInstaller(
  { request, repository, trust }: InstallerTree,
  catalog: Catalog,
  cacheFolder: string | null,
): Promise<ResolvedTarget<FileJson>> {
  const chain = openTrustChain((path) => readRepositoryText(repository, path), trust, cacheFolder);
  const found = await resolveTree<FileJson>(catalog, request, {
    address: repository.address,
    remark: (path) => repository.remark(path),
    readText: chain.readText,
    look: async (path, source) => {
      if (source !== "repository") throw notInRepository(request);
      const facts = await repository.look(path);
      return facts === null ? null : { url: repository.addressOf(path), path, digest: null, size: facts.size };
    },
  });
  return { found, proved: await chain.prove(found) };
}

/** For families whose installers lie with the host's packages: no address leads there. */
export function notInRepository({ family }: TreeRequest): GuestbootError {
  return new GuestbootError(
    "UNSUPPORTED_INSTALL_METHOD",
    `the installer's files of ${family ?? "this distribution"} are on the host, not in the repository`,
  );
}

/** Digests that are not known from the files themselves are what the indexes say. */
export function resolvedJson({ found, proved }: ResolvedTarget<FileJson>): ResolvedJson {
  const { family, release, arch, flavour, layout } = found.candidate;
  const plain = ({ url, path, digest, size }: FileJson, checksum: Checksum | null | undefined): FileJson => {
    return { url, path, digest: digest ?? checksum ?? null, size };
  };
  return {
    family,
    release,
    arch,
    flavour,
    layout,
    kernel: plain(found.kernel, proved.kernel.checksum),
    ramdisks: found.ramdisks.map((file, index) => plain(file, proved.ramdisks[index]?.checksum)),
    arguments: found.arguments,
    trust: proved.trust,
  };
}
