/**
 * The superblock of ReiserFS 3.5 and 3.6. Not looked for: that of filesystems made before Linux 2.4, at 8 KiB.
 * Specification: Florian Buchholz, "The structure of the Reiser file system", section "The superblock".
 */
import type { ByteSource } from "../../base/byte-source.ts";
import { CheckedReader } from "../../base/checked-reader.ts";
import { nameText, uuidOrNone } from "../volume-names.ts";
import { damaged } from "./damage.ts";

export interface Superblock {
  readonly format: "3.5" | "3.6";
  /** Bytes. */
  readonly blockSize: number;
  readonly blockCount: number;
  readonly rootBlock: number;
  /** Of the root's node; that of leaves is 1. */
  readonly rootLevel: number;
  readonly journal: JournalPlace;
  /** Was it unmounted since it was last mounted for writing? */
  readonly isClean: boolean;
  /** Has the kernel, or reiserfsck, found damage? */
  readonly hasErrors: boolean;
  /** Which of the hashes sorts folders; null where the superblock does not tell. */
  readonly hash: HashName | null;
  readonly uuid: string | null;
  readonly label: string | null;
}

export type HashName = "tea" | "rupasov" | "r5";

export interface JournalPlace {
  /** Its first block, on this device or on its own. */
  readonly first: number;
  /** Blocks, without its header, which follows. */
  readonly size: number;
  readonly isExternal: boolean;
}

/** Bytes, from the start of the volume. */
export const SUPERBLOCK_OFFSET = 0x10000;
const SIZE = 204;
const MAGIC_OFFSET = 52;
const MAGIC_SIZE = 9;
const MAGIC_35 = "ReIsErFs";
const MAGIC_36 = "ReIsEr2Fs";
/** The journal is of another size, or elsewhere; `s_version` tells the format. */
const MAGIC_OTHER_JOURNAL = "ReIsEr3Fs";
const VERSION_36 = 2;
const UNMOUNTED = 1;
const HASHES: Readonly<Record<number, HashName>> = { 1: "tea", 2: "rupasov", 3: "r5" };

/** What mkreiserfs makes. */
const MIN_BLOCK_SIZE = 512;
const MAX_BLOCK_SIZE = 8192;
/** Linux knows trees of five levels; their height counts one more. */
const MIN_HEIGHT = 2;
const MAX_HEIGHT = 7;

/** Is there a ReiserFS superblock at all? Cheap, and no proof. */
export function hasReiserfsMagic(source: ByteSource): boolean {
  return source.size >= SUPERBLOCK_OFFSET + SIZE && magicOf(source.read(SUPERBLOCK_OFFSET, SIZE)) !== null;
}

/** @throws FILESYSTEM_DAMAGED for numbers that cannot be */
export function readSuperblock(source: ByteSource): Superblock {
  const reader = new CheckedReader(source.read(SUPERBLOCK_OFFSET, SIZE), "ReiserFS superblock");
  const magic = magicOf(reader.bytes(0, SIZE, "superblock"));
  if (magic === null) throw damaged("its superblock has no magic number");
  const version = reader.u16le(72, "s_version");
  const is36 = magic === MAGIC_36 || (magic === MAGIC_OTHER_JOURNAL && version >= VERSION_36);
  const height = reader.u16le(68, "s_tree_height");
  const superblock: Superblock = {
    format: is36 ? "3.6" : "3.5",
    blockSize: reader.u16le(44, "s_blocksize"),
    blockCount: reader.u32le(0, "s_block_count"),
    rootBlock: reader.u32le(8, "s_root_block"),
    rootLevel: height - 1,
    journal: {
      first: reader.u32le(12, "jp_journal_1st_block"),
      size: reader.u32le(20, "jp_journal_size"),
      isExternal: reader.u32le(16, "jp_journal_dev") !== 0,
    },
    isClean: reader.u16le(50, "s_umount_state") === UNMOUNTED,
    hasErrors: reader.u16le(62, "s_fs_state") !== 0,
    hash: HASHES[reader.u32le(64, "s_hash_function_code")] ?? null,
    uuid: magic === MAGIC_35 ? null : uuidOrNone(reader.bytes(84, 16, "s_uuid")),
    label: magic === MAGIC_35 ? null : nameText(reader.bytes(100, 16, "s_label")),
  };
  checkNumbers(superblock, height);
  return superblock;
}

function checkNumbers({ blockSize, blockCount, rootBlock }: Superblock, height: number): void {
  if (blockSize < MIN_BLOCK_SIZE || blockSize > MAX_BLOCK_SIZE || (blockSize & (blockSize - 1)) !== 0) {
    throw damaged(`its blocks have ${blockSize} bytes`);
  }
  if (blockCount * blockSize < SUPERBLOCK_OFFSET + SIZE) throw damaged(`it has ${blockCount} blocks`);
  if (height === 0xffff) throw damaged("it has no tree: reiserfsck --rebuild-tree was begun and has not ended");
  if (height < MIN_HEIGHT || height > MAX_HEIGHT) throw damaged(`its tree has a height of ${height}`);
  if (rootBlock === 0 || rootBlock >= blockCount) throw damaged(`its root is block ${rootBlock} of ${blockCount}`);
}

function magicOf(superblock: Uint8Array): string | null {
  const text = Buffer.from(superblock.subarray(MAGIC_OFFSET, MAGIC_OFFSET + MAGIC_SIZE)).toString("latin1");
  // The oldest has one character less; a zero byte follows.
  return [MAGIC_35, MAGIC_36, MAGIC_OTHER_JOURNAL].find((magic) => text.startsWith(magic)) ?? null;
}
