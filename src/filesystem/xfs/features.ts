/**
 * XFS features in three sets: those that are read, those that a reader may ignore, and those that are refused by name.
 *
 * Version 4 keeps its features in `sb_versionnum` and `sb_features2`, version 5 in four words of their own. A bit that
 * is in no set is refused where it may change the meaning of any byte (`sb_features2`, `sb_features_incompat`); an
 * unknown bit of the other words is by their definition no matter to a reader.
 * Specification: XFS Algorithms & Data Structures, "Superblocks"
 * (https://mirrors.edge.kernel.org/pub/linux/utils/fs/xfs/docs/xfs_filesystem_structure.pdf)
 */
import { GuestbootError } from "../../base/errors.ts";

/** The words of the superblock that hold features. */
export interface FeatureWords {
  /** Without the version in its lowest four bits. */
  readonly versionnum: number;
  readonly features2: number;
  readonly roCompat: number;
  readonly incompat: number;
  readonly logIncompat: number;
}

interface Feature {
  readonly word: keyof FeatureWords;
  readonly bit: number;
  readonly name: string;
  readonly reason: string;
}

export const VERSION_DIRV2 = 0x2000;
export const VERSION_ASCII_CI = 0x4000;
export const VERSION_MOREBITS = 0x8000;
export const FEATURES2_FTYPE = 0x200;
export const INCOMPAT_FTYPE = 0x1;
export const INCOMPAT_META_UUID = 0x4;
export const INCOMPAT_NEEDSREPAIR = 0x10;

const READ: readonly Feature[] = [
  { word: "versionnum", bit: VERSION_DIRV2, name: "dirv2", reason: "folders of version 2, the only ones since 2001" },
  { word: "versionnum", bit: VERSION_ASCII_CI, name: "ascii-ci", reason: "names are found whatever their case" },
  { word: "versionnum", bit: VERSION_MOREBITS, name: "morebits", reason: "sb_features2 holds more" },
  { word: "features2", bit: FEATURES2_FTYPE, name: "ftype", reason: "directory entries are a byte longer" },
  { word: "features2", bit: 0x100, name: "crc", reason: "version 5: blocks name themselves and have checksums" },
  { word: "incompat", bit: INCOMPAT_FTYPE, name: "ftype", reason: "directory entries are a byte longer" },
  { word: "incompat", bit: 0x2, name: "sparse inodes", reason: "where inodes lie is told by their numbers anyway" },
  { word: "incompat", bit: INCOMPAT_META_UUID, name: "meta_uuid", reason: "blocks are signed with another UUID" },
  { word: "incompat", bit: INCOMPAT_NEEDSREPAIR, name: "needsrepair", reason: "read as far as it goes, with a note" },
  { word: "incompat", bit: 0x20, name: "nrext64", reason: "the number of extents has 64 bits" },
];

const IGNORED: readonly Feature[] = [
  { word: "versionnum", bit: 0x10, name: "attr", reason: "extended attributes: none is read" },
  { word: "versionnum", bit: 0x20, name: "nlink", reason: "wide link counts: none is read" },
  { word: "versionnum", bit: 0x40, name: "quota", reason: "limits those who write" },
  { word: "versionnum", bit: 0x80, name: "align", reason: "only where new inodes are put" },
  { word: "versionnum", bit: 0x100, name: "dalign", reason: "only where new content is put" },
  { word: "versionnum", bit: 0x200, name: "shared", reason: "guards against writers" },
  { word: "versionnum", bit: 0x400, name: "logv2", reason: "told by the log's records themselves" },
  { word: "versionnum", bit: 0x800, name: "sector", reason: "the size of a sector is in the superblock" },
  { word: "versionnum", bit: 0x1000, name: "extflg", reason: "extents may be unwritten: the flag is always looked at" },
  { word: "features2", bit: 0x1, name: "reserved1", reason: "was never used" },
  { word: "features2", bit: 0x2, name: "lazysbcount", reason: "only counters of what is free" },
  { word: "features2", bit: 0x4, name: "reserved4", reason: "was never used" },
  { word: "features2", bit: 0x8, name: "attr2", reason: "the fork offset of each inode is looked at anyway" },
  { word: "features2", bit: 0x10, name: "parent", reason: "extended attributes: none is read" },
  { word: "features2", bit: 0x80, name: "projid32", reason: "project numbers: none is read" },
  { word: "roCompat", bit: 0x1, name: "finobt", reason: "an index of free inodes" },
  { word: "roCompat", bit: 0x2, name: "rmapbt", reason: "an index of who owns which block" },
  { word: "roCompat", bit: 0x4, name: "reflink", reason: "blocks may be shared; reading does not change them" },
  { word: "roCompat", bit: 0x8, name: "inobtcount", reason: "only counters of index blocks" },
  { word: "incompat", bit: 0x8, name: "bigtime", reason: "time stamps: none is read" },
  { word: "incompat", bit: 0x40, name: "exchange", reason: "only an operation of the log" },
  { word: "incompat", bit: 0x80, name: "parent", reason: "extended attributes: none is read" },
  {
    word: "incompat",
    bit: 0x100,
    name: "metadir",
    reason: "a second tree, of metadata; the root folder is where it was",
  },
  { word: "logIncompat", bit: 0x1, name: "xattrs in the log", reason: "the log is not replayed" },
];

const REFUSED: readonly Feature[] = [
  { word: "incompat", bit: 0x200, name: "zoned", reason: "content lies in zones of a realtime section" },
  { word: "incompat", bit: 0x400, name: "zone gaps", reason: "content lies in zones of a realtime section" },
];

/** Where an unknown bit may change the meaning of anything. */
const STRICT_WORDS = ["versionnum", "features2", "incompat"] as const;

/** @throws FEATURE_UNSUPPORTED naming every feature that cannot be read */
export function refuseUnreadable(words: FeatureWords): void {
  const names = REFUSED.filter((feature) => has(words, feature)).map(({ name, reason }) => `${name} (${reason})`);
  if ((words.versionnum & VERSION_DIRV2) === 0) names.push("folders of version 1 (IRIX before 2001)");
  for (const word of STRICT_WORDS) {
    const known = [...READ, ...IGNORED, ...REFUSED].filter((feature) => feature.word === word);
    const unknown = (words[word] & ~known.reduce((bits, { bit }) => bits | bit, 0)) >>> 0;
    if (unknown !== 0) names.push(`0x${unknown.toString(16)} (not known)`);
  }
  if (names.length === 0) return;
  throw new GuestbootError(
    "FEATURE_UNSUPPORTED",
    `XFS filesystem with a feature that cannot be read: ${names.join(", ")}`,
  );
}

/** The names of all features that are on, for people. */
export function featureNames(words: FeatureWords): string[] {
  const known = [...READ, ...IGNORED, ...REFUSED].filter((feature) => has(words, feature));
  return [...new Set(known.map(({ name }) => name))];
}

function has(words: FeatureWords, { word, bit }: Feature): boolean {
  return (words[word] & bit) !== 0;
}
