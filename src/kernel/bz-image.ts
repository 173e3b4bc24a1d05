/**
 * The header of an x86 Linux kernel, and what its compressed payload says of Xen.
 *
 * Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header".
 */
import { CheckedReader } from "../base/checked-reader.ts";
import { recogniseCompression, type Compression } from "../compress/compression.ts";
import { isElf, readElfKernel } from "./elf.ts";
import { expandPayload } from "./payload.ts";
import type { XenAbility } from "./xen-notes.ts";

export interface BzImage {
  readonly version: string | null;
  /** Bytes that setup and protected-mode code take; what a signature adds is not counted. */
  readonly leastSize: number;
  /** How the payload is compressed; null where it is not, or where that cannot be seen. */
  readonly payload: Compression | null;
  readonly xen: XenAbility;
}

const SECTOR = 512;
const BOOT_FLAG = 0xaa55;
const HEADER_MAGIC = 0x53726448; // "HdrS"
/** From this protocol on, the header says where the payload lies. */
const PAYLOAD_PROTOCOL = 0x0208;
const LONGEST_VERSION = 128;
/** Bytes from the start of the file that hold the fields that are read here. */
export const SETUP_HEADER_SIZE = 0x250;

/** null where the bytes are no such kernel. */
export function readBzImage(bytes: Uint8Array, isWhole: boolean): BzImage | null {
  if (!isBzImage(bytes)) return null;
  const header = new CheckedReader(bytes, "Linux kernel header");
  // In paragraphs of 16 bytes.
  const codeSize = header.u32le(0x1f4, "syssize") * 16;
  const leastSize = setupSize(header) + codeSize;
  return { version: versionOf(header, bytes), leastSize, ...lookInside(bytes, isWhole) };
}

export function isBzImage(bytes: Uint8Array): boolean {
  if (bytes.length < SETUP_HEADER_SIZE) return false;
  const header = new CheckedReader(bytes, "Linux kernel header");
  return header.u16le(0x1fe, "boot_flag") === BOOT_FLAG && header.u32le(0x202, "header") === HEADER_MAGIC;
}

/** Where the payload lies in the file, in bytes, with what the build appended to it. */
export interface PayloadRange {
  readonly offset: number;
  readonly length: number;
}

/** null for headers of before 2.08 (Linux 2.6.24), which do not say. @param head of a bzImage */
export function payloadRange(head: Uint8Array): PayloadRange | null {
  const header = new CheckedReader(head, "Linux kernel header");
  if (header.u16le(0x206, "version") < PAYLOAD_PROTOCOL) return null;
  const offset = setupSize(header) + header.u32le(0x248, "payload_offset");
  return { offset, length: header.u32le(0x24c, "payload_length") };
}

/** The build appends the expanded size in four bytes; gzip ends in it by itself. */
export function appendedSize(compression: Compression | null): 0 | 4 {
  return compression === "gzip" || compression === null ? 0 : 4;
}

/** `6.1.0-44-amd64`, the first word of "6.1.0-44-amd64 (debian-kernel@…) #1 SMP …". */
function versionOf(header: CheckedReader, bytes: Uint8Array): string | null {
  const pointer = header.u16le(0x20e, "kernel_version");
  const start = pointer + 0x200;
  if (pointer === 0 || start >= bytes.length) return null;
  const text = Buffer.from(bytes.subarray(start, start + LONGEST_VERSION)).toString("latin1");
  return /^[\x21-\x7e]+/.exec(text)?.[0] ?? null;
}

function lookInside(bytes: Uint8Array, isWhole: boolean): Pick<BzImage, "payload" | "xen"> {
  const range = payloadRange(bytes);
  if (range === null) return { payload: null, xen: hidden("the kernel's header is too old to say where") };
  const { offset, length } = range;
  const present = bytes.subarray(offset, offset + length);
  const compression = recogniseCompression(present);
  if (present.length < length || length === 0) {
    const why = isWhole ? "the payload is past the file's end" : "only the kernel's head was looked at";
    return { payload: compression, xen: hidden(why) };
  }
  return { payload: compression, xen: xenOf(present, compression) };
}

function xenOf(payload: Uint8Array, compression: Compression | null): XenAbility {
  if (compression === null) return isElf(payload) ? elfXen(payload) : hidden("unknown payload");
  const packed = payload.subarray(0, Math.max(0, payload.length - appendedSize(compression)));
  const expanded = expandPayload(packed, compression);
  return expanded === null ? hidden(`${compression} payload that cannot be expanded`) : elfXen(expanded);
}

/** Bytes before the protected-mode code. */
function setupSize(header: CheckedReader): number {
  // Zero means four, for the sake of kernels older than the field.
  return ((header.u8(0x1f1, "setup_sects") || 4) + 1) * SECTOR;
}

function elfXen(payload: Uint8Array): XenAbility {
  const elf = readElfKernel(payload, true);
  return typeof elf === "string" ? hidden(`the payload is ${elf}`) : elf.xen;
}

function hidden(why: string): XenAbility {
  return { seen: "hidden", why };
}
