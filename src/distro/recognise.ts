/**
 * Which family and release a tree is of, where nobody has said: from the index files that it has, then from files that
 * only one family's trees have. Cheap questions first; each is asked once.
 */
import type { Catalog, Family } from "./catalog.ts";
import { namedRelease, releaseOfProduct } from "./release-name.ts";
import { readTreeFacts, type ReadText, type TreeFacts } from "./tree-index.ts";

export interface Recognised {
  readonly family: Family;
  readonly release: string | null;
  /** As the tree names them; empty where it does not say. */
  readonly arches: readonly string[];
  /** null where no index told. */
  readonly facts: TreeFacts | null;
}

export interface Tree {
  readonly readText: ReadText;
  /** Is the file there? */
  readonly has: (path: string) => Promise<boolean>;
}

const AT_ONCE = 8;

/**
 * @param release where it is known already: whose Release file is read
 * @returns null where nothing of the tree is known
 * @throws what the index readers and `tree` throw
 */
export async function recognise(catalog: Catalog, release: string | null, tree: Tree): Promise<Recognised | null> {
  for (const kind of ["treeinfo", "suse-content", "suse-products", "disk-info"] as const) {
    const found = recogniseFacts(catalog, await readTreeFacts(kind, "", null, tree.readText));
    if (found !== null) return found;
  }
  const found =
    (await recogniseSuite(catalog, release, tree.readText)) ??
    recogniseFacts(catalog, await readTreeFacts("mageia-version", "", null, tree.readText)) ??
    (await recogniseShape(catalog, tree)) ??
    (await recogniseBelow(catalog, tree.readText));
  return found ?? recogniseFacts(catalog, await readTreeFacts("xs-repository", "", null, tree.readText));
}

/** What facts mean in the catalog's names; null for no facts, or for a product that no family knows. */
export function recogniseFacts(catalog: Catalog, facts: TreeFacts | null | undefined): Recognised | null {
  if (facts === null || facts === undefined) return null;
  const readers = catalog.filter((family) => family.index.includes(facts.kind));
  for (const family of readers) {
    const release = releaseOfFacts(family, facts);
    if (release === undefined) continue;
    const moved = release === null ? undefined : namedRelease(family, release).listed?.family;
    const home = catalog.find((each) => each.family === moved) ?? family;
    return { family: home, release, arches: facts.arches, facts };
  }
  // An index of a family's kind by a vendor that nobody has heard of (a rebuild, a respin): tried as that family.
  const [family] = readers;
  const speaks = facts.product === null || facts.images.length > 0;
  return family === undefined || !speaks ? null : { family, release: null, arches: facts.arches, facts };
}

/** The release that the facts mean for this family: null for none, undefined when they speak of no product of its. */
export function releaseOfFacts(family: Family, { product, version, codename }: TreeFacts): string | null | undefined {
  if (product === null) return undefined;
  const byVersion = releaseOfProduct(family, product, version);
  if (byVersion === undefined || codename === null) return byVersion;
  const byName = namedRelease(family, codename.toLowerCase());
  // A codename that the catalog does not list is still what the suite's folder is called.
  const isUnknown = byVersion === null || namedRelease(family, byVersion).listed === undefined;
  return byName.listed !== undefined || isUnknown ? byName.release : byVersion;
}

/** A few suites at once; the first of the list that is there counts. */
async function recogniseSuite(
  catalog: Catalog,
  release: string | null,
  readText: ReadText,
): Promise<Recognised | null> {
  for (const family of catalog.filter((each) => each.index.includes("debian-release"))) {
    const [first, ...more] = release === null ? family.suites : [namedRelease(family, release).release];
    if (first === undefined) continue;
    // The usual one alone: a full mirror's Release files are large.
    for (const batch of [[first], ...batchesOf(more)]) {
      const facts = await Promise.all(batch.map((suite) => readTreeFacts("debian-release", "", suite, readText)));
      const found = recogniseFacts(
        catalog,
        facts.find((each) => each !== null),
      );
      if (found !== null) return found;
    }
  }
  return null;
}

async function recogniseShape(catalog: Catalog, tree: Tree): Promise<Recognised | null> {
  const shapes = catalog.flatMap((family) => family.shapes.map((shape) => ({ family, shape })));
  for (const batch of batchesOf(shapes)) {
    const there = await Promise.all(batch.map(({ shape }) => tree.has(shape.file)));
    const found = batch.find((_each, at) => there[at] === true);
    if (found === undefined) continue;
    const { family, shape } = found;
    return {
      family,
      release: shape.release ?? null,
      arches: shape.arch === undefined ? [] : [shape.arch],
      facts: null,
    };
  }
  return null;
}

/** The trees that lie one known folder deeper, as in the repositories of EL 8 and later. */
async function recogniseBelow(catalog: Catalog, readText: ReadText): Promise<Recognised | null> {
  const roots = catalog
    .flatMap((family) => [...family.roots, ...family.releases.flatMap((release) => release.roots ?? [])])
    .filter((root) => root !== "" && !/\{(?:release|version)\}/.test(root))
    .map((root) => root.replaceAll("{arch}", "x86_64"));
  for (const root of new Set(roots)) {
    const found = recogniseFacts(catalog, await readTreeFacts("treeinfo", root, null, readText));
    if (found !== null) return found;
  }
  return null;
}

function batchesOf<T>(list: readonly T[]): T[][] {
  const batches: T[][] = [];
  for (let at = 0; at < list.length; at += AT_ONCE) batches.push(list.slice(at, at + AT_ONCE));
  return batches;
}
