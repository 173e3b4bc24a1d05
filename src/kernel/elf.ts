/**
 * A kernel as an ELF file: is it one that can be started, and what do its notes say of Xen?
 *
 * System V ABI, "ELF Header", "Program Header", "Section Header"; little endian, 32 and 64 bits (big-endian kernels are
 * recognised and not looked into).
 */
import { CheckedReader } from "../base/checked-reader.ts";
import { GuestbootError } from "../base/errors.ts";
import { readXenGuestSection, readXenNotes, type XenAbility, type XenNotes } from "./xen-notes.ts";

const MAGIC = [0x7f, 0x45, 0x4c, 0x46] as const;
const CLASS_64 = 2;
const BIG_ENDIAN = 2;
const ET_EXEC = 2;
const ET_DYN = 3;
const PT_INTERP = 3;
const PT_NOTE = 4;
const SHT_NOTE = 7;
/** Real kernels have a handful of segments and under a hundred sections. */
const MOST_HEADERS = 512;
const LARGEST_NOTES = 1024 * 1024;

export interface ElfKernel {
  /** Told by whole files only: it stands among the kernel's strings. */
  readonly version: string | null;
  /** Bytes to the end of the last segment. */
  readonly leastSize: number | null;
  readonly xen: XenAbility;
}

export function isElf(bytes: Uint8Array): boolean {
  return MAGIC.every((byte, index) => bytes[index] === byte);
}

/** The kernel, or what it is in place of one: "an ELF file that is no program". */
export function readElfKernel(bytes: Uint8Array, isWhole: boolean): ElfKernel | string {
  if (bytes.length < 52) return "the beginning of an ELF file";
  const unknown = { version: null, leastSize: null };
  if (bytes[5] === BIG_ENDIAN) return { ...unknown, xen: { seen: "hidden", why: "big-endian ELF" } };
  const reader = new CheckedReader(bytes, "ELF file");
  const type = reader.u16le(16, "e_type");
  if (type !== ET_EXEC && type !== ET_DYN) return "an ELF file that is no program";
  const version = isWhole ? versionIn(bytes) : null;
  let leastSize: number | null = null;
  try {
    const header = readHeader(reader);
    if (hasInterpreter(reader, header)) return "a program for a running system (ELF)";
    leastSize = endOfSegments(reader, header);
    const notes = notesIn(reader, header);
    return { version, leastSize, xen: notes === null ? { seen: "none" } : { seen: "notes", notes } };
  } catch (error) {
    if (!(error instanceof GuestbootError)) throw error;
    const why = isWhole ? `damaged ELF file (${error.message})` : "only the kernel's head was looked at";
    return { version, leastSize, xen: { seen: "hidden", why } };
  }
}

/** Every Linux kernel holds "Linux version 2.6.18-8.el5xen (…". */
function versionIn(bytes: Uint8Array): string | null {
  const at = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf("Linux version ");
  if (at === -1) return null;
  const text = Buffer.from(bytes.subarray(at, at + 128)).toString("latin1");
  return /^Linux version ([\x21-\x7e]+)/.exec(text)?.[1] ?? null;
}

interface Header {
  readonly is64: boolean;
  readonly segments: Table;
  readonly sections: Table;
  readonly nameSection: number;
}

interface Table {
  readonly offset: number;
  readonly size: number;
  readonly count: number;
}

function readHeader(reader: CheckedReader): Header {
  const is64 = reader.u8(4, "EI_CLASS") === CLASS_64;
  const counts = is64 ? 0x36 : 0x2a;
  return {
    is64,
    segments: {
      offset: is64 ? reader.u64le(0x20, "e_phoff") : reader.u32le(0x1c, "e_phoff"),
      size: reader.u16le(counts, "e_phentsize"),
      count: Math.min(reader.u16le(counts + 2, "e_phnum"), MOST_HEADERS),
    },
    sections: {
      offset: is64 ? reader.u64le(0x28, "e_shoff") : reader.u32le(0x20, "e_shoff"),
      size: reader.u16le(counts + 4, "e_shentsize"),
      count: Math.min(reader.u16le(counts + 6, "e_shnum"), MOST_HEADERS),
    },
    nameSection: reader.u16le(counts + 8, "e_shstrndx"),
  };
}

function hasInterpreter(reader: CheckedReader, { segments }: Header): boolean {
  for (let index = 0; index < segments.count; index++) {
    if (reader.u32le(segments.offset + index * segments.size, "p_type") === PT_INTERP) return true;
  }
  return false;
}

function endOfSegments(reader: CheckedReader, { is64, segments }: Header): number {
  let end = 0;
  for (let index = 0; index < segments.count; index++) {
    const { offset, size } = segment(reader, is64, segments.offset + index * segments.size);
    end = Math.max(end, offset + size);
  }
  return end;
}

function segment(reader: CheckedReader, is64: boolean, at: number): { offset: number; size: number } {
  return is64
    ? { offset: reader.u64le(at + 0x08, "p_offset"), size: reader.u64le(at + 0x20, "p_filesz") }
    : { offset: reader.u32le(at + 0x04, "p_offset"), size: reader.u32le(at + 0x10, "p_filesz") };
}

/** Segments first: sections may be stripped. @throws OUT_OF_BOUNDS where a table lies past the bytes at hand */
function notesIn(reader: CheckedReader, { is64, segments, sections, nameSection }: Header): XenNotes | null {
  for (let index = 0; index < segments.count; index++) {
    const at = segments.offset + index * segments.size;
    if (reader.u32le(at, "p_type") !== PT_NOTE) continue;
    const { offset, size } = segment(reader, is64, at);
    const notes = readXenNotes(reader.bytes(offset, Math.min(size, LARGEST_NOTES), "notes"));
    if (notes !== null) return notes;
  }
  if (sections.count === 0) return null;
  const names = section(reader, is64, sections, nameSection);
  for (let index = 0; index < sections.count; index++) {
    const each = section(reader, is64, sections, index);
    const isNote = each.type === SHT_NOTE;
    if (!isNote && nameAt(reader, names, each.name) !== "__xen_guest") continue;
    const bytes = reader.bytes(each.offset, Math.min(each.size, LARGEST_NOTES), "section");
    const notes = isNote ? readXenNotes(bytes) : readXenGuestSection(bytes);
    if (notes !== null) return notes;
  }
  return null;
}

interface Section {
  readonly name: number;
  readonly type: number;
  readonly offset: number;
  readonly size: number;
}

function section(reader: CheckedReader, is64: boolean, table: Table, index: number): Section {
  const at = table.offset + index * table.size;
  return {
    name: reader.u32le(at, "sh_name"),
    type: reader.u32le(at + 4, "sh_type"),
    offset: is64 ? reader.u64le(at + 0x18, "sh_offset") : reader.u32le(at + 0x10, "sh_offset"),
    size: is64 ? reader.u64le(at + 0x20, "sh_size") : reader.u32le(at + 0x14, "sh_size"),
  };
}

/** No longer than the one name that matters. */
function nameAt(reader: CheckedReader, names: Section, offset: number): string {
  const LENGTH = "__xen_guest".length + 1;
  if (offset + LENGTH > names.size) return "";
  const text = Buffer.from(reader.bytes(names.offset + offset, LENGTH, "section name")).toString("latin1");
  return text.endsWith("\0") ? text.slice(0, -1) : "";
}
