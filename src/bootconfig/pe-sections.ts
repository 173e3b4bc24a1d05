/**
 * The sections of a PE file, by name: what a unified kernel image keeps its kernel, initrd and arguments in.
 * https://learn.microsoft.com/windows/win32/debug/pe-format
 *
 * Only headers are read. Not looked at: the code, signatures, long names of sections (which object files have).
 */
import type { ByteSource } from "../base/byte-source.ts";
import { CheckedReader } from "../base/checked-reader.ts";
import { GuestbootError } from "../base/errors.ts";

export interface PeSection {
  /** At most 8 bytes: ".linux". */
  readonly name: string;
  /** Where its content lies in the file, in bytes; inside the file. */
  readonly offset: number;
  readonly length: number;
}

const DOS_HEADER_SIZE = 64;
const COFF_HEADER_SIZE = 24;
const SECTION_HEADER_SIZE = 40;
/** The specification's own limit for images. */
const MAX_SECTIONS = 96;

/**
 * In the order of the file; null when it is no PE file.
 * @throws IMAGE_DAMAGED for a section that lies outside of the file; what reading throws
 */
export function readPeSections(file: ByteSource): PeSection[] | null {
  if (file.size < DOS_HEADER_SIZE) return null;
  const dos = new CheckedReader(file.read(0, DOS_HEADER_SIZE), "DOS header");
  if (dos.u16le(0, "e_magic") !== MZ) return null;
  const peOffset = dos.u32le(60, "e_lfanew");
  if (peOffset > file.size - COFF_HEADER_SIZE) return null;
  const coff = new CheckedReader(file.read(peOffset, COFF_HEADER_SIZE), "COFF header");
  if (coff.u32le(0, "signature") !== PE) return null;
  const count = coff.u16le(6, "NumberOfSections");
  if (count > MAX_SECTIONS) throw damaged(`${count} sections, more than the ${MAX_SECTIONS} of an image`);
  const table = peOffset + COFF_HEADER_SIZE + coff.u16le(20, "SizeOfOptionalHeader");
  const size = count * SECTION_HEADER_SIZE;
  if (table + size > file.size) throw damaged("its section table reaches past its end");
  const headers = new CheckedReader(file.read(table, size), "section table");
  return Array.from({ length: count }, (_, index) => readSection(headers, index * SECTION_HEADER_SIZE, file.size));
}

const MZ = 0x5a4d;
const PE = 0x4550;

function readSection(headers: CheckedReader, at: number, fileSize: number): PeSection {
  const name = Buffer.from(headers.bytes(at, 8, "Name"))
    .toString("latin1")
    .replace(/\0+$/, "");
  const virtualSize = headers.u32le(at + 8, "VirtualSize");
  const rawSize = headers.u32le(at + 16, "SizeOfRawData");
  const offset = headers.u32le(at + 20, "PointerToRawData");
  // Raw data is padded to the file's alignment; what is beyond it in memory is zeros.
  const length = Math.min(virtualSize, rawSize);
  if (length > 0 && (offset > fileSize || length > fileSize - offset)) {
    throw damaged(`its section ${JSON.stringify(name)} reaches past its end`);
  }
  return { name, offset: length === 0 ? 0 : offset, length };
}

function damaged(what: string): GuestbootError {
  return new GuestbootError("IMAGE_DAMAGED", `a PE file contradicts itself: ${what}`);
}
