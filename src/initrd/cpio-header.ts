/**
 * The header of a cpio record in the formats newc and crc, which initrds are made of.
 *
 * https://docs.kernel.org/driver-api/early-userspace/buffer-format.html; cpio(5). Thirteen fields of eight hexadecimal
 * digits behind a magic number; name and content are padded to four bytes each. Not here: the old binary and ASCII
 * formats, which kernels do not read either.
 */
import { GuestbootError } from "../base/errors.ts";
import { quote } from "../base/printable.ts";

export interface CpioHeader {
  readonly format: "newc" | "crc";
  /** Inode number: names with the same one on the same device are hard links. */
  readonly inode: number;
  /** Type and permissions (stat(2)). */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly links: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** Of the content, in bytes. */
  readonly size: number;
  /** Of the device that the file was on. */
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  /** Of the device that the file is. */
  readonly major: number;
  readonly minor: number;
  /** Bytes of the name, the zero behind it included. */
  readonly nameSize: number;
  /** In the format crc: the sum of the content's bytes modulo 2^32; else 0. */
  readonly checksum: number;
}

export const HEADER_SIZE = 110;
export const TRAILER = "TRAILER!!!";
/** The kernel's PATH_MAX: it leaves out longer names, and longer targets of symbolic links. */
export const LONGEST_PATH = 4096;
/** What eight hexadecimal digits hold. */
export const LARGEST_FIELD = 0xffff_ffff;

const MAGIC = { newc: "070701", crc: "070702" } as const;

/** The bits of a mode that say what the file is (inode(7)). */
export const TYPE_MASK = 0o170000;
export const TYPE = {
  socket: 0o140000,
  symlink: 0o120000,
  file: 0o100000,
  "block device": 0o060000,
  directory: 0o040000,
  "character device": 0o020000,
  fifo: 0o010000,
} as const;

export type CpioKind = keyof typeof TYPE;

/** What the mode says the file is; null for a type that does not exist. */
export function kindOf(mode: number): CpioKind | null {
  const type = mode & TYPE_MASK;
  for (const kind of KINDS) if (TYPE[kind] === type) return kind;
  return null;
}

const KINDS = ["file", "directory", "symlink", "character device", "block device", "fifo", "socket"] as const;

/** Bytes up to the next multiple of four. */
export function paddingAfter(length: number): number {
  return -length & 3;
}

/** Do the bytes begin as a record does? */
export function hasCpioMagic(bytes: Uint8Array): boolean {
  const magic = Buffer.from(bytes.subarray(0, 6)).toString("latin1");
  return magic === MAGIC.newc || magic === MAGIC.crc;
}

/**
 * @param bytes HEADER_SIZE bytes
 * @param where names the place, for errors
 * @throws GuestbootError ARCHIVE_DAMAGED
 */
export function parseHeader(bytes: Uint8Array, where: string): CpioHeader {
  const magic = Buffer.from(bytes.subarray(0, 6)).toString("latin1");
  if (magic !== MAGIC.newc && magic !== MAGIC.crc) {
    throw damagedArchive(where, `there is no cpio header: ${quote(magic)} in place of its magic number`);
  }
  const field = (index: number, name: string) => hexField(bytes, 6 + index * 8, name, where);
  const header: CpioHeader = {
    format: magic === MAGIC.crc ? "crc" : "newc",
    inode: field(0, "c_ino"),
    mode: field(1, "c_mode"),
    uid: field(2, "c_uid"),
    gid: field(3, "c_gid"),
    links: field(4, "c_nlink"),
    mtime: field(5, "c_mtime"),
    size: field(6, "c_filesize"),
    deviceMajor: field(7, "c_devmajor"),
    deviceMinor: field(8, "c_devminor"),
    major: field(9, "c_rdevmajor"),
    minor: field(10, "c_rdevminor"),
    nameSize: field(11, "c_namesize"),
    checksum: field(12, "c_check"),
  };
  if (header.nameSize < 2 || header.nameSize > LONGEST_PATH) {
    throw damagedArchive(where, `a name of ${header.nameSize} bytes, where 2 to ${LONGEST_PATH} are possible`);
  }
  return header;
}

/**
 * The header as bytes, without the name.
 * @param path names the record in errors
 * @throws GuestbootError OVERLAY_INVALID for a number that eight hexadecimal digits cannot hold
 */
export function formatHeader(header: CpioHeader, path: string): Uint8Array {
  const digits = (name: string, value: number): string => {
    if (Number.isInteger(value) && value >= 0 && value <= LARGEST_FIELD) {
      return value.toString(16).toUpperCase().padStart(8, "0");
    }
    throw new GuestbootError(
      "OVERLAY_INVALID",
      `${quote(path)}: its ${name} ${value} does not fit into a cpio archive, whose fields have 8 hexadecimal digits`,
      { hint: `the largest ${name} that an initrd can hold is ${LARGEST_FIELD}` },
    );
  };
  const text = [
    MAGIC[header.format],
    digits("inode number", header.inode),
    digits("mode", header.mode),
    digits("owner", header.uid),
    digits("group", header.gid),
    digits("link count", header.links),
    digits("time of change", header.mtime),
    digits("size", header.size),
    digits("device", header.deviceMajor),
    digits("device", header.deviceMinor),
    digits("device number", header.major),
    digits("device number", header.minor),
    digits("name length", header.nameSize),
    digits("checksum", header.checksum),
  ].join("");
  return Buffer.from(text, "latin1");
}

/** Exactly eight hexadecimal digits: no sign, no blank. */
function hexField(bytes: Uint8Array, offset: number, name: string, where: string): number {
  let value = 0;
  for (let index = offset; index < offset + 8; index++) {
    const digit = HEX_DIGITS[bytes[index] ?? 0] ?? -1;
    if (digit < 0) {
      const text = Buffer.from(bytes.subarray(offset, offset + 8)).toString("latin1");
      throw damagedArchive(where, `${name} is ${quote(text)}, which is no number of 8 hexadecimal digits`);
    }
    value = value * 16 + digit;
  }
  return value;
}

const HEX_DIGITS = Int8Array.from({ length: 256 }, (_, code) => {
  const character = String.fromCharCode(code);
  return /[0-9a-f]/i.test(character) ? Number.parseInt(character, 16) : -1;
});

/** @param where "cpio archive at byte 512 of the initrd" */
export function damagedArchive(where: string, what: string): GuestbootError {
  return new GuestbootError("ARCHIVE_DAMAGED", `${where}: ${what}`, {
    hint: "fetch or copy the file anew: it was cut off or changed on its way, or is no initrd",
  });
}
