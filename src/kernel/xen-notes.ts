/**
 * What a kernel says about starting as a Xen guest: ELF notes of the name "Xen" (xen/include/public/elfnote.h), or in
 * kernels before 2006 the text of a section `__xen_guest` ("GUEST_OS=linux,XEN_VER=xen-3.0,…").
 */
import { CheckedReader } from "../base/checked-reader.ts";

export interface XenNotes {
  /** `linux`; null when it does not say. */
  readonly guestOs: string | null;
  /** The interface that it was made for: `xen-3.0`. */
  readonly xenVersion: string | null;
  /** It has an entry for paravirtualized guests (classic PV). */
  readonly pv: boolean;
  /** It has an entry for PVH guests. */
  readonly pvh: boolean;
}

/** Whether the kernel can start as a Xen guest, as far as its bytes say. */
export type XenAbility =
  | { readonly seen: "notes"; readonly notes: XenNotes }
  /** All of the kernel was looked at, and there are none. */
  | { readonly seen: "none" }
  /** `why` completes "the Xen notes cannot be seen: …". */
  | { readonly seen: "hidden"; readonly why: string };

/** Numbers of xen/include/public/elfnote.h. */
const ENTRY = 1;
const HYPERCALL_PAGE = 2;
const VIRT_BASE = 3;
const XEN_VERSION = 5;
const GUEST_OS = 6;
const PHYS32_ENTRY = 18;

const MOST_NOTES = 1000;

/** The Xen notes in an ELF note segment or section, or null when it holds none. Stops at what is no note. */
export function readXenNotes(segment: Uint8Array): XenNotes | null {
  const reader = new CheckedReader(segment, "ELF notes");
  const notes = new Map<number, Uint8Array>();
  let at = 0;
  // System V ABI, "Note Section": sizes of name and description, type, then both, each padded to four bytes.
  for (let count = 0; count < MOST_NOTES && at + 12 <= segment.length; count++) {
    const nameSize = reader.u32le(at, "n_namesz");
    const descriptionSize = reader.u32le(at + 4, "n_descsz");
    const type = reader.u32le(at + 8, "n_type");
    const description = at + 12 + padded(nameSize);
    const end = description + descriptionSize;
    if (end > segment.length) break;
    const name = reader.bytes(at + 12, nameSize, "name");
    if (textOf(name) === "Xen") notes.set(type, reader.bytes(description, descriptionSize, "description"));
    at = description + padded(descriptionSize);
  }
  if (notes.size === 0) return null;
  return {
    guestOs: optionalText(notes.get(GUEST_OS)),
    xenVersion: optionalText(notes.get(XEN_VERSION)),
    pv: notes.has(ENTRY) || notes.has(HYPERCALL_PAGE) || notes.has(VIRT_BASE),
    pvh: notes.has(PHYS32_ENTRY),
  };
}

/** The text of a section `__xen_guest`, or null when it does not speak of Xen. */
export function readXenGuestSection(section: Uint8Array): XenNotes | null {
  const words = new Map<string, string>();
  for (const word of textOf(section.subarray(0, 4096)).split(",").slice(0, MOST_NOTES)) {
    const equals = word.indexOf("=");
    words.set(equals === -1 ? word : word.slice(0, equals), equals === -1 ? "" : word.slice(equals + 1));
  }
  if (!words.has("GUEST_OS") && !words.has("XEN_VER")) return null;
  return { guestOs: words.get("GUEST_OS") ?? null, xenVersion: words.get("XEN_VER") ?? null, pv: true, pvh: false };
}

function padded(size: number): number {
  return Math.ceil(size / 4) * 4;
}

function optionalText(bytes: Uint8Array | undefined): string | null {
  return bytes === undefined ? null : textOf(bytes.subarray(0, 64));
}

/** Up to the first NUL; printable ASCII only, since it ends up on an admin's terminal. */
function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return Buffer.from(end === -1 ? bytes : bytes.subarray(0, end))
    .toString("latin1")
    .replace(/[^\x20-\x7e]/g, "?");
}
