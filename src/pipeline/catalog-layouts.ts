/**
 * Everything that the catalog can install from a repository, one layout for each release, architecture and flavour; and
 * where on a mirror each of them is to be looked for.
 */
import { GuestbootError } from "../base/errors.ts";
import { layoutCandidates, scopeOf, type Scope } from "../distro/candidates.ts";
import { findFamily, type Catalog, type Family, type Flavour } from "../distro/catalog.ts";
import { versionOf } from "../distro/release-name.ts";
import type { LayoutWanted } from "./layout-check.ts";

export interface CatalogLayout {
  readonly family: string;
  /** null: the family lists no releases, its trees are all alike. */
  readonly release: string | null;
  readonly arch: string;
  readonly flavour: Flavour;
  /** Of the preferred place where there are several; paths below the repository. */
  readonly kernel: string;
  readonly ramdisks: readonly string[];
}

/** In the catalog's order. Families whose files do not come from a repository's layout have none. */
export function catalogLayouts(catalog: Catalog): CatalogLayout[] {
  return catalog.filter((family) => family.files === "repository").flatMap(familyLayouts);
}

/** A check that is to be made: in which mirrors, the preferred first, and for what. */
export interface PlannedCheck {
  readonly addresses: readonly string[];
  readonly wanted: LayoutWanted;
}

/**
 * The checks of the whole catalog against mirrors.
 *
 * A mirror's address may hold `{release}`, `{version}` and `{arch}`, for families whose trees hold one release each. An
 * address without them is one tree of such a family then, and is checked as what it says it is.
 * @param mirrors by family's name or alias, the preferred first
 * @throws UNSUPPORTED_INSTALL_METHOD for a family that is not in the catalog
 */
export function planChecks(
  catalog: Catalog,
  mirrors: ReadonlyMap<string, readonly string[]>,
): { readonly checks: PlannedCheck[]; readonly leftOut: string[] } {
  const byFamily = new Map<string, string[]>();
  for (const [name, addresses] of mirrors) {
    const { family, files } = findFamily(catalog, name);
    if (files !== "repository") throw notFromRepository(family);
    byFamily.set(family, [...(byFamily.get(family) ?? []), ...addresses]);
  }
  const checks: PlannedCheck[] = [];
  const leftOut: string[] = [];
  for (const family of catalog.filter(({ files }) => files === "repository")) {
    const addresses = byFamily.get(family.family);
    if (addresses === undefined) leftOut.push(family.family);
    else checks.push(...familyChecks(family, addresses));
  }
  return { checks, leftOut };
}

function familyLayouts(family: Family): CatalogLayout[] {
  const releases = family.releases.length === 0 ? [null] : family.releases.map(({ release }) => release);
  return releases.flatMap((release) =>
    archesOf(family, release).flatMap((arch) => scopeLayouts(family, scopeOf(family, { release, arch }))),
  );
}

function scopeLayouts(family: Family, scope: Scope): CatalogLayout[] {
  const { release } = scope;
  return (["xen", "generic"] as const).flatMap((flavour) => {
    const [first] = layoutCandidates(family, scope, flavour);
    if (first === undefined) return [];
    const { kernel, ramdisks, arch } = first;
    return [{ family: family.family, release, arch, flavour, kernel, ramdisks }];
  });
}

/** A name of each architecture that the release has, as requests may write it. */
function archesOf(family: Family, release: string | null): string[] {
  const named = new Map<string, string>();
  for (const [name, arch] of Object.entries(family.arches))
    if (!named.has(arch) || name === arch) named.set(arch, name);
  const listed = family.releases.find((each) => each.release === release)?.arches;
  return [...named].filter(([arch]) => listed?.includes(arch) ?? true).map(([, name]) => name);
}

function familyChecks(family: Family, addresses: readonly string[]): PlannedCheck[] {
  const isOneTree = !holdsReleases(family) && !addresses.some((address) => /\{(?:release|version)\}/.test(address));
  if (isOneTree) {
    const wanted = { family: family.family, release: null, arch: null, flavour: null };
    return addresses.map((address) => ({ addresses: [filled(address, "", "")], wanted }));
  }
  return familyLayouts(family).map(({ release, arch, flavour }) => ({
    addresses: addresses.map((address) => filled(address, release ?? "", arch)),
    wanted: { family: family.family, release, arch, flavour },
  }));
}

/** Does one repository of the family hold many releases, each in a folder of its own? */
function holdsReleases(family: Family): boolean {
  const paths = [...family.roots, ...family.layouts.map(({ kernel }) => kernel)];
  return family.releases.length > 0 && paths.some((path) => /\{(?:release|version)\}/.test(path));
}

function filled(address: string, release: string, arch: string): string {
  return address
    .replaceAll("{release}", encodeURIComponent(release))
    .replaceAll("{version}", encodeURIComponent(versionOf(release)))
    .replaceAll("{arch}", encodeURIComponent(arch));
}

function notFromRepository(family: string): GuestbootError {
  return new GuestbootError(
    "UNSUPPORTED_INSTALL_METHOD",
    `${family} cannot be checked against a mirror: its kernel does not come from a place that the catalog knows`,
  );
}
