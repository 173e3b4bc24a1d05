/**
 * Digests of a tree's files that stand in lists beside its index: Debian's `images/SHA256SUMS`, SUSE's `CHECKSUMS`.
 * They tell damage; whether the lists themselves are signed is not looked at here.
 */

/** The lists that may name the file, with the folder that their paths are below. */
export function listsFor(path: string): { readonly list: string; readonly below: string }[] {
  const images = /^(?:.*\/)?images\/(?=.)/.exec(path)?.[0];
  return [
    ...(images === undefined ? [] : [{ list: `${images}SHA256SUMS`, below: images }]),
    { list: "CHECKSUMS", below: "" },
  ];
}

/** The file's digest (`sha256:…`) in the text of a list as sha256sum(1) writes it, or null. */
export function digestIn(text: string, path: string, below: string): string | null {
  for (const [, digest = "", listed = ""] of text.matchAll(/^([0-9a-f]{64})[ \t]+\*?(?:\.\/)?([^\r\n]+)$/gim)) {
    if (below + listed.trimEnd() === path) return `sha256:${digest.toLowerCase()}`;
  }
  return null;
}
