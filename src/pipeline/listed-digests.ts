/**
 * Digests of a tree's files that stand in lists beside its index: Debian's `images/SHA256SUMS`, SUSE's `CHECKSUMS`.
 * Whether the lists themselves are signed is not looked at here.
 */
import { checksumFrom, type Checksum } from "../base/checksum.ts";

export interface DigestList {
  readonly list: string;
  /** The folder that the list's paths are below: "" or ending in `/`. */
  readonly below: string;
}

/**
 * The list of the folder of a Debian installer's images (Ubuntu's `legacy-images` too) that the file lies in; null for
 * others' `images/` (RHEL's `images/pxeboot/`), which nobody need be asked about.
 */
export function imagesListFor(path: string): DigestList | null {
  const images = /^(?:.*\/)?installer-[^/]+\/[^/]+\/(?:legacy-)?images\/(?=.)/.exec(path)?.[0];
  return images === undefined ? null : { list: `${images}SHA256SUMS`, below: images };
}

/** The lists that may name the file. */
export function listsFor(path: string): DigestList[] {
  const images = imagesListFor(path);
  return [...(images === null ? [] : [images]), { list: "CHECKSUMS", below: "" }];
}

/**
 * The file's digest in the text of a list as sha256sum(1) and its kin write it, or null. Lines of MD5 count as none.
 */
export function digestIn(text: string, path: string, below: string): Checksum | null {
  for (const [, hex = "", listed = ""] of text.matchAll(/^([0-9a-f]{40,128})[ \t]+\*?(?:\.\/)?([^\r\n]+)$/gim)) {
    if (below + listed.trimEnd() !== path) continue;
    const digest = checksumFrom(ALGORITHMS[hex.length] ?? "", hex);
    if (digest !== null) return digest;
  }
  return null;
}

/** By the number of hexadecimal digits. */
const ALGORITHMS: Readonly<Record<number, string>> = { 40: "sha1", 64: "sha256", 128: "sha512" };
