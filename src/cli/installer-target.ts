/**
 * What `resolve`, `fetch` and `prestage` share: their options, and the tree that these name.
 */
import type { ParseArgsOptionsConfig } from "node:util";
import { readPin, type Checksum, type PinnedDigests } from "../base/checksum.ts";
import { GuestbootError } from "../base/errors.ts";
import { quote } from "../base/printable.ts";
import type { Progress } from "../base/progress.ts";
import type { Settings } from "../base/settings.ts";
import { isTrustPolicy, TRUST_POLICIES, type TrustPolicy } from "../base/trust-settings.ts";
import type { Flavour } from "../distro/catalog.ts";
import { confineInstallation, type Prepared } from "../pipeline/confine-installation.ts";
import type { HostReach } from "../pipeline/installation-reach.ts";
import {
  answerLocation,
  authoritiesOf,
  keyringsOf,
  proxiesOf,
  redirectPortsOf,
} from "../pipeline/installation-needs.ts";
import { openInstallerTree, type InstallerTree } from "../pipeline/installer-tree.ts";
import { givenTrust, type GivenTrust } from "../pipeline/trust-wanted.ts";
import type { GivenPatches } from "../pipeline/patches-wanted.ts";
import { parseLocation } from "../repository/location.ts";
import { proxiesIn } from "../repository/proxy.ts";
import { cacheFolderOf } from "./folders.ts";

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

/** Nothing is asked of a server yet. @throws USAGE, and as `openRepository` */
export async function openTarget(
  address: string,
  values: TargetValues,
  { settings, progress }: { readonly settings: Settings; readonly progress: Progress },
): Promise<InstallerTree> {
  const flavour = readFlavour(values.flavour);
  const trust = givenTrust(readTrust(values), settings.trust, parseLocation(address));
  return openInstallerTree(address, {
    family: values.distro ?? null,
    release: values.release ?? null,
    arch: values.arch ?? null,
    flavour,
    trust,
    options: { ...repositoryOptions(values, settings), progress },
  });
}

/** One tree that a command asks for, and what goes into it. */
export interface AskedTree {
  readonly address: string;
  readonly values: TargetValues;
  readonly patches?: GivenPatches;
}

/** What a command reads and writes beside the trees themselves. */
export interface CommandReach {
  /** Folders beside the cache. */
  readonly writable: readonly string[];
  /** Files and folders of this host. Default: none. */
  readonly readable?: readonly string[];
  /** The toolstack, for commands that ask it for records. Default: it is not asked. */
  readonly toolstack?: Pick<HostReach, "sockets" | "ports">;
  /** Files are kept. Default: they are. */
  readonly usesCache?: boolean;
}

/** The walls of an installation's start, for who asks for its files alone. @throws as `confineInstallation` */
export function confineCommand(
  trees: readonly AskedTree[],
  settings: Settings,
  reach: CommandReach,
): Promise<Prepared> {
  const { writable, readable = [], toolstack = { sockets: false, ports: [] }, usesCache = true } = reach;
  const locations = trees.flatMap(({ address, patches }) => [
    parseLocation(address),
    ...answerLocation(patches?.answer?.from ?? null),
  ]);
  return confineInstallation({
    needs: {
      locations,
      redirectPorts: redirectPortsOf(settings.repositories, locations),
      proxies: [
        ...proxiesOf(settings.repositories),
        ...proxiesIn(process.env),
        ...trees.map(({ values }) => values.proxy ?? ""),
      ],
      readable: [
        ...trees.flatMap(({ values, patches }) => [
          values["ca-file"] ?? "",
          ...(values.keyring ?? []),
          ...(patches?.overlays ?? []),
        ]),
        ...authoritiesOf(settings.repositories),
        ...keyringsOf(settings.trust),
        ...readable,
      ],
    },
    host: { writable: [...(usesCache ? [cacheFolderOf(settings)] : []), ...writable], ...toolstack },
    memory: settings.limits.memory,
  });
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
