/**
 * The header of an x86 Linux kernel, and what its compressed payload says of Xen.
 *
 * Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header".
 */
import { CheckedReader } from "../base/checked-reader.ts";
import { isElf, readElfKernel } from "./elf.ts";
import { compressionOf, expand, isReadable } from "./payload.ts";
import type { XenAbility } from "./xen-notes.ts";

export interface BzImage {
  readonly version: string | null;
  /** Bytes that setup and protected-mode code take; what a signature adds is not counted. */
  readonly leastSize: number;
  readonly xen: XenAbility;
}

const SECTOR = 512;
const BOOT_FLAG = 0xaa55;
const HEADER_MAGIC = 0x53726448; // "HdrS"
/** From this protocol on, the header says where the payload lies. */
const PAYLOAD_PROTOCOL = 0x0208;
const LONGEST_VERSION = 128;

/** null where the bytes are no such kernel. */
export function readBzImage(bytes: Uint8Array, isWhole: boolean): BzImage | null {
  if (bytes.length < 0x250) return null;
  const header = new CheckedReader(bytes, "Linux kernel header");
  if (header.u16le(0x1fe, "boot_flag") !== BOOT_FLAG) return null;
  if (header.u32le(0x202, "header") !== HEADER_MAGIC) return null;
  // In paragraphs of 16 bytes.
  const codeSize = header.u32le(0x1f4, "syssize") * 16;
  const leastSize = setupSize(header) + codeSize;
  return { version: versionOf(header, bytes), leastSize, xen: xenOf(header, bytes, isWhole) };
}

/** `6.1.0-44-amd64`, the first word of "6.1.0-44-amd64 (debian-kernel@…) #1 SMP …". */
function versionOf(header: CheckedReader, bytes: Uint8Array): string | null {
  const pointer = header.u16le(0x20e, "kernel_version");
  const start = pointer + 0x200;
  if (pointer === 0 || start >= bytes.length) return null;
  const text = Buffer.from(bytes.subarray(start, start + LONGEST_VERSION)).toString("latin1");
  return /^[\x21-\x7e]+/.exec(text)?.[0] ?? null;
}

function xenOf(header: CheckedReader, bytes: Uint8Array, isWhole: boolean): XenAbility {
  if (header.u16le(0x206, "version") < PAYLOAD_PROTOCOL) return hidden("the kernel's header is too old to say where");
  const start = setupSize(header) + header.u32le(0x248, "payload_offset");
  const length = header.u32le(0x24c, "payload_length");
  if (start >= bytes.length || start + length > bytes.length) {
    return isWhole ? hidden("the payload is past the file's end") : hidden("only the kernel's head was looked at");
  }
  const payload = bytes.subarray(start, start + length);
  const compression = compressionOf(payload);
  if (compression === null) return isElf(payload) ? elfXen(payload) : hidden("unknown payload");
  if (!isReadable(compression)) return hidden(`${compression} payload`);
  // The build appends the expanded size in four bytes; in gzip they are gzip's own.
  const packed = compression === "gzip" ? payload : payload.subarray(0, Math.max(0, length - 4));
  const expanded = expand(packed, compression, { isWhole: true });
  if (expanded === null) return hidden(`${compression} payload that cannot be expanded`);
  return elfXen(expanded.bytes);
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
