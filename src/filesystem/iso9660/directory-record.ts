/**
 * Directory records: one for each file and folder, and further ones for the later sections of a long file.
 * Specification: ECMA-119, section 9.1.
 */
import { CheckedReader } from "../../base/checked-reader.ts";
import { decodeText } from "../../base/text.ts";
import { u32both } from "./fields.ts";
import { damaged } from "./damage.ts";

/** A range of the image, in bytes. */
export interface Extent {
  readonly start: number;
  readonly size: number;
}

export interface DirectoryRecord {
  /** Where the record itself lies in the image, in bytes. */
  readonly at: number;
  readonly extent: Extent;
  readonly isDirectory: boolean;
  /** A second file of the same name, which holds something about the first (a resource fork). */
  readonly isAssociated: boolean;
  /** More of the file's content is in the extent of the next record. */
  readonly isContinued: boolean;
  readonly isInterleaved: boolean;
  readonly identifier: Uint8Array;
  /** What is left of the record behind the identifier, for other specifications. */
  readonly systemUse: Uint8Array;
}

const FIXED_SIZE = 33;
const FLAG_DIRECTORY = 0x02;
const FLAG_ASSOCIATED = 0x04;
const FLAG_MULTI_EXTENT = 0x80;

/**
 * @param bytes the record whole, as long as its first byte says
 * @throws FILESYSTEM_DAMAGED
 */
export function readDirectoryRecord(bytes: Uint8Array, at: number, blockSize: number): DirectoryRecord {
  const reader = new CheckedReader(bytes, "directory record");
  if (reader.length <= FIXED_SIZE) throw damaged(`a directory record of ${reader.length} bytes at ${at}`);
  const flags = reader.u8(25, "File Flags");
  const identifierLength = reader.u8(32, "Length of File Identifier");
  if (identifierLength === 0 || FIXED_SIZE + identifierLength > reader.length) {
    throw damaged(`a name of ${identifierLength} bytes in a directory record of ${reader.length} at ${at}`);
  }
  // The content begins behind the extended attributes, whose length is in blocks.
  const block = u32both(reader, 2, "Location of Extent") + reader.u8(1, "Extended Attribute Record Length");
  const isEven = identifierLength % 2 === 0;
  return {
    at,
    extent: { start: block * blockSize, size: u32both(reader, 10, "Data Length") },
    isDirectory: (flags & FLAG_DIRECTORY) !== 0,
    isAssociated: (flags & FLAG_ASSOCIATED) !== 0,
    isContinued: (flags & FLAG_MULTI_EXTENT) !== 0,
    isInterleaved: reader.u8(26, "File Unit Size") !== 0 || reader.u8(27, "Interleave Gap Size") !== 0,
    identifier: reader.bytes(FIXED_SIZE, identifierLength, "File Identifier"),
    // A name of even length is followed by a byte of padding.
    systemUse: bytes.subarray(FIXED_SIZE + identifierLength + (isEven ? 1 : 0)),
  };
}

/** Sections 6.8.2.2: the folder itself has the name 00, its parent the name 01. */
export function isDots({ identifier }: DirectoryRecord): boolean {
  return identifier.length === 1 && (identifier[0] === 0 || identifier[0] === 1);
}

/** The name as Linux shows it (mount option `map=normal`): lower case, and no more dot and version than is needed. */
export function plainName(identifier: Uint8Array): string {
  return decodeText(identifier)
    .replace(/\.?(?:;1)?$/, "")
    .replace(/[;/]/g, ".")
    .replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}
