/**
 * From a family's data and what is wanted of it to the places where kernel and ramdisks may lie, the preferred first.
 * The tree in front of us decides between them.
 */
import { GuestbootError } from "../base/errors.ts";
import type { Family, Flavour, Installer, Layout, Release } from "./catalog.ts";
import { namedRelease, versionOf } from "./release-name.ts";

/** What is to be installed. `arch` is any name of it that the family accepts. */
export interface Target {
  /** null: nobody knows; only layouts that do not need it are left then. */
  readonly release: string | null;
  readonly arch: string;
  /** null: whichever the tree has, a Xen kernel preferred. */
  readonly flavour: Flavour | null;
}

/** Where a candidate's files come from: the repository, or the control domain's folder of guest installers. */
export type FileSource = "repository" | "guest-installer";

/** A place to look: paths below the repository (or the folder that `source` names). */
export interface Candidate {
  readonly family: string;
  /** "unknown" where neither the request nor the tree tells. */
  readonly release: string;
  readonly arch: string;
  readonly flavour: Flavour;
  /** The layout's name in the catalog, or the index file that named the paths. */
  readonly layout: string;
  readonly source: FileSource;
  /** The installer's own tree below the repository: "" or a folder ending in `/`. */
  readonly root: string;
  readonly kernel: string;
  readonly ramdisks: readonly string[];
  /** Further files of a complete netboot set, which a guest's start does not need. */
  readonly extras: readonly string[];
  /** How the installer is spoken to; null where it needs no words. */
  readonly installer: Installer | null;
}

/** Kernel and ramdisks that the VM's record itself names, or its installation medium. */
export interface NamedFiles {
  readonly kernel: string;
  /** Joined for the guest in this order. */
  readonly ramdisks: readonly string[];
}

/** A target with the catalog's own names in it. */
export interface Scope {
  readonly release: string | null;
  readonly listed: Release | undefined;
  readonly arch: string;
  /** The tree has an index; not known where this is missing. */
  readonly indexed?: boolean;
}

/** @throws UNSUPPORTED_INSTALL_METHOD for an architecture that is not there, or a release that is no name */
export function scopeOf(family: Family, target: Pick<Target, "release" | "arch">): Scope {
  const arch = Object.hasOwn(family.arches, target.arch) ? family.arches[target.arch] : undefined;
  if (arch === undefined) {
    throw new GuestbootError(
      "UNSUPPORTED_INSTALL_METHOD",
      `${family.family} has no architecture "${target.arch}" (known: ${Object.keys(family.arches).join(", ")})`,
      { hint: "--arch names the architecture; for a VM other-config:install-arch", args: [target.arch] },
    );
  }
  if (target.release === null) return { release: null, listed: undefined, arch };
  // The name goes into a path: one path component of the characters that suites are made of, and nothing else.
  const isName = /^[A-Za-z0-9][A-Za-z0-9 ._+-]{0,99}$/.test(target.release);
  const { release, listed } = namedRelease(family, isName ? target.release : "");
  if (!isName || !/^[A-Za-z0-9][A-Za-z0-9._+-]*$/.test(release)) {
    throw new GuestbootError("UNSUPPORTED_INSTALL_METHOD", `"${target.release}" cannot be the name of a release`, {
      args: [target.release],
    });
  }
  if (listed?.arches !== undefined && !listed.arches.includes(arch)) {
    throw new GuestbootError(
      "UNSUPPORTED_INSTALL_METHOD",
      `${family.family} ${release} cannot be installed on ${arch} (it has: ${listed.arches.join(", ")})`,
      { hint: "--arch names the architecture; for a VM other-config:install-arch", args: [release, arch] },
    );
  }
  return { release, listed, arch };
}

/**
 * The catalog's candidates; empty where it has none for this release, architecture and flavour (`noCandidates` says so).
 * A release that the catalog does not list (a suite such as `stable`, a release of next year) gets the family's newest
 * layouts, since the tree decides.
 */
export function layoutCandidates(family: Family, scope: Scope, flavour: Flavour | null): Candidate[] {
  const layouts = layoutsOf(family, scope)
    .filter((layout) => layout.arches?.includes(scope.arch) ?? true)
    .filter((layout) => flavour === null || layout.flavour === flavour);
  return rootsOf(family, scope).flatMap((root) =>
    layouts.flatMap((layout) => {
      const paths = [layout.kernel, ...layout.ramdisks, ...layout.extras];
      if (scope.release === null && paths.some(needsRelease)) return [];
      return [candidateOf(family, scope, layout, root)];
    }),
  );
}

/** The folders below the repository that may hold the installer's tree. */
export function rootsOf(family: Family, scope: Scope): string[] {
  const roots = scope.listed?.roots ?? family.roots;
  return roots.filter((root) => scope.release !== null || !needsRelease(root)).map((root) => filled(root, scope));
}

/** A candidate of paths that were found by other means than a layout: an index, the VM's record. */
export function foundCandidate(
  family: Family,
  scope: Scope,
  found: Pick<Candidate, "flavour" | "layout" | "root" | "kernel" | "ramdisks">,
): Candidate {
  return {
    ...found,
    family: family.family,
    release: scope.release ?? "unknown",
    arch: scope.arch,
    source: "repository",
    extras: [],
    installer: installerNamed(family, defaultInstaller(family, scope)),
  };
}

export function noCandidates(family: Family, scope: Scope, flavour: Flavour | null): GuestbootError {
  const release = scope.release ?? "";
  if (scope.listed?.family !== undefined) {
    return new GuestbootError(
      "UNSUPPORTED_INSTALL_METHOD",
      `${family.family} ${release} has no installer in its archive any more`,
      { hint: `install it as ${scope.listed.family}`, args: [release] },
    );
  }
  if (scope.release === null) {
    return new GuestbootError("UNSUPPORTED_INSTALL_METHOD", `${family.family} needs to know which release to install`, {
      hint: "--release names it, a suite or codename such as bookworm; for a VM other-config:debian-release",
      args: ["debian-release"],
    });
  }
  return new GuestbootError(
    "UNSUPPORTED_INSTALL_METHOD",
    `${family.family} ${release} has no kernel of flavour ${flavour ?? "any"} for ${scope.arch}`,
    { args: [release, scope.arch] },
  );
}

function layoutsOf(family: Family, scope: Scope): readonly Layout[] {
  if (scope.listed?.family !== undefined) return [];
  const names = scope.listed === undefined && scope.release !== null ? family.unlisted.layouts : scope.listed?.layouts;
  return names === undefined ? family.layouts : family.layouts.filter((layout) => names.includes(layout.name));
}

function candidateOf(family: Family, scope: Scope, layout: Layout, root: string): Candidate {
  const fill = (path: string) => root + filled(path, scope);
  return {
    family: family.family,
    release: scope.release ?? "unknown",
    arch: scope.arch,
    flavour: layout.flavour,
    layout: layout.name,
    source: family.files === "guest-installer" ? "guest-installer" : "repository",
    root,
    kernel: fill(layout.kernel),
    ramdisks: layout.ramdisks.map(fill),
    extras: layout.extras.map(fill),
    installer: installerNamed(family, layout.installer ?? defaultInstaller(family, scope)),
  };
}

/** A tree that tells nothing of itself is an old one: every newer installer writes an index. */
function defaultInstaller(family: Family, scope: Scope): string | undefined {
  const isOld = scope.release === null && scope.indexed !== true;
  return scope.listed?.installer ?? (isOld ? family.unindexed : undefined) ?? family.installer;
}

function installerNamed(family: Family, name: string | undefined): Installer | null {
  return name === undefined ? null : (family.installers[name] ?? null);
}

function needsRelease(path: string): boolean {
  return /\{(?:release|version)\}/.test(path);
}

function filled(path: string, { release, arch }: Scope): string {
  const name = release ?? "";
  return path.replaceAll("{release}", name).replaceAll("{version}", versionOf(name)).replaceAll("{arch}", arch);
}
