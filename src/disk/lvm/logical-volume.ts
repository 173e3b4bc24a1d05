/**
 * A logical volume as a source: its segments, mapped onto physical volumes.
 *
 * Read: linear and striped segments, mirrors of both kinds (from the first leg that can be read), `zero`. All other
 * types (thin, cache, snapshot, RAID 4 to 10, integrity, …) are refused by name, as is what lies on a physical volume
 * that is not there.
 */
import { firstIndex } from "../../base/first-index.ts";
import { sliceSource, type ByteSource } from "../../base/byte-source.ts";
import { asGuestbootError, GuestbootError } from "../../base/errors.ts";
import { printable, quote } from "../../base/printable.ts";
import { mappedSource, type Piece } from "../mapped-source.ts";
import { damagedMetadata } from "./metadata-text.ts";
import type { GroupMember, LogicalVolume, Segment, SegmentArea, VolumeGroup } from "./volume-group.ts";

const MAX_DEPTH = 8;
/** Legs of a mirror that were not filled up to now. */
const INCOMPLETE: readonly string[] = ["REBUILD", "LV_REBUILD"];

/** @throws FEATURE_UNSUPPORTED naming the type of segment or the physical volume; VOLUMES_DAMAGED, OUT_OF_BOUNDS */
export type OpenLogicalVolume = (volume: LogicalVolume) => ByteSource;

/** @param present the sources of the physical volumes that are there, by their UUID */
export function logicalVolumeOpener(group: VolumeGroup, present: ReadonlyMap<string, ByteSource>): OpenLogicalVolume {
  const parts = partsOf(group);
  // Each volume is opened once, however many others lie on it, and whether it can be read or not.
  const opened = new Map<string, ByteSource | GuestbootError>();
  const open = (volume: LogicalVolume, trail: readonly string[]): ByteSource => {
    const known = opened.get(volume.name) ?? opening(volume, trail);
    opened.set(volume.name, known);
    if (known instanceof GuestbootError) throw known;
    return known;
  };
  const opening = (volume: LogicalVolume, trail: readonly string[]): ByteSource | GuestbootError => {
    try {
      return openAnew(volume, trail);
    } catch (error) {
      return asGuestbootError(error);
    }
  };
  const openAnew = (volume: LogicalVolume, trail: readonly string[]): ByteSource => {
    if (trail.includes(volume.name)) throw damagedMetadata(`the volume ${quote(volume.name)} is made of itself`);
    if (trail.length === MAX_DEPTH) throw damagedMetadata(`volumes of volumes, more than ${MAX_DEPTH} deep`);
    return openVolume(group, volume, (area, extents) => {
      const start = area.start * group.extentSize;
      const size = extents * group.extentSize;
      const member = group.physicalVolumes.get(area.name);
      if (member !== undefined) return openMember(member, area, start, size);
      const below = group.logicalVolumes.get(area.name);
      if (below === undefined) throw damagedMetadata(`a segment lies on ${quote(area.name)}, which is not there`);
      return sliceSource(open(below, [...trail, volume.name]), start, size, printable(area.name));
    });
  };
  const openMember = (member: GroupMember, area: SegmentArea, start: number, size: number): ByteSource => {
    if (start + size > member.extents * group.extentSize) {
      throw damagedMetadata("a segment reaches past its physical volume");
    }
    const source = member.isMissing ? undefined : present.get(member.uuid);
    if (source === undefined) throw missing(area.name, member.uuid);
    return sliceSource(source, member.dataStart + start, size, printable(area.name));
  };
  return (volume) => {
    const part = parts.get(volume.name);
    if (part !== undefined) throw unsupported(part);
    return open(volume, []);
  };
}

/** What is only half of something, and looks like any other volume by its own segments: name → what it is. */
function partsOf(group: VolumeGroup): Map<string, string> {
  const parts = new Map<string, string>();
  for (const { segments } of group.logicalVolumes.values()) {
    for (const { links } of segments) {
      const origin = links.get("origin") ?? "";
      const copies = links.get("cow_store");
      if (copies !== undefined) parts.set(copies, `that is a snapshot of ${quote(origin)}`);
      const merging = links.get("merging_store");
      if (merging === undefined) continue;
      parts.set(merging, `that is a snapshot of ${quote(origin)}`);
      parts.set(origin, "into which a snapshot is being merged");
    }
  }
  return parts;
}

function openVolume(group: VolumeGroup, volume: LogicalVolume, openArea: OpenArea): ByteSource {
  const name = quote(volume.name);
  const parts: Part[] = [];
  let end = 0;
  for (const segment of [...volume.segments].sort((a, b) => a.start - b.start)) {
    if (segment.start * group.extentSize !== end) throw damagedMetadata(`${name} has a gap or an overlap`);
    const size = segment.extents * group.extentSize;
    if (size === 0) throw damagedMetadata(`a segment of ${name} has no size`);
    parts.push({ start: end, end: end + size, pieceAt: openSegment(group, segment, openArea) });
    end += size;
  }
  if (!Number.isSafeInteger(end)) throw damagedMetadata(`${name} is larger than anything real`);
  return mappedSource(end, `LVM volume ${name}`, (offset) => {
    const part = partAt(parts, offset);
    return part.pieceAt(offset - part.start);
  });
}

/** Where bytes of a segment stand, by their offset in it. */
type PieceAt = (offset: number) => Piece;

interface Part {
  readonly start: number;
  readonly end: number;
  readonly pieceAt: PieceAt;
}

function partAt(parts: readonly Part[], offset: number): Part {
  const last = parts.length - 1;
  const part = parts[firstIndex(last, (index) => offset < (parts[index]?.end ?? Infinity))];
  if (part === undefined) throw damagedMetadata("a volume has no segments");
  return part;
}

type OpenArea = (area: SegmentArea, extents: number) => ByteSource;

function openSegment(group: VolumeGroup, segment: Segment, openArea: OpenArea): PieceAt {
  const { type, areas, extents } = segment;
  const size = extents * group.extentSize;
  switch (type) {
    case "linear":
    case "striped":
      if (areas.length === 0) throw damagedMetadata("a segment lies nowhere");
      if (areas.length === 1) return wholeOf(size, openFirst(areas, extents, openArea));
      return striped(group, segment, openArea);
    case "mirror":
    case "raid1":
      return wholeOf(size, openFirst(preferComplete(group, areas), extents, openArea));
    case "zero":
      return (offset) => ({ kind: "zeros", length: size - offset });
    case "error":
      throw unsupported("of which a part is lost (segment type error)");
    default:
      throw unsupported(`of the segment type ${quote(type)}`);
  }
}

function wholeOf(size: number, source: ByteSource): PieceAt {
  return (offset) => ({ kind: "stored", length: size - offset, source, offset });
}

/** The first that can be opened; why the first one cannot when there is none. */
function openFirst(areas: readonly SegmentArea[], extents: number, openArea: OpenArea): ByteSource {
  let reason: GuestbootError | null = null;
  for (const area of areas) {
    try {
      return openArea(area, extents);
    } catch (error) {
      reason ??= asGuestbootError(error);
    }
  }
  throw reason ?? damagedMetadata("a mirror without legs");
}

function preferComplete(group: VolumeGroup, areas: readonly SegmentArea[]): readonly SegmentArea[] {
  const isComplete = ({ name }: SegmentArea) =>
    !(group.logicalVolumes.get(name)?.flags ?? []).some((flag) => INCOMPLETE.includes(flag));
  const complete = areas.filter(isComplete);
  if (complete.length === 0) throw unsupported("whose copies are all still being filled");
  return complete;
}

/** Chunks of `stripeSize` bytes, on each area in turn. */
function striped(group: VolumeGroup, { areas, extents, stripeSize }: Segment, openArea: OpenArea): PieceAt {
  if (stripeSize === 0 || extents % areas.length !== 0 || (group.extentSize * extents) % stripeSize !== 0) {
    throw damagedMetadata("a striped segment does not divide into its stripes");
  }
  const sources = areas.map((area) => openArea(area, extents / areas.length));
  return (offset) => {
    const chunk = Math.floor(offset / stripeSize);
    const inChunk = offset % stripeSize;
    const source = sources[chunk % sources.length];
    if (source === undefined) throw damagedMetadata("a stripe is missing");
    const at = Math.floor(chunk / sources.length) * stripeSize + inChunk;
    return { kind: "stored", length: stripeSize - inChunk, source, offset: at };
  };
}

function missing(name: string, uuid: string): GuestbootError {
  const shown = uuid.replace(/^(.{6})(.{4})(.{4})(.{4})(.{4})(.{4})(.{6})$/, "$1-$2-$3-$4-$5-$6-$7");
  return new GuestbootError(
    "FEATURE_UNSUPPORTED",
    `a volume that lies on the physical volume ${name} (${quote(shown)}), which is not on this disk, cannot be read`,
    { hint: "a guest boots from its first disk only: its /boot must be on that one" },
  );
}

function unsupported(what: string): GuestbootError {
  return new GuestbootError("FEATURE_UNSUPPORTED", `a volume ${what} cannot be read`, {
    hint: "put /boot on a partition or on a linear logical volume",
  });
}
