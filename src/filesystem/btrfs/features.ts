/**
 * btrfs features in three sets: those that are read, those that a reader may ignore, and those that are refused by name.
 *
 * A bit of `incompat_flags` that is in no set is refused: it may change the meaning of any byte. The bits of
 * `compat_ro_flags` concern those who write only, by their definition, and so do unknown ones among them.
 * Specification: https://btrfs.readthedocs.io/en/latest/dev/On-disk-format.html, "Superblock", incompat_flags.
 */
import { GuestbootError } from "../../base/errors.ts";

interface Feature {
  /** Of 64; not a mask, because masks of numbers end at 32. */
  readonly bit: number;
  readonly name: string;
  readonly reason: string;
}

export const METADATA_UUID = 10;

const READ: readonly Feature[] = [
  { bit: 0, name: "mixed_backref", reason: "who refers to an extent: never asked; without it, the format is unknown" },
  { bit: 1, name: "default_subvol", reason: "the root that the guest sees may be any subvolume" },
  { bit: 2, name: "mixed_groups", reason: "chunks that hold metadata and content: found by their addresses anyway" },
  { bit: 3, name: "compress_lzo", reason: "extents compressed with LZO" },
  { bit: 4, name: "compress_zstd", reason: "extents compressed with zstd" },
  { bit: 5, name: "big_metadata", reason: "tree blocks larger than 4 KiB: their size is in the superblock" },
  { bit: 7, name: "raid56", reason: "only chunks of RAID 5 and 6 cannot be read, and those are refused when met" },
  { bit: 9, name: "no_holes", reason: "what no extent covers is zeros" },
  { bit: METADATA_UUID, name: "metadata_uuid", reason: "tree blocks are signed with another UUID" },
  { bit: 11, name: "raid1c34", reason: "chunks with three or four copies" },
];

const IGNORED: readonly Feature[] = [
  { bit: 6, name: "extended_iref", reason: "the names of an inode: never asked" },
  { bit: 8, name: "skinny_metadata", reason: "who refers to an extent: never asked" },
  { bit: 16, name: "simple_quota", reason: "who owns an extent: an item before the content that is stepped over" },
];

const REFUSED: readonly Feature[] = [
  { bit: 12, name: "zoned", reason: "its superblocks are logs, and tree blocks are written where zones want them" },
  { bit: 13, name: "extent_tree_v2", reason: "several root trees; never left its experiment" },
  { bit: 14, name: "raid_stripe_tree", reason: "where content lies is in another tree" },
];

/** The names of the features that are on, for people. */
export function featureNames(incompat: readonly number[]): string[] {
  return [...READ, ...IGNORED].filter(({ bit }) => incompat.includes(bit)).map(({ name }) => name);
}

const KNOWN = new Set([...READ, ...IGNORED].map(({ bit }) => bit));

/** @param incompat the bits that are set. @throws FEATURE_UNSUPPORTED naming every feature that stands in the way */
export function checkFeatures(incompat: readonly number[]): void {
  const refused = incompat.filter((bit) => !KNOWN.has(bit));
  if (refused.length === 0) return;
  const names = refused.map((wanted) => {
    const feature = REFUSED.find(({ bit }) => bit === wanted);
    return feature === undefined ? `bit ${wanted} (not known)` : `${feature.name} (${feature.reason})`;
  });
  throw new GuestbootError("FEATURE_UNSUPPORTED", `btrfs features that cannot be read: ${names.join(", ")}`);
}

/** States of the whole filesystem, in `flags` of the superblock, in which no reader gets anything whole. */
const REFUSED_STATES: readonly Feature[] = [
  { bit: 33, name: "metadump", reason: "an image of metadata only: no content is in it" },
  { bit: 34, name: "metadump of version 2", reason: "an image of metadata only: no content is in it" },
  { bit: 35, name: "changing its UUID", reason: "btrfstune was stopped in the middle" },
  { bit: 39, name: "changing the checksums of its content", reason: "btrfstune was stopped in the middle" },
  { bit: 40, name: "changing the checksums of its metadata", reason: "btrfstune was stopped in the middle" },
];

/** @param flags the bits that are set. @throws FEATURE_UNSUPPORTED */
export function checkState(flags: readonly number[]): void {
  const state = REFUSED_STATES.find(({ bit }) => flags.includes(bit));
  if (state === undefined) return;
  throw new GuestbootError(
    "FEATURE_UNSUPPORTED",
    `this btrfs filesystem cannot be read: ${state.name} (${state.reason})`,
  );
}
