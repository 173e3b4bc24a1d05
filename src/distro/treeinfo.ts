/**
 * `.treeinfo`: what a tree of Fedora, of Red Hat's kind, or of newer SUSE says of itself.
 *
 * Format: https://productmd.readthedocs.io/en/latest/treeinfo-1.2.html, and its older form with a `[general]` section
 * only. The file carries no signature: its digests tell damage, not forgery.
 */
import { checksumFrom } from "../base/checksum.ts";
import { indexPath } from "./index-path.ts";
import { readIni, type IniSections } from "./ini.ts";

export interface TreeinfoImages {
  /** `xen`, or an architecture. */
  readonly platform: string;
  readonly kernel: string;
  readonly ramdisk: string;
}

export interface Treeinfo {
  /** "Fedora", "Red Hat Enterprise Linux"; null where it does not say. */
  readonly family: string | null;
  readonly version: string | null;
  readonly arch: string | null;
  /** Those that name both a kernel and an initrd. */
  readonly images: readonly TreeinfoImages[];
  /** By path below the tree: `sha256:…`, `sha512:…` or `sha1:…` (Fedora 10). */
  readonly digests: ReadonlyMap<string, string>;
}

/**
 * @param index the file's path, for errors
 * @throws INVALID_SOURCE for paths that leave the tree; BUDGET_EXCEEDED
 */
export function readTreeinfo(text: string, index: string): Treeinfo {
  const sections = readIni(text, index);
  const first = (...places: readonly (readonly [section: string, key: string])[]): string | null => {
    for (const [section, key] of places) {
      const value = sections.get(section)?.get(key) ?? "";
      if (value !== "") return value;
    }
    return null;
  };
  return {
    family: first(["release", "name"], ["general", "family"], ["product", "name"], ["general", "name"]),
    version: first(["release", "version"], ["general", "version"], ["product", "version"]),
    arch: first(["tree", "arch"], ["general", "arch"]),
    images: imagesOf(sections, index),
    digests: digestsOf(sections, index),
  };
}

function imagesOf(sections: IniSections, index: string): TreeinfoImages[] {
  const images: TreeinfoImages[] = [];
  for (const [name, entries] of sections) {
    const platform = /^images-(.+)$/.exec(name)?.[1];
    const kernel = entries.get("kernel") ?? "";
    const ramdisk = entries.get("initrd") ?? "";
    if (platform === undefined || kernel === "" || ramdisk === "") continue;
    images.push({ platform, kernel: indexPath(kernel, index), ramdisk: indexPath(ramdisk, index) });
  }
  return images;
}

/** MD5 is left out: it proves nothing any more. */
function digestsOf(sections: IniSections, index: string): Map<string, string> {
  const digests = new Map<string, string>();
  for (const [path, value] of sections.get("checksums") ?? []) {
    const [, algorithm = "", hex = ""] = /^(\w+):([0-9a-f]+)$/i.exec(value) ?? [];
    const digest = checksumFrom(algorithm, hex);
    if (digest !== null) digests.set(indexPath(path, index), digest);
  }
  return digests;
}
