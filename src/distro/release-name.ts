/**
 * Which release of a family a name means. People, VM records and the trees themselves write it in many ways: `12`,
 * `bookworm`, `12.5`, `11 SP4`, `CentOS-7.9.2009`, `openSUSE 11.4`.
 */
import type { Family, Release } from "./catalog.ts";

export interface NamedRelease {
  /** The catalog's own name for it, or the given one where the catalog does not list it. */
  readonly release: string;
  readonly listed: Release | undefined;
}

export function namedRelease(family: Family, given: string): NamedRelease {
  const listed = findListed(family, given) ?? findListed(family, withProduct(family, given));
  if (listed !== undefined) return { release: listed.release, listed };
  const named = withProduct(family, given);
  const template = family.unlisted.release;
  const release =
    named === given && template !== undefined && /^[0-9]/.test(given) ? fillVersion(template, given) : named;
  return { release, listed: undefined };
}

/**
 * The release that a product's own words and version mean ("Red Hat Enterprise Linux", "7.6"): null without a version,
 * undefined where this family does not know the product.
 */
export function releaseOfProduct(family: Family, product: string, version: string | null): string | null | undefined {
  const name = plain(product);
  const found = family.names.find(({ words }) => words.some((word) => name.includes(plain(word))));
  if (found === undefined) return undefined;
  const needsVersion = /\{(?:version|major)\}/.test(found.release);
  return needsVersion && version === null
    ? null
    : namedRelease(family, fillVersion(found.release, version ?? "")).release;
}

/**
 * A release under the family's name that was used: Fedora and Red Hat share a family and their numbers, so `7` of
 * `fedora` is `fedora-7`.
 */
export function releaseUnder(family: Family, alias: string, given: string): string {
  const isProduct = family.names.some(({ words }) => words.some((word) => plain(word) === plain(alias)));
  return isProduct && /^v?[0-9]/.test(given) ? `${alias}-${given}` : given;
}

/** What stands for `{version}` in paths: the digits of a release such as `fedora-42`, or its whole name. */
export function versionOf(release: string): string {
  return /(?:^|-)v?([0-9][0-9a-z.]*)$/i.exec(release)?.[1] ?? release;
}

function findListed(family: Family, given: string): Release | undefined {
  const names = family.releases.map((release) => ({
    release,
    names: [release.release, ...release.aliases].map(plain),
  }));
  for (let name: string | null = plain(given); name !== null && name !== ""; name = lessExact(name)) {
    const wanted = name;
    const found = names.find((each) => each.names.includes(wanted));
    if (found !== undefined) return found.release;
  }
  return undefined;
}

/** `CentOS-7.9` as the family's own naming of products has it: `7.9`. */
function withProduct(family: Family, given: string): string {
  const name = plain(given);
  for (const { words, release } of family.names) {
    for (const word of words) {
      const version = name.startsWith(plain(word)) ? name.slice(plain(word).length) : "";
      if (/^v?[0-9]/.test(version)) return fillVersion(release, version.replace(/^v/, ""));
    }
  }
  return given;
}

/** `7.9.2009` → `7.9` → `7`; `11sp4` → `11`. null when nothing more can be left out. */
function lessExact(name: string): string | null {
  const shorter = name.replace(/(?:sp[0-9]+[a-z]*|\.[0-9a-z]+)$/, "");
  return shorter === name ? null : shorter;
}

function fillVersion(template: string, version: string): string {
  return template.replaceAll("{version}", version).replaceAll("{major}", version.replace(/[^0-9].*$/s, ""));
}

/** Case, blanks and hyphens tell nothing apart. */
function plain(name: string): string {
  return name.toLowerCase().replace(/[\s_-]+/g, "");
}
