/**
 * ext features in three sets: those that are read, those that a reader may ignore, and those that are refused by name.
 *
 * A feature is "compatible" (whoever does not know it may still write), "read-only compatible" (may still read) or
 * "incompatible". An unknown bit is refused in the last word only, where it may change the meaning of any byte.
 * Names are those of `dumpe2fs` and ext4(5).
 * Specification: https://docs.kernel.org/filesystems/ext4/globals.html#super-block
 */
import { GuestbootError } from "../../base/errors.ts";

/** The words of the superblock that hold features; all zero in a filesystem of revision 0. */
export interface FeatureWords {
  readonly compat: number;
  readonly incompat: number;
  readonly roCompat: number;
}

interface Feature {
  readonly word: keyof FeatureWords;
  readonly bit: number;
  readonly name: string;
  readonly reason: string;
}

export const COMPAT_HAS_JOURNAL = 0x4;
export const COMPAT_DIR_INDEX = 0x20;
export const COMPAT_SPARSE_SUPER2 = 0x200;
export const RO_COMPAT_SPARSE_SUPER = 0x1;
export const INCOMPAT_FILETYPE = 0x2;
export const INCOMPAT_RECOVER = 0x4;
export const INCOMPAT_META_BG = 0x10;
export const INCOMPAT_64BIT = 0x80;

const READ: readonly Feature[] = [
  { word: "compat", bit: COMPAT_HAS_JOURNAL, name: "has_journal", reason: "what was not written home is read in it" },
  {
    word: "compat",
    bit: COMPAT_DIR_INDEX,
    name: "dir_index",
    reason: "names in large folders are found by their hash",
  },
  { word: "compat", bit: COMPAT_SPARSE_SUPER2, name: "sparse_super2", reason: "where meta_bg has its descriptors" },
  { word: "compat", bit: 0x400, name: "fast_commit", reason: "the journal may end with a list of changes" },
  { word: "roCompat", bit: RO_COMPAT_SPARSE_SUPER, name: "sparse_super", reason: "where meta_bg has its descriptors" },
  { word: "roCompat", bit: 0x2, name: "large_file", reason: "sizes have a high half" },
  { word: "incompat", bit: INCOMPAT_RECOVER, name: "needs_recovery", reason: "the journal is replayed in memory" },
  { word: "incompat", bit: INCOMPAT_META_BG, name: "meta_bg", reason: "group descriptors are spread over the disk" },
  { word: "incompat", bit: 0x40, name: "extent", reason: "files are mapped by extent trees" },
  { word: "incompat", bit: INCOMPAT_64BIT, name: "64bit", reason: "block numbers have a high half" },
  { word: "incompat", bit: 0x4000, name: "large_dir", reason: "folders over 2 GiB, whose index has one level more" },
  { word: "incompat", bit: 0x8000, name: "inline_data", reason: "small files lie in their inodes" },
];

const IGNORED: readonly Feature[] = [
  { word: "compat", bit: 0x1, name: "dir_prealloc", reason: "only where new folders are put" },
  { word: "compat", bit: 0x2, name: "imagic_inodes", reason: "numbers of servers: none is read" },
  { word: "compat", bit: 0x8, name: "ext_attr", reason: "extended attributes: only that of inline data is read" },
  { word: "compat", bit: 0x10, name: "resize_inode", reason: "room for growing" },
  { word: "compat", bit: 0x40, name: "lazy_bg", reason: "only which blocks are free" },
  { word: "compat", bit: 0x80, name: "snapshot_bitmap", reason: "was never used" },
  { word: "compat", bit: 0x800, name: "stable_inodes", reason: "forbids to renumber inodes" },
  { word: "compat", bit: 0x1000, name: "orphan_file", reason: "where files that are being deleted are listed" },
  { word: "roCompat", bit: 0x4, name: "btree_dir", reason: "was never used" },
  { word: "roCompat", bit: 0x8, name: "huge_file", reason: "counts of blocks: none is read" },
  { word: "roCompat", bit: 0x10, name: "uninit_bg", reason: "checksums of descriptors, and which tables are unused" },
  { word: "roCompat", bit: 0x20, name: "dir_nlink", reason: "link counts: none is read" },
  { word: "roCompat", bit: 0x40, name: "extra_isize", reason: "each inode tells how much of it is used" },
  { word: "roCompat", bit: 0x80, name: "has_snapshot", reason: "was never used" },
  { word: "roCompat", bit: 0x100, name: "quota", reason: "limits those who write" },
  { word: "roCompat", bit: 0x200, name: "bigalloc", reason: "only in which steps blocks are taken" },
  { word: "roCompat", bit: 0x400, name: "metadata_csum", reason: "what checksums guard is checked to make sense" },
  { word: "roCompat", bit: 0x800, name: "replica", reason: "was never used" },
  { word: "roCompat", bit: 0x1000, name: "read-only", reason: "and so it is read" },
  { word: "roCompat", bit: 0x2000, name: "project", reason: "limits those who write" },
  { word: "roCompat", bit: 0x4000, name: "shared_blocks", reason: "reading does not change them" },
  { word: "roCompat", bit: 0x8000, name: "verity", reason: "checksums behind the ends of files" },
  { word: "roCompat", bit: 0x10000, name: "orphan_present", reason: "files that are being deleted have no names" },
  { word: "incompat", bit: INCOMPAT_FILETYPE, name: "filetype", reason: "the type byte of directory entries" },
  { word: "incompat", bit: 0x100, name: "mmp", reason: "guards against a second writer, and we never write" },
  { word: "incompat", bit: 0x200, name: "flex_bg", reason: "tables may lie in another group: they are looked up" },
  { word: "incompat", bit: 0x400, name: "ea_inode", reason: "only where large extended attributes lie" },
  { word: "incompat", bit: 0x2000, name: "metadata_csum_seed", reason: "only how checksums begin" },
  { word: "incompat", bit: 0x10000, name: "encrypt", reason: "files that are encrypted are refused one by one" },
  { word: "incompat", bit: 0x20000, name: "casefold", reason: "names are looked for in every block of such folders" },
];

const REFUSED: readonly Feature[] = [
  { word: "incompat", bit: 0x1, name: "compression", reason: "content is compressed in a form nobody uses any more" },
  { word: "incompat", bit: 0x8, name: "journal_dev", reason: "holds another filesystem's journal and no files" },
  { word: "incompat", bit: 0x1000, name: "dirdata", reason: "directory entries carry data behind their names" },
];

const ALL: readonly Feature[] = [...READ, ...IGNORED, ...REFUSED];

/** @throws FEATURE_UNSUPPORTED naming every feature that cannot be read */
export function refuseUnreadable(words: FeatureWords): void {
  const names = REFUSED.filter((feature) => has(words, feature)).map(({ name, reason }) => `${name} (${reason})`);
  const known = ALL.filter(({ word }) => word === "incompat").reduce((bits, { bit }) => bits | bit, 0);
  const unknown = (words.incompat & ~known) >>> 0;
  if (unknown !== 0) names.push(`0x${unknown.toString(16)} (not known)`);
  if (names.length === 0) return;
  throw new GuestbootError(
    "FEATURE_UNSUPPORTED",
    `ext filesystem with a feature that cannot be read: ${names.join(", ")}`,
  );
}

/** The names of all features that are on, for people. */
export function featureNames(words: FeatureWords): string[] {
  return ALL.filter((feature) => has(words, feature)).map(({ name }) => name);
}

function has(words: FeatureWords, { word, bit }: Feature): boolean {
  return (words[word] & bit) !== 0;
}
