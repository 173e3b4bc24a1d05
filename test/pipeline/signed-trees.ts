/**
 * Made-up trees with checksums and signatures as Debian, SUSE and Fedora publish them, as texts by their paths.
 */
import { createHash } from "node:crypto";
import type { Gpg, SignOptions } from "../trust/gpg.ts";

export type Tree = Map<string, Buffer>;

export const KERNEL = Buffer.from("a kernel, made up\n".repeat(100));
export const INITRD = Buffer.from("an initrd, made up\n".repeat(100));

export const DEBIAN = {
  suite: "dists/bookworm/",
  images: "dists/bookworm/main/installer-amd64/current/images/",
  kernel: "dists/bookworm/main/installer-amd64/current/images/netboot/xen/vmlinuz",
  initrd: "dists/bookworm/main/installer-amd64/current/images/netboot/xen/initrd.gz",
} as const;

export function hex(bytes: Uint8Array | string, algorithm = "sha256"): string {
  return createHash(algorithm).update(bytes).digest("hex");
}

export interface DebianOptions {
  readonly sign?: "InRelease" | "Release.gpg" | "none";
  readonly keys?: readonly string[];
  readonly how?: SignOptions;
  /** Further fields of the Release file. */
  readonly fields?: string;
  readonly codename?: string;
}

export function debianTree(gpg: Gpg, options: DebianOptions = {}): Tree {
  const { sign = "InRelease", keys = [], how = {}, fields = "", codename = "bookworm" } = options;
  const sums = `${hex(KERNEL)}  ./netboot/xen/vmlinuz\n${hex(INITRD)}  ./netboot/xen/initrd.gz\n`;
  const list = `${DEBIAN.images}SHA256SUMS`;
  const release = `Origin: Debian
Label: Debian
Suite: oldstable
Version: 12.1
Codename: ${codename}
${fields}Architectures: all amd64
Components: main
SHA256:
 ${hex(sums)} ${sums.length} ${list.slice(DEBIAN.suite.length)}
`;
  const tree: Tree = new Map([
    [DEBIAN.kernel, KERNEL],
    [DEBIAN.initrd, INITRD],
    [list, Buffer.from(sums)],
    [`${DEBIAN.suite}Release`, Buffer.from(release)],
  ]);
  if (sign === "InRelease") tree.set(`${DEBIAN.suite}InRelease`, Buffer.from(gpg.clearsign(release, keys, how)));
  if (sign === "Release.gpg") tree.set(`${DEBIAN.suite}Release.gpg`, gpg.detach(release, keys, how));
  return tree;
}

export const RHEL = { kernel: "images/pxeboot/vmlinuz", initrd: "images/pxeboot/initrd.img" } as const;

export function rhelTree({ checksums = true, algorithm = "sha256" } = {}): Tree {
  const line = (path: string, bytes: Buffer) => `${path} = ${algorithm}:${hex(bytes, algorithm)}\n`;
  const list = `[checksums]\n${line(RHEL.kernel, KERNEL)}${line(RHEL.initrd, INITRD)}`;
  const text = `[general]
family = CentOS
version = 7
arch = x86_64
[images-x86_64]
kernel = ${RHEL.kernel}
initrd = ${RHEL.initrd}
[images-xen]
kernel = ${RHEL.kernel}
initrd = ${RHEL.initrd}
${checksums ? list : ""}`;
  return new Map([
    [".treeinfo", Buffer.from(text)],
    [RHEL.kernel, KERNEL],
    [RHEL.initrd, INITRD],
  ]);
}

export const SUSE = { kernel: "boot/x86_64/loader/linux", initrd: "boot/x86_64/loader/initrd" } as const;

/** Up to SLE 12: `content` lists the files. */
export function suseContentTree(gpg: Gpg, keys: readonly string[], algorithm = "SHA256"): Tree {
  const line = (path: string, bytes: Buffer) => `HASH ${algorithm} ${hex(bytes, algorithm)}  ${path}\n`;
  const text = `CONTENTSTYLE 11
LABEL SUSE Linux Enterprise Server 12 SP3
BASEARCHS x86_64
${line(SUSE.kernel, KERNEL)}${line(SUSE.initrd, INITRD)}`;
  return suse("content", text, gpg, keys);
}

/** From SLE 15 on: `CHECKSUMS` lists them, and `.treeinfo` does not. */
export function suseChecksumsTree(gpg: Gpg, keys: readonly string[]): Tree {
  const tree = suse("CHECKSUMS", `${hex(KERNEL)}  ${SUSE.kernel}\n${hex(INITRD)}  ${SUSE.initrd}\n`, gpg, keys);
  const info = `[header]
type = productmd.treeinfo
version = 1.2
[release]
name = openSUSE Leap
short = Leap
version = 15.6
[tree]
arch = x86_64
[images-x86_64]
kernel = ${SUSE.kernel}
initrd = ${SUSE.initrd}
`;
  return tree.set(".treeinfo", Buffer.from(info));
}

function suse(index: string, text: string, gpg: Gpg, keys: readonly string[]): Tree {
  const tree: Tree = new Map([
    [index, Buffer.from(text)],
    [SUSE.kernel, KERNEL],
    [SUSE.initrd, INITRD],
  ]);
  return keys.length === 0 ? tree : tree.set(`${index}.asc`, gpg.detach(text, keys));
}

/** The tree with one of its files altered. */
export function altered(tree: Tree, path: string, change: (text: string) => string = (text) => `${text}!`): Tree {
  const before = tree.get(path);
  if (before === undefined) throw new Error(`the tree has no ${path}`);
  return new Map(tree).set(path, Buffer.from(change(before.toString())));
}

/** The tree without some of its files. */
export function without(tree: Tree, ...paths: readonly string[]): Tree {
  return new Map([...tree].filter(([path]) => !paths.includes(path)));
}
