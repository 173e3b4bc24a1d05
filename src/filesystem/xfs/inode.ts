/**
 * Inodes: what a file is, and where its content lies. Extended attributes are not read.
 * Specification: XFS Algorithms & Data Structures, "On-disk Inode"
 */
import { GuestbootError } from "../../base/errors.ts";
import type { CheckedReader } from "../../base/checked-reader.ts";
import type { NodeKind } from "../filesystem.ts";
import { isIntact } from "./checksum.ts";
import { damaged } from "./damage.ts";
import type { Layout } from "./layout.ts";

/** How the data fork says where the content is: in itself, as a list of extents, or as the root of a tree of them. */
export type ForkFormat = "local" | "extents" | "btree" | "none";

export interface Inode {
  readonly number: number;
  readonly kind: NodeKind;
  /** Bytes. */
  readonly size: number;
  /** When the content was last changed, in seconds since 1970. */
  readonly mtime: number;
  readonly format: ForkFormat;
  /** The data fork. */
  readonly fork: Uint8Array;
  readonly extentCount: number;
  /** Is the content in the realtime section? */
  readonly isRealtime: boolean;
}

const MAGIC = 0x494e;
const CHECKSUM = 100;
/** Where the forks begin, in inodes of version 3 and of those before. */
const FORKS_OFFSET = { old: 100, v3: 176 };
const FLAG_REALTIME = 0x1;
const FLAG2_BIGTIME = 0x8;
const FLAG2_NREXT64 = 0x10;

const KINDS: Readonly<Record<number, NodeKind>> = { 0x4000: "directory", 0x8000: "file", 0xa000: "symlink" };
const FORMATS: Readonly<Record<number, ForkFormat>> = { 1: "local", 2: "extents", 3: "btree" };

/** @throws FILESYSTEM_DAMAGED, OUT_OF_BOUNDS */
export function readInode(layout: Layout, number: number): Inode {
  const raw = layout.inode(number);
  if (raw.u16be(0, "di_magic") !== MAGIC) throw damaged(`inode ${number} is none`);
  const isV3 = checkVersion(layout, raw, number);
  const mode = raw.u16be(2, "di_mode");
  if (mode === 0) throw damaged(`inode ${number} is named, but free`);
  const forksAt = isV3 ? FORKS_OFFSET.v3 : FORKS_OFFSET.old;
  const room = raw.length - forksAt;
  const dataEnd = raw.u8(82, "di_forkoff") * 8;
  if (dataEnd > room) throw damaged(`inode ${number} has its attributes at ${dataEnd} of ${room} bytes`);
  const flags2 = isV3 ? raw.u32be(124, "di_flags2") : 0;
  const hasWideCount = (flags2 & FLAG2_NREXT64) !== 0;
  return {
    number,
    kind: KINDS[mode & 0xf000] ?? "other",
    size: raw.u64be(56, "di_size"),
    mtime: readMtime(raw, (flags2 & FLAG2_BIGTIME) !== 0),
    format: FORMATS[raw.u8(5, "di_format")] ?? "none",
    fork: raw.bytes(forksAt, dataEnd === 0 ? room : dataEnd, "di_u"),
    extentCount: hasWideCount ? raw.u64be(24, "di_big_nextents") : raw.u32be(76, "di_nextents"),
    isRealtime: (raw.u16be(90, "di_flags") & FLAG_REALTIME) !== 0,
  };
}

/** Seconds and nanoseconds since 1970; with `bigtime`, nanoseconds since the smallest of those seconds. */
function readMtime(raw: CheckedReader, isBig: boolean): number {
  const [high, low] = [raw.u32be(40, "di_mtime"), raw.u32be(44, "di_mtime")];
  return isBig ? Math.floor((high * 2 ** 32 + low) / 1e9) - 2 ** 31 : high | 0;
}

/** @throws FEATURE_UNSUPPORTED for a file whose content lies in the realtime section */
export function refuseRealtime(inode: Inode): void {
  if (inode.kind !== "file" || !inode.isRealtime) return;
  throw new GuestbootError(
    "FEATURE_UNSUPPORTED",
    `a file (inode ${inode.number}) lies in the realtime section of the XFS filesystem, which cannot be read`,
  );
}

/** Is it an inode of version 3? Those say which filesystem they belong to, and which inode they are. */
function checkVersion(layout: Layout, raw: CheckedReader, number: number): boolean {
  const version = raw.u8(4, "di_version");
  const isV3 = layout.superblock.version === 5;
  if (isV3 ? version !== 3 : version !== 1 && version !== 2) throw damaged(`inode ${number} is of version ${version}`);
  if (!isV3) return false;
  if (!isIntact(raw.bytes(0, raw.length, "inode"), CHECKSUM)) throw damaged(`the checksum of inode ${number} is wrong`);
  layout.checkUuid(raw.bytes(160, 16, "di_uuid"), `inode ${number}`);
  const named = raw.u64be(152, "di_ino");
  if (named !== number) throw damaged(`inode ${number} says that it is inode ${named}`);
  return true;
}
