/**
 * `dists/SUITE/Release`: what a suite of Debian's kind is, and which installers it lists.
 * Format: https://wiki.debian.org/DebianRepository/Format#A.22Release.22_files
 *
 * Whether the file is the archive's own is not checked here: the text of an `InRelease` is, before it gets here.
 */
import { Budget } from "../base/budget.ts";
import { indexPath } from "./index-path.ts";
import { linesOf } from "./ini.ts";

export interface DebianInstaller {
  readonly arch: string;
  /** `current`, or a build such as `20210731+deb11u5`. */
  readonly build: string;
  /** `images`, or Ubuntu's `legacy-images`. */
  readonly folder: string;
  /** Digest of the folder's `SHA256SUMS`, `sha256:…`. */
  readonly digest: string;
}

export interface DebianRelease {
  readonly origin: string | null;
  readonly suite: string | null;
  readonly codename: string | null;
  readonly version: string | null;
  /** After it the archive's owner does not stand by the file any more (suites that are updated); null for never. */
  readonly validUntil: Date | null;
  readonly architectures: readonly string[];
  /** Empty where the suite lists none (old suites did not). */
  readonly installers: readonly DebianInstaller[];
}

const MOST_LINES = 100_000;

/** @throws INVALID_SOURCE for paths that leave the suite; BUDGET_EXCEEDED */
export function readDebianRelease(text: string, index: string): DebianRelease {
  const values = new Map<string, string>();
  const installers: DebianInstaller[] = [];
  let field = "";
  for (const line of linesOf(text, new Budget(`lines in ${index}`, MOST_LINES))) {
    const [, name, value = ""] = /^([A-Za-z0-9-]+):\s*(.*)$/.exec(line) ?? [];
    if (name !== undefined) {
      field = name.toLowerCase();
      if (!values.has(field)) values.set(field, value.trim());
    } else if (field === "sha256") {
      const found = installerOf(line, index);
      if (found !== null) installers.push(found);
    }
  }
  const value = (name: string) => nonEmpty(values.get(name));
  return {
    origin: value("origin"),
    suite: value("suite"),
    codename: value("codename"),
    version: value("version"),
    validUntil: dateOf(value("valid-until")),
    architectures: (values.get("architectures") ?? "").split(/\s+/).filter((arch) => arch !== ""),
    installers,
  };
}

function installerOf(line: string, index: string): DebianInstaller | null {
  const [, hex, path] = /^\s+([0-9a-f]{64})\s+[0-9]+\s+(\S+)$/i.exec(line) ?? [];
  if (hex === undefined || path === undefined) return null;
  const below = indexPath(path, index);
  const [, arch, build, folder] = /^main\/installer-([^/]+)\/([^/]+)\/([a-z-]*images)\/SHA256SUMS$/.exec(below) ?? [];
  if (arch === undefined || build === undefined || folder === undefined) return null;
  return { arch, build, folder, digest: `sha256:${hex.toLowerCase()}` };
}

function dateOf(value: string | null): Date | null {
  const time = value === null ? Number.NaN : Date.parse(value);
  return Number.isNaN(time) ? null : new Date(time);
}

function nonEmpty(value: string | undefined): string | null {
  return value === undefined || value === "" ? null : value;
}
