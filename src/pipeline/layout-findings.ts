/**
 * What of a tree's files would keep an installation from starting. Pure: what was seen goes in, words come out.
 */
import type { Flavour } from "../distro/catalog.ts";
import type { KernelImage, NoKernel } from "../kernel/kernel-image.ts";
import type { XenAbility } from "../kernel/xen-notes.ts";

export interface Findings {
  /** Each keeps an installation from starting. */
  readonly problems: readonly string[];
  /** What is good to know. */
  readonly notes: readonly string[];
}

export interface SeenFile {
  readonly path: string;
  /** Where it really came from, after redirects. */
  readonly url: string;
  /** Bytes; null where the server does not say. */
  readonly size: number | null;
  /** Compared with what an index lists; null where only the beginning was looked at. */
  readonly digest: { readonly found: string; readonly listed: string | null } | null;
}

const KIB = 1024;
const MIB = 1024 * KIB;

/** Kernels of 2.6.9 have 1.2 MB; what is larger than the limit for boot files is no kernel that anything would take. */
const KERNEL_SIZE = { least: 512 * KIB, most: 128 * MIB, dom0: 32 * MIB } as const;
/** The smallest installers of the catalog have above 1 MB. */
const RAMDISK_SIZE = { least: 64 * KIB, most: 1024 * MIB, dom0: 128 * MIB } as const;

/** @param image what the kernel's bytes are */
export function kernelFindings(file: SeenFile, image: KernelImage | NoKernel, flavour: Flavour): Findings {
  if (image.kind === "other")
    return { problems: [`${file.path} is no kernel, but ${image.what}${from(file)}`], notes: [] };
  const problems = [...sizeProblems(file, KERNEL_SIZE, "a kernel"), ...digestProblems(file)];
  if (file.size !== null && image.leastSize !== null && file.size < image.leastSize) {
    problems.push(`${file.path} is cut off: ${file.size} bytes, and its header says ${image.leastSize}`);
  }
  if (flavour === "xen" && image.xen.seen === "none") {
    problems.push(`${file.path} cannot start as a Xen guest: there are no Xen notes in it`);
  }
  const kernel = image.compression === null ? image.format : `${image.compression} of ${image.format}`;
  const version = image.version === null ? "" : `, Linux ${image.version}`;
  const notes = [`${file.path}: ${kernel}${version}; ${xenWords(image.xen)}`];
  return { problems, notes: [...notes, ...sizeNotes(file, KERNEL_SIZE), ...digestNotes(file)] };
}

/** @param serversWords what a server sent in its place; null where the bytes may be a ramdisk's */
export function ramdiskFindings(file: SeenFile, serversWords: string | null): Findings {
  if (serversWords !== null)
    return { problems: [`${file.path} is no ramdisk, but ${serversWords}${from(file)}`], notes: [] };
  return {
    problems: [...sizeProblems(file, RAMDISK_SIZE, "an installer's ramdisk"), ...digestProblems(file)],
    notes: [...sizeNotes(file, RAMDISK_SIZE), ...digestNotes(file)],
  };
}

function xenWords(xen: XenAbility): string {
  switch (xen.seen) {
    case "notes": {
      const modes = [...(xen.notes.pv ? ["PV"] : []), ...(xen.notes.pvh ? ["PVH"] : [])];
      return `Xen notes: ${modes.join(" and ") || "no entry"}`;
    }
    case "none":
      return "no Xen notes";
    case "hidden":
      return `Xen notes cannot be seen (${xen.why})`;
  }
}

interface SizeLimits {
  readonly least: number;
  readonly most: number;
  /** What dom0 lets a guest have unless its administrator says otherwise (xenstore, /mh/limits). */
  readonly dom0: number;
}

function sizeProblems({ path, size }: SeenFile, { least, most }: SizeLimits, what: string): string[] {
  if (size === null) return [];
  if (size < least) return [`${path} has ${size} bytes, too few for ${what}`];
  return size > most ? [`${path} has ${size} bytes, too many for ${what}`] : [];
}

function sizeNotes({ path, size }: SeenFile, { dom0 }: SizeLimits): string[] {
  if (size === null) return [`${path}: the server does not say its size`];
  return size <= dom0 ? [] : [`${path} has ${size} bytes; XenServer's own limit is ${dom0} unless it is raised`];
}

function digestProblems({ path, digest }: SeenFile): string[] {
  if (digest === null || digest.listed === null || digest.listed === digest.found) return [];
  return [`${path} is not the file that the index lists: ${digest.found} in place of ${digest.listed}`];
}

function digestNotes({ path, digest }: SeenFile): string[] {
  if (digest === null) return [];
  if (digest.listed === null) return [`${path}: its digest is not listed in any index that was read`];
  return digest.listed === digest.found ? [`${path}: its digest is the listed one`] : [];
}

/** Only where a redirect led elsewhere, which is often the whole explanation. */
function from({ path, url }: SeenFile): string {
  return url.endsWith(path) ? "" : ` (from ${url})`;
}
