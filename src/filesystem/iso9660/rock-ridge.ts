/**
 * Rock Ridge: what a POSIX filesystem knows of a file, in the system use entries of its directory record.
 * Specification: RRIP 1.12 (IEEE P1282); zisofs: https://libburnia-project.org/wiki/zisofs
 *
 * Read: names, types, symbolic links, folders that were moved up because ISO 9660 ends at the eighth level. Not read:
 * owners, rights and times, which a boot has no use for; sparse files and zisofs are told, so that they can be refused.
 */
import { decodeText } from "../../base/text.ts";
import type { CheckedReader } from "../../base/checked-reader.ts";
import { obstacleIn, type Obstacle } from "./damage.ts";
import { u32both } from "./fields.ts";
import { systemUseEntries } from "./system-use.ts";
import type { IsoVolume } from "./volume.ts";

export interface RockRidge {
  readonly name: string | null;
  /** As stat(2) has it in `st_mode`. */
  readonly mode: number | null;
  readonly link: LinkTarget | null;
  /** The block of the folder that the record stands for. */
  readonly child: number | null;
  /** The record is one of those to which others point as `child`: not to be seen in this place. */
  readonly isRelocated: boolean;
  /** Why the extent does not hold the file's bytes as they are. */
  readonly encoding: string | null;
  /** What is wrong with the entries; what was read before it is there. */
  readonly damage: Obstacle | null;
}

export interface LinkTarget {
  readonly bytes: Uint8Array;
  /** The name of the host is to be a part of it, which nobody knows here. */
  readonly namesHost: boolean;
}

const RRIP_IDENTIFIERS = ["RRIP_1991A", "IEEE_P1282", "IEEE_1282"];

const FLAG_CONTINUE = 0x01;
const FLAG_CURRENT = 0x02;
const FLAG_PARENT = 0x04;
/** Of components of links. The last two were reserved later on. */
const FLAG_ROOT = 0x08;
const FLAG_VOLUME_ROOT = 0x10;
const FLAG_HOST = 0x20;

const MAX_NAME_SIZE = 255;

/** Do the entries of the root's own record say that Rock Ridge is in use? @throws as `systemUseEntries` */
export function announcesRockRidge(volume: IsoVolume, area: Uint8Array): boolean {
  for (const { signature, entry } of systemUseEntries(volume, area)) {
    // Section 4.3: the announcement is demanded, but not every program made it.
    if (signature === "PX" || signature === "RR") return true;
    if (signature !== "ER") continue;
    const identifier = entry.bytes(8, entry.u8(4, "LEN_ID"), "Extension Identifier");
    if (RRIP_IDENTIFIERS.includes(Buffer.from(identifier).toString("latin1"))) return true;
  }
  return false;
}

/**
 * Damage is an answer here and no exception: there are programs that get the entries of some files wrong (genisoimage
 * does with long links), and the other files of the folder must not suffer from it.
 * @throws DISK_UNREADABLE
 */
export function readRockRidge(volume: IsoVolume, area: Uint8Array): RockRidge {
  const name: Uint8Array[] = [];
  const components: LinkComponent[] = [];
  let mode: number | null = null;
  let child: number | null = null;
  let isRelocated = false;
  let encoding: string | null = null;
  const damage = obstacleIn(() => {
    for (const { signature, entry } of systemUseEntries(volume, area)) {
      if (signature === "NM") name.push(namePart(entry));
      else if (signature === "PX") mode = u32both(entry, 4, "POSIX File Mode");
      else if (signature === "SL") components.push(...linkComponents(entry));
      else if (signature === "CL") child = u32both(entry, 4, "Location of Child Directory");
      else if (signature === "RE") isRelocated = true;
      else if (signature === "ZF") encoding = "it is compressed with zisofs";
      else if (signature === "SF") encoding = "it is a sparse file of Rock Ridge";
    }
  });
  const link = components.length === 0 ? null : targetOf(components);
  return { name: nameOf(name), mode, link, child, isRelocated, encoding, damage };
}

/** Section 4.1.4. */
function namePart(entry: CheckedReader): Uint8Array {
  const flags = entry.u8(4, "NM flags");
  if ((flags & FLAG_CURRENT) !== 0) return ascii(".");
  if ((flags & FLAG_PARENT) !== 0) return ascii("..");
  return entry.bytes(5, entry.length - 5, "Name Content");
}

/** A name that is too long for Linux is cut, as Linux does. */
function nameOf(parts: readonly Uint8Array[]): string | null {
  return parts.length === 0 ? null : decodeText(Buffer.concat(parts).subarray(0, MAX_NAME_SIZE));
}

interface LinkComponent {
  readonly flags: number;
  readonly content: Uint8Array;
}

/** Section 4.1.3. */
function linkComponents(entry: CheckedReader): LinkComponent[] {
  const components: LinkComponent[] = [];
  let at = 5;
  while (at < entry.length) {
    const flags = entry.u8(at, "Component Flags");
    const size = entry.u8(at + 1, "Component Length");
    components.push({ flags, content: entry.bytes(at + 2, size, "Component Content") });
    at += 2 + size;
  }
  return components;
}

function targetOf(components: readonly LinkComponent[]): LinkTarget {
  const parts: Uint8Array[] = [];
  let needsSlash = false;
  for (const { flags, content } of components) {
    if (needsSlash) parts.push(ascii("/"));
    // The root of the volume is where we are: it is the root of all paths. In the middle of a target, a root is what
    // genisoimage makes of two slashes.
    const isRoot = (flags & (FLAG_ROOT | FLAG_VOLUME_ROOT)) !== 0;
    if (isRoot) parts.push(ascii("/"));
    else if ((flags & FLAG_CURRENT) !== 0) parts.push(ascii("."));
    else if ((flags & FLAG_PARENT) !== 0) parts.push(ascii(".."));
    else parts.push(content);
    needsSlash = !isRoot && (flags & FLAG_CONTINUE) === 0;
  }
  return { bytes: Buffer.concat(parts), namesHost: components.some(({ flags }) => (flags & FLAG_HOST) !== 0) };
}

function ascii(text: string): Uint8Array {
  return Buffer.from(text, "latin1");
}
