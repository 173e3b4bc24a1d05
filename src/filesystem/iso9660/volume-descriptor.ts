/**
 * The volume descriptors of ISO 9660: how large a block is and where the root folder lies, once for the primary tree
 * and once for Joliet's, where there is one.
 * Specification: ECMA-119 (https://ecma-international.org/publications-and-standards/standards/ecma-119/), section 8;
 * Joliet: "Joliet Specification: CD-ROM Recording Spec ISO 9660:1988 Extensions for Unicode", 1995.
 */
import type { ByteSource } from "../../base/byte-source.ts";
import { CheckedReader } from "../../base/checked-reader.ts";
import { decodeText } from "../../base/text.ts";
import { damaged } from "./damage.ts";
import { textOfUcs2, u16both, u32both } from "./fields.ts";

export interface VolumeDescriptor {
  /** Bytes of a logical block, in which places are counted. */
  readonly blockSize: number;
  /** Bytes of the whole volume, as the descriptor says. */
  readonly size: number;
  readonly label: string | null;
  /** As blkid and GRUB make it: the time of the last change, "2026-11-21-02-45-00-00". */
  readonly uuid: string | null;
  /** The directory record of the root folder. */
  readonly root: Uint8Array;
}

export interface VolumeDescriptors {
  readonly primary: VolumeDescriptor;
  readonly joliet: VolumeDescriptor | null;
}

/** Bytes of a logical sector of every medium that there is. */
export const SECTOR_SIZE = 2048;
const FIRST_SECTOR = 16;
const STANDARD_IDENTIFIER = "CD001";
/** Real volumes have up to five. */
const MAX_DESCRIPTORS = 64;

const TYPE_PRIMARY = 1;
const TYPE_SUPPLEMENTARY = 2;
const TYPE_TERMINATOR = 255;
/** UCS-2 levels 1 to 3, as ISO 2022 escapes to them (without the ESC). */
const JOLIET_ESCAPES = ["%/@", "%/C", "%/E"];

const ROOT_OFFSET = 156;
const ROOT_SIZE = 34;
const MODIFICATION_TIME_OFFSET = 830;
const CREATION_TIME_OFFSET = 813;

/** Is there a volume descriptor where the first one must be? Cheap, and no proof. */
export function hasIsoMagic(source: ByteSource): boolean {
  const at = FIRST_SECTOR * SECTOR_SIZE;
  return source.size >= at + SECTOR_SIZE && identifierOf(source.read(at, SECTOR_SIZE)) === STANDARD_IDENTIFIER;
}

/** @throws FILESYSTEM_DAMAGED when there is no primary descriptor, and for numbers that cannot be */
export function readVolumeDescriptors(source: ByteSource): VolumeDescriptors {
  let primary: VolumeDescriptor | null = null;
  let joliet: VolumeDescriptor | null = null;
  for (let sector = FIRST_SECTOR; sector < FIRST_SECTOR + MAX_DESCRIPTORS; sector++) {
    const at = sector * SECTOR_SIZE;
    // A volume without a terminator is read as far as it goes.
    if (at + SECTOR_SIZE > source.size) break;
    const bytes = source.read(at, SECTOR_SIZE);
    const type = bytes[0];
    if (identifierOf(bytes) !== STANDARD_IDENTIFIER || type === TYPE_TERMINATOR) break;
    const reader = new CheckedReader(bytes, "ISO 9660 volume descriptor");
    if (type === TYPE_PRIMARY) primary ??= readDescriptor(reader, (text) => decodeText(text));
    else if (type === TYPE_SUPPLEMENTARY && isJoliet(reader)) joliet ??= readDescriptor(reader, textOfUcs2);
  }
  if (primary === null) throw damaged("it has no primary volume descriptor");
  return { primary, joliet };
}

function identifierOf(descriptor: Uint8Array): string {
  return Buffer.from(descriptor.subarray(1, 6)).toString("latin1");
}

function isJoliet(descriptor: CheckedReader): boolean {
  const escape = Buffer.from(descriptor.bytes(88, 3, "Escape Sequences")).toString("latin1");
  return JOLIET_ESCAPES.includes(escape);
}

function readDescriptor(reader: CheckedReader, decode: (bytes: Uint8Array) => string): VolumeDescriptor {
  const blockSize = u16both(reader, 128, "Logical Block Size");
  if (![512, 1024, 2048].includes(blockSize)) throw damaged(`its block size is ${blockSize}`);
  return {
    blockSize,
    size: u32both(reader, 80, "Volume Space Size") * blockSize,
    label: labelOf(decode(reader.bytes(40, 32, "Volume Identifier"))),
    uuid: timeOf(reader, MODIFICATION_TIME_OFFSET) ?? timeOf(reader, CREATION_TIME_OFFSET),
    root: reader.bytes(ROOT_OFFSET, ROOT_SIZE, "Directory Record for Root Directory"),
  };
}

/** Padded with spaces, by some programs with zeros. */
function labelOf(text: string): string | null {
  const label = text.replace(/[\0 ]+$/, "");
  return label === "" ? null : label;
}

/** Section 8.4.26.1: sixteen digits and the time zone; all digits zero where no time was recorded. */
function timeOf(reader: CheckedReader, offset: number): string | null {
  const digits = Buffer.from(reader.bytes(offset, 16, "Volume Date and Time")).toString("latin1");
  if (!/^\d{16}$/.test(digits) || /^0+$/.test(digits)) return null;
  return digits.replace(/^(....)(..)(..)(..)(..)(..)(..)$/, "$1-$2-$3-$4-$5-$6-$7");
}
