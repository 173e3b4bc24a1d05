/**
 * `.disk/info`: the one line in which a medium of Debian's kind says what it is.
 *
 * `Debian GNU/Linux 12.5.0 "Bookworm" - Official amd64 NETINST …`, `Ubuntu-Server 22.04.3 LTS "Jammy Jellyfish" -
 * Release amd64 (…)`, `Kali GNU/Linux 2023.1 "Kali-rolling" - …`.
 */

export interface DiskInfo {
  /** "Debian GNU/Linux", "Ubuntu-Server". */
  readonly product: string;
  readonly version: string | null;
  /** The first word of what stands in quotes, in small letters: suites are written so. */
  readonly codename: string | null;
  readonly arch: string | null;
}

const ARCHES = ["amd64", "i386", "arm64", "armhf", "ppc64el", "s390x"];
const LONGEST_LINE = 1024;

/** null where the file holds something else. */
export function readDiskInfo(text: string): DiskInfo | null {
  const line = text.slice(0, LONGEST_LINE).split("\n")[0]?.trim() ?? "";
  const [, head = "", quoted = "", rest = ""] = /^([A-Za-z][^"]*)"([^"]+)"(.*)$/.exec(line) ?? [];
  if (head === "") return null;
  const version = /[\s-]([0-9][0-9A-Za-z.]*)/.exec(head);
  const product = version === null ? head : head.slice(0, version.index);
  const words = rest.split(/[^a-z0-9_]+/i);
  return {
    product: product.trim(),
    version: version?.[1] ?? null,
    codename: /^[\w-]+/.exec(quoted)?.[0].toLowerCase() ?? null,
    arch: ARCHES.find((arch) => words.includes(arch)) ?? null,
  };
}
