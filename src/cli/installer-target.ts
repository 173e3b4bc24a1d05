/**
 * What `resolve` and `fetch` share: their options, the tree they look into, and the shape they print.
 */
import type { ParseArgsOptionsConfig } from "node:util";
import { readPin, type Checksum, type PinnedDigests } from "../base/checksum.ts";
import { GuestbootError } from "../base/errors.ts";
import { quote } from "../base/printable.ts";
import type { Progress } from "../base/progress.ts";
import type { Settings } from "../base/settings.ts";
import { isTrustPolicy, TRUST_POLICIES, type TrustPolicy } from "../base/trust-settings.ts";
import type { Flavour } from "../distro/catalog.ts";
import { repositoryForInstaller, wishesOfMirror } from "../distro/installer-arguments.ts";
import type { TreeRequest, TreeResolution } from "../distro/resolve.ts";
import type { ProvedTree, TrustWanted } from "../pipeline/trust-chain.ts";
import { givenTrust, type GivenTrust } from "../pipeline/trust-wanted.ts";
import { withoutWebPages, type CheckedRepository } from "../pipeline/web-pages.ts";
import { parseLocation } from "../repository/location.ts";
import { openRepository } from "../repository/open.ts";
import type { TrustLevel } from "../trust/level.ts";

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

/** How much proof the files need, for those commands that look at it. */
export const TRUST_OPTIONS = {
  trust: { type: "string" },
  keyring: { type: "string", multiple: true },
  "accept-expired-keys": { type: "boolean" },
  sha256: { type: "string", multiple: true },
} as const satisfies ParseArgsOptionsConfig;

export interface TargetValues {
  readonly distro?: string | undefined;
  readonly release?: string | undefined;
  readonly arch?: string | undefined;
  readonly flavour?: string | undefined;
  readonly proxy?: string | undefined;
  readonly "ca-file"?: string | undefined;
  readonly trust?: string | undefined;
  readonly keyring?: string[] | undefined;
  readonly "accept-expired-keys"?: boolean | undefined;
  readonly sha256?: string[] | undefined;
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

/** Nothing is asked of a server yet. @throws USAGE, and as `openRepository` */
export async function openTarget(
  address: string,
  values: TargetValues,
  { settings, progress }: { readonly settings: Settings; readonly progress: Progress },
): Promise<OpenTarget> {
  const flavour = readFlavour(values.flavour);
  const location = parseLocation(address);
  const trust = givenTrust(readTrust(values), settings.trust, location);
  const opened = await openRepository(location, { ...repositoryOptions(values, settings), progress });
  const repository = withoutWebPages(opened);
  const wishes = { repository: repositoryForInstaller(address), graphical: null };
  return {
    request: {
      family: values.distro ?? null,
      release: values.release ?? null,
      arch: values.arch ?? null,
      defaultArch: DEFAULT_ARCH,
      flavour,
      files: null,
      installer: wishesOfMirror(wishes, address, repository),
    },
    repository,
    trust,
    [Symbol.asyncDispose]: () => repository[Symbol.asyncDispose](),
  };
}

/** How the options and the host's settings want servers to be asked. */
export function repositoryOptions(values: TargetValues, settings: Settings) {
  return {
    proxy: values.proxy,
    caFile: values["ca-file"],
    environment: process.env,
    settings: settings.repositories,
  };
}

/** For families whose installers lie with the host's packages: no address leads there. */
export function notInRepository({ family }: TreeRequest): GuestbootError {
  return new GuestbootError(
    "UNSUPPORTED_INSTALL_METHOD",
    `the installer's files of ${family ?? "this distribution"} are on the host, not in the repository`,
  );
}

/** @throws USAGE */
function readTrust(values: TargetValues): GivenTrust {
  return {
    policy: readPolicy(values.trust),
    keyrings: values.keyring ?? [],
    acceptExpiredKeys: values["accept-expired-keys"] === true,
    pinned: readPins(values.sha256 ?? []),
  };
}

function readPolicy(word: string | undefined): TrustPolicy | null {
  if (word === undefined) return null;
  if (isTrustPolicy(word)) return word;
  throw new GuestbootError("USAGE", `there is no policy ${quote(word)}: --trust takes ${TRUST_POLICIES.join(", ")}`);
}

/** `kernel=HEX` once, `ramdisk=HEX` for each ramdisk in their order. */
function readPins(given: readonly string[]): PinnedDigests {
  let kernel: Checksum | null = null;
  const ramdisks: Checksum[] = [];
  for (const each of given) {
    const [, role, digest = ""] = /^(kernel|ramdisk)=(.*)$/s.exec(each) ?? [];
    const pin = readPin(digest);
    if (role === undefined || pin === null) {
      throw new GuestbootError(
        "USAGE",
        `--sha256 is kernel=DIGEST or ramdisk=DIGEST, of 64 hexadecimal digits, and not ${quote(each)}`,
      );
    }
    if (role === "ramdisk") ramdisks.push(pin);
    else if (kernel === null) kernel = pin;
    else throw new GuestbootError("USAGE", "--sha256 kernel=DIGEST is given twice");
  }
  return { kernel, ramdisks };
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
  readonly trust: TrustLevel;
}

export interface FileJson {
  readonly url: string;
  readonly path: string;
  readonly digest: string | null;
  readonly size: number | null;
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
