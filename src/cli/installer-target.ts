/**
 * What `resolve` and `fetch` share: from their options to a resolution in a repository.
 */
import type { ParseArgsOptionsConfig } from "node:util";
import { GuestbootError } from "../base/errors.ts";
import { catalogFiles } from "../base/program.ts";
import { candidatesFor, type Candidate } from "../distro/candidates.ts";
import { findFamily, parseFamily, type Flavour } from "../distro/catalog.ts";

export const TARGET_OPTIONS = {
  distro: { type: "string" },
  release: { type: "string" },
  arch: { type: "string" },
  flavour: { type: "string" },
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
}

/** @throws USAGE, UNSUPPORTED_INSTALL_METHOD */
export function candidatesOf(values: TargetValues): Candidate[] {
  if (values.release === undefined) {
    throw new GuestbootError("USAGE", "--release is missing: which suite or codename is to be installed?");
  }
  const catalog = catalogFiles().map(({ name, text }) => parseFamily(name, text));
  return candidatesFor(findFamily(catalog, values.distro ?? "debianlike"), {
    release: values.release,
    arch: values.arch ?? "amd64",
    flavour: readFlavour(values.flavour),
  });
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

export function resolvedJson(candidate: Candidate, kernel: FileJson, ramdisks: readonly FileJson[]): ResolvedJson {
  const { family, release, arch, flavour, layout } = candidate;
  return { family, release, arch, flavour, layout, kernel, ramdisks, arguments: "", trust: "none" };
}
