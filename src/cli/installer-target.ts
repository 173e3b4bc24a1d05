/**
 * What `resolve` and `fetch` share: their options, the tree they look into, and the shape they print.
 */
import type { ParseArgsOptionsConfig } from "node:util";
import { GuestbootError } from "../base/errors.ts";
import { catalogFiles } from "../base/program.ts";
import type { Progress } from "../base/progress.ts";
import type { Flavour } from "../distro/catalog.ts";
import { repositoryForInstaller } from "../distro/installer-arguments.ts";
import { readCatalog } from "../distro/read-catalog.ts";
import { resolveTree, type TreeRequest, type TreeResolution } from "../distro/resolve.ts";
import { readRepositoryText } from "../pipeline/read-text.ts";
import { parseLocation } from "../repository/location.ts";
import { openRepository } from "../repository/open.ts";
import type { Repository } from "../repository/repository.ts";

export const TARGET_OPTIONS = {
  distro: { type: "string" },
  release: { type: "string" },
  arch: { type: "string" },
  flavour: { type: "string" },
  proxy: { type: "string" },
  "ca-file": { type: "string" },
  json: { type: "boolean" },
  quiet: { type: "boolean", short: "q" },
  help: { type: "boolean", short: "h" },
  debug: { type: "boolean" },
} as const satisfies ParseArgsOptionsConfig;

export interface TargetValues {
  readonly distro?: string | undefined;
  readonly release?: string | undefined;
  readonly arch?: string | undefined;
  readonly flavour?: string | undefined;
  readonly proxy?: string | undefined;
  readonly "ca-file"?: string | undefined;
}

/** What a person installs today where neither they nor the tree say. */
const DEFAULT_ARCH = "amd64";

/**
 * Resolves what the options ask for in the repository at `address`; what they do not say, the tree tells.
 * @param look how the caller looks at one file: with a question, or by fetching it
 * @throws USAGE, and as `resolveTree`
 */
export async function resolveFor<File>(
  address: string,
  values: TargetValues,
  progress: Progress,
  look: (repository: Repository, path: string) => Promise<File | null>,
): Promise<TreeResolution<File>> {
  const request: TreeRequest = {
    family: values.distro ?? null,
    release: values.release ?? null,
    arch: values.arch ?? null,
    defaultArch: DEFAULT_ARCH,
    flavour: readFlavour(values.flavour),
    files: null,
    installer: { repository: repositoryForInstaller(address), graphical: null },
  };
  await using repository = await openRepository(parseLocation(address), {
    proxy: values.proxy,
    caFile: values["ca-file"],
    environment: process.env,
    progress,
  });
  const found = await resolveTree(readCatalog(catalogFiles()), request, {
    address: repository.address,
    readText: (path) => readRepositoryText(repository, path),
    look: (path, source) => {
      if (source === "repository") return look(repository, path);
      throw new GuestbootError(
        "UNSUPPORTED_INSTALL_METHOD",
        `the installer's files of ${request.family ?? "this distribution"} are on the host, not in the repository`,
      );
    },
  });
  for (const warning of found.warnings) progress.warn(warning);
  return found;
}

function readFlavour(word: string | undefined): Flavour | null {
  if (word === undefined || word === "xen" || word === "generic") return word ?? null;
  throw new GuestbootError("USAGE", `there is no flavour "${word}": xen and generic are known`);
}

/** The shape that other programs rely on (DESIGN: "Shapes that other programs read"). */
export interface ResolvedJson {
  readonly family: string;
  readonly release: string;
  readonly arch: string;
  readonly flavour: string;
  readonly layout: string;
  readonly kernel: FileJson;
  readonly ramdisks: readonly FileJson[];
  readonly arguments: string;
  readonly trust: "signed" | "listed" | "none";
}

export interface FileJson {
  readonly url: string;
  readonly path: string;
  readonly digest: string | null;
  readonly size: number | null;
}

export function resolvedJson(found: TreeResolution<FileJson>): ResolvedJson {
  const { family, release, arch, flavour, layout } = found.candidate;
  const plain = ({ url, path, digest, size }: FileJson): FileJson => ({ url, path, digest, size });
  return {
    family,
    release,
    arch,
    flavour,
    layout,
    kernel: plain(found.kernel),
    ramdisks: found.ramdisks.map(plain),
    arguments: found.arguments,
    // Nothing is compared with what the tree's index lists yet.
    trust: "none",
  };
}
