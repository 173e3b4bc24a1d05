/**
 * What a tree says of itself, whatever kind of index it has: one shape for all of them.
 */
import { GuestbootError } from "../base/errors.ts";
import type { IndexKind } from "./catalog.ts";
import { readDebianRelease } from "./debian-release.ts";
import { readDiskInfo } from "./disk-info.ts";
import { readSuseContent } from "./suse-content.ts";
import { readSuseProducts } from "./suse-products.ts";
import { readTreeinfo, type TreeinfoImages } from "./treeinfo.ts";
import { readXsPackages, readXsRepository, XS_FOLDERS } from "./xs-repository.ts";

/** Paths are below the repository. */
export interface TreeFacts {
  readonly kind: IndexKind;
  /** The index file. */
  readonly index: string;
  /** The folder that it speaks of: "" or ending in `/`. */
  readonly root: string;
  /** In the tree's own words: "CentOS", "Red Hat Enterprise Linux". */
  readonly product: string | null;
  readonly version: string | null;
  readonly codename: string | null;
  /** Empty where it does not say. */
  readonly arches: readonly string[];
  readonly images: readonly TreeinfoImages[];
  /** Files that it lists, each with its digest (`sha256:…`, `sha512:…`, `sha1:…`) or null; empty where it lists none. */
  readonly files: ReadonlyMap<string, string | null>;
  /** Folders below which an installer lies; null where it does not list them. */
  readonly installers: readonly string[] | null;
}

/** Reads a small file below the repository; null when it is not there. Every path is asked for once. */
export type ReadText = (path: string) => Promise<string | null>;

export interface RememberedReader {
  readonly readText: ReadText;
  /** Paths that were not there. */
  readonly missing: string[];
  /** Index files that end in the middle of a line. */
  readonly cutOff: string[];
  readonly warnings: string[];
}

const LARGEST_INDEX = 4 * 1024 * 1024;

/** Each path once, however many ask; a web page in place of an index (servers answer 200 with one) counts as missing. */
export function rememberingReader(readText: ReadText): RememberedReader {
  const answers = new Map<string, Promise<string | null>>();
  const missing: string[] = [];
  const cutOff: string[] = [];
  const warnings: string[] = [];
  const ask = async (path: string): Promise<string | null> => {
    const text = await readText(path);
    if (text === null) {
      missing.push(path);
      return null;
    }
    if (text.length > LARGEST_INDEX) {
      throw new GuestbootError("BUDGET_EXCEEDED", `${path} is larger than ${LARGEST_INDEX} bytes: no index is`);
    }
    if (!/^\ufeff?\s*<(?:!|\?|[a-z])/i.test(text)) {
      // The line of a medium's `.disk/info` often has no end.
      if (/[^\n]$/.test(text) && !path.endsWith(".disk/info")) cutOff.push(path);
      return text;
    }
    missing.push(path);
    warnings.push(`${path} is a web page and no index`);
    return null;
  };
  return {
    readText(path) {
      const answer = answers.get(path) ?? ask(path);
      answers.set(path, answer);
      return answer;
    },
    missing,
    cutOff,
    warnings,
  };
}

/**
 * The tree's facts from its index of that kind, or null when it has none.
 * @param suite whose Release is read, where the kind is `debian-release`
 * @throws INVALID_SOURCE for an index that leads out of the tree; BUDGET_EXCEEDED; what `readText` throws
 */
export async function readTreeFacts(
  kind: IndexKind,
  root: string,
  suite: string | null,
  readText: ReadText,
): Promise<TreeFacts | null> {
  for (const name of indexNames(kind, suite)) {
    const index = root + name;
    const text = await readText(index);
    if (text === null) continue;
    const facts = await factsOf(kind, index, root, text, readText);
    if (facts !== null) return tamed(facts);
  }
  return null;
}

function indexNames(kind: IndexKind, suite: string | null): readonly string[] {
  switch (kind) {
    case "treeinfo":
      // Some mirrors hide files that begin with a dot.
      return [".treeinfo", "treeinfo"];
    case "suse-content":
      return ["content"];
    case "suse-products":
      return ["media.1/products"];
    case "disk-info":
      return [".disk/info"];
    case "debian-release":
      return suite === null ? [] : [`dists/${suite}/Release`];
    case "mageia-version":
      return ["VERSION"];
    case "xs-repository":
      return XS_FOLDERS.map((folder) => `${folder}XS-REPOSITORY`);
  }
}

async function factsOf(
  kind: IndexKind,
  index: string,
  root: string,
  text: string,
  readText: ReadText,
): Promise<TreeFacts | null> {
  const common = { ...NOTHING, kind, index, root };
  switch (kind) {
    case "treeinfo": {
      const { family, version, arch, images, digests } = readTreeinfo(text, index);
      // A file without anything that a treeinfo has is something else of that name.
      if (family === null && arch === null && images.length === 0) return null;
      const below = images.map(({ platform, kernel, ramdisk }) => {
        return { platform, kernel: root + kernel, ramdisk: root + ramdisk };
      });
      return {
        ...common,
        product: shortened(family),
        version,
        arches: listOf(arch),
        images: below,
        files: under(root, digests),
      };
    }
    case "suse-content": {
      const { label, version, arches, files } = readSuseContent(text, index);
      if (label === null && files.size === 0) return null;
      const product = shortened(label);
      return { ...common, product, version: versionIn(product) ?? version, arches, files: under(root, files) };
    }
    case "suse-products": {
      const [first] = readSuseProducts(text, index);
      if (first === undefined) return null;
      const product = shortened(first.name);
      return { ...common, product, version: versionIn(product) ?? first.version };
    }
    case "disk-info": {
      const info = readDiskInfo(text);
      if (info === null) return null;
      const { product, version, codename, arch } = info;
      return { ...common, product, version, codename, arches: listOf(arch) };
    }
    case "debian-release": {
      const { origin, suite, codename, version, architectures, installers } = readDebianRelease(text, index);
      if (codename === null && suite === null) return null;
      const folder = `${index.slice(0, index.lastIndexOf("/"))}/main`;
      const folders = installers.map((each) => `${folder}/installer-${each.arch}/${each.build}/${each.folder}/`);
      return {
        ...common,
        product: shortened(origin),
        version,
        codename: codename ?? suite,
        arches: architectures,
        installers: folders.length === 0 ? null : folders,
      };
    }
    case "mageia-version": {
      const [, version, arch = null] = /^Mageia ([0-9]+)(?:\.[0-9]+)*(?: (x86_64|i[3-6]86|aarch64))?/.exec(text) ?? [];
      if (version === undefined) return null;
      return { ...common, product: "Mageia", version, arches: listOf(arch) };
    }
    case "xs-repository": {
      const packages = `${index.slice(0, -"XS-REPOSITORY".length)}XS-PACKAGES`;
      const list = await readText(packages);
      if (list === null) return null;
      readXsPackages(list, packages);
      const { targetVersion } = readXsRepository(text, index);
      return { ...common, product: "XenServer", version: targetVersion, arches: [] };
    }
  }
}

const NOTHING = {
  product: null,
  version: null,
  codename: null,
  arches: [],
  images: [],
  files: new Map<string, null>(),
  installers: null,
} as const;

const MOST_ARCHES = 32;

/**
 * What is shown to people and becomes part of paths, held to what such words look like: an index is written by
 * somebody else. A version or codename that is no name says nothing.
 */
function tamed(facts: TreeFacts): TreeFacts {
  const name = (text: string | null) => /^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}(?![^\s])/.exec(text ?? "")?.[0] ?? null;
  return {
    ...facts,
    product: facts.product?.replace(/[^\x20-\x7e]/g, "?") ?? null,
    version: name(facts.version),
    codename: name(facts.codename),
    arches: facts.arches.filter((arch) => /^\w{1,32}$/.test(arch)).slice(0, MOST_ARCHES),
  };
}

const LONGEST_PRODUCT = 200;

function shortened(product: string | null): string | null {
  return product?.slice(0, LONGEST_PRODUCT) ?? null;
}

function listOf(arch: string | null): string[] {
  return arch === null ? [] : [arch];
}

function under<T>(root: string, files: ReadonlyMap<string, T>): ReadonlyMap<string, T> {
  return root === "" ? files : new Map([...files].map(([path, digest]) => [root + path, digest]));
}

/** SUSE's own version fields count service packs in their own ways ("11.3-1.12"); its names do not. */
function versionIn(product: string | null): string | null {
  return /([0-9]+(?:\.[0-9]+)?)(?:[\s-]*SP[0-9]+)?\s*$/i.exec(product ?? "")?.[1] ?? null;
}
