/**
 * A volume group, as its metadata describe it: which physical volumes it has, and of which segments its logical
 * volumes are made. What a segment's type means is not decided here.
 */
import { damagedMetadata, parseMetadata, type Scalar, type Section } from "./metadata-text.ts";

const SECTOR = 512;

export interface VolumeGroup {
  readonly name: string;
  readonly uuid: string;
  /** Rises with each change: the copy with the highest is the current one. */
  readonly sequence: number;
  /** Bytes. */
  readonly extentSize: number;
  readonly physicalVolumes: ReadonlyMap<string, GroupMember>;
  readonly logicalVolumes: ReadonlyMap<string, LogicalVolume>;
}

export interface GroupMember {
  /** Without dashes. */
  readonly uuid: string;
  /** The group goes on without it: what is on it may be old. */
  readonly isMissing: boolean;
  /** Bytes from its start to its first extent. */
  readonly dataStart: number;
  readonly extents: number;
}

export interface LogicalVolume {
  readonly name: string;
  readonly isVisible: boolean;
  /** It is being filled from others and not complete: "REBUILD". */
  readonly flags: readonly string[];
  readonly segments: readonly Segment[];
}

export interface Segment {
  /** In extents of the logical volume. */
  readonly start: number;
  readonly extents: number;
  /** "striped", which linear ones are, too; "raid1", "thin", …. */
  readonly type: string;
  /** What it lies on: physical or logical volumes, with the first extent there. */
  readonly areas: readonly SegmentArea[];
  /** Bytes that each area has in turn; 0 when there is but one area. */
  readonly stripeSize: number;
  /** Names of logical volumes that it says it belongs with: `cow_store`, `merging_store`, `origin`. */
  readonly links: ReadonlyMap<string, string>;
}

export interface SegmentArea {
  readonly name: string;
  /** In extents. */
  readonly start: number;
}

/** How many segments all volumes together may have; LVM itself becomes unusable long before. */
const MAX_SEGMENTS = 200_000;

/** @throws VOLUMES_DAMAGED */
export function readVolumeGroup(text: string): VolumeGroup {
  const top = parseMetadata(text);
  const [entry, ...others] = top.sections;
  if (entry === undefined || others.length > 0) throw damagedMetadata("they describe not one volume group");
  const [name, group] = entry;
  const extentSize = numberOf(group, "extent_size") * SECTOR;
  if (extentSize === 0) throw damagedMetadata("an extent has no size");
  const physicalVolumes = mapSections(group, "physical_volumes", (section): GroupMember => ({
    uuid: textOf(section, "id").replaceAll("-", ""),
    isMissing: flagsOf(section, "flags").includes("MISSING"),
    dataStart: numberOf(section, "pe_start") * SECTOR,
    extents: numberOf(section, "pe_count"),
  }));
  let segments = 0;
  const logicalVolumes = mapSections(group, "logical_volumes", (section, volume): LogicalVolume => {
    const count = numberOf(section, "segment_count");
    segments += count;
    if (segments > MAX_SEGMENTS) throw damagedMetadata(`more than ${MAX_SEGMENTS} segments`);
    return {
      name: volume,
      isVisible: flagsOf(section, "status").includes("VISIBLE"),
      flags: [...flagsOf(section, "status"), ...flagsOf(section, "flags")],
      segments: Array.from({ length: count }, (_, index) => readSegment(section, `segment${index + 1}`)),
    };
  });
  return {
    name,
    uuid: textOf(group, "id"),
    sequence: numberOf(group, "seqno"),
    extentSize,
    physicalVolumes,
    logicalVolumes,
  };
}

/**
 * The volumes that people see. A snapshot is two: a hidden one with its blocks and its name, and one of a name that
 * LVM made up, which ties it to its origin.
 */
export function seenVolumes(group: VolumeGroup): LogicalVolume[] {
  const volumes = [...group.logicalVolumes.values()];
  const stores = new Set(volumes.flatMap(({ segments }) => segments.map(({ links }) => links.get("cow_store"))));
  return volumes.filter(
    ({ name, isVisible, segments }) =>
      stores.has(name) || (isVisible && !segments.some(({ type }) => type === "snapshot")),
  );
}

function readSegment(volume: Section, name: string): Segment {
  const section = volume.sections.get(name);
  if (section === undefined) throw damagedMetadata(`${name} of a volume is missing`);
  const links = [...section.values].filter((pair): pair is [string, string] => typeof pair[1] === "string");
  return {
    start: numberOf(section, "start_extent"),
    extents: numberOf(section, "extent_count"),
    type: textOf(section, "type"),
    areas: areasOf(section),
    stripeSize: section.values.has("stripe_size") ? numberOf(section, "stripe_size") * SECTOR : 0,
    links: new Map(links),
  };
}

/** `stripes` and `mirrors` pair a name with an extent; `raids` pairs the names of a log and of data. */
function areasOf(section: Section): SegmentArea[] {
  const raids = listOf(section, "raids");
  if (raids.length > 0) {
    return raids.filter((_, index) => index % 2 === 1).map((name) => ({ name: String(name), start: 0 }));
  }
  const pairs = [...listOf(section, "stripes"), ...listOf(section, "mirrors")];
  return pairs
    .filter((_, index) => index % 2 === 0)
    .map((name, index) => ({ name: String(name), start: checkedNumber(pairs[index * 2 + 1], "an area's extent") }));
}

function mapSections<T>(group: Section, name: string, read: (section: Section, name: string) => T): Map<string, T> {
  const sections = group.sections.get(name)?.sections ?? new Map<string, Section>();
  return new Map([...sections].map(([key, section]) => [key, read(section, key)]));
}

function textOf(section: Section, key: string): string {
  const value = section.values.get(key);
  if (typeof value !== "string") throw damagedMetadata(`${key} is missing`);
  return value;
}

function numberOf(section: Section, key: string): number {
  const value = section.values.get(key);
  return checkedNumber(typeof value === "number" ? value : undefined, key);
}

/** Extents and sectors of 32 bits: their products stay below 2^53 or are refused where they are used. */
function checkedNumber(value: Scalar | undefined, what: string): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0 || value > 2 ** 40) {
    throw damagedMetadata(`${what} is no sensible number`);
  }
  return value;
}

function listOf(section: Section, key: string): readonly Scalar[] {
  const value = section.values.get(key);
  return typeof value === "object" ? value : [];
}

function flagsOf(section: Section, key: string): string[] {
  const value = section.values.get(key);
  return (typeof value === "string" ? [value] : listOf(section, key)).map(String);
}
