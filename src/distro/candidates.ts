/**
 * From a family's data and what is wanted of it to the places where kernel and ramdisks may lie, the preferred first.
 * The tree in front of us decides between them.
 */
import { GuestbootError } from "../base/errors.ts";
import type { Family, Flavour, Release } from "./catalog.ts";

/** What is to be installed. `arch` is any name of it that the family accepts. */
export interface Target {
  readonly release: string;
  readonly arch: string;
  /** null: whichever the tree has, a Xen kernel preferred. */
  readonly flavour: Flavour | null;
}

/** A place to look: paths below the repository. */
export interface Candidate {
  readonly family: string;
  readonly release: string;
  readonly arch: string;
  readonly flavour: Flavour;
  readonly layout: string;
  readonly kernel: string;
  readonly ramdisks: readonly string[];
}

/**
 * The candidates for `target`, never empty. A release that the catalog does not list (a suite such as `stable`, a
 * release of next year) gets all the layouts of its family, since the tree decides.
 *
 * @throws UNSUPPORTED_INSTALL_METHOD where the family has no such architecture or flavour, or the release is no name
 */
export function candidatesFor(family: Family, target: Target): Candidate[] {
  const arch = family.arches[target.arch];
  if (arch === undefined) {
    throw new GuestbootError(
      "UNSUPPORTED_INSTALL_METHOD",
      `${family.family} has no architecture "${target.arch}" (known: ${Object.keys(family.arches).join(", ")})`,
      { hint: "other-config:install-arch names the architecture", args: [target.arch] },
    );
  }
  // The name goes into a path: one path component of the characters that suites are made of, and nothing else.
  if (!/^[A-Za-z0-9][A-Za-z0-9._+-]*$/.test(target.release)) {
    throw new GuestbootError("UNSUPPORTED_INSTALL_METHOD", `"${target.release}" cannot be the name of a release`, {
      args: [target.release],
    });
  }
  const listed = findRelease(family, target.release);
  const release = listed?.release ?? target.release;
  if (listed?.arches !== undefined && !listed.arches.includes(arch)) {
    throw new GuestbootError(
      "UNSUPPORTED_INSTALL_METHOD",
      `${family.family} ${release} cannot be installed on ${arch} (it has: ${listed.arches.join(", ")})`,
      { hint: "other-config:install-arch names the architecture", args: [release, arch] },
    );
  }
  const layouts = family.layouts
    .filter((layout) => listed?.layouts === undefined || listed.layouts.includes(layout.name))
    .filter((layout) => target.flavour === null || layout.flavour === target.flavour);
  if (layouts.length === 0) {
    throw new GuestbootError(
      "UNSUPPORTED_INSTALL_METHOD",
      `${family.family} ${release} has no kernel of flavour ${target.flavour ?? "any"}`,
    );
  }
  const fill = (path: string) => path.replaceAll("{release}", release).replaceAll("{arch}", arch);
  return layouts.map((layout) => ({
    family: family.family,
    release,
    arch,
    flavour: layout.flavour,
    layout: layout.name,
    kernel: fill(layout.kernel),
    ramdisks: layout.ramdisks.map(fill),
  }));
}

function findRelease(family: Family, name: string): Release | undefined {
  return family.releases.find((each) => each.release === name || each.aliases.includes(name));
}
