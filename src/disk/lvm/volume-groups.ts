/**
 * The logical volumes of a disk: the physical volumes that were found on it, put together by what their metadata say.
 */
import type { ByteSource } from "../../base/byte-source.ts";
import { asGuestbootError } from "../../base/errors.ts";
import { printable } from "../../base/printable.ts";
import { descriptionOf, type RefusedVolume, type Volume, type VolumeDescription } from "../volume.ts";
import type { PhysicalVolume } from "./label.ts";
import { logicalVolumeOpener } from "./logical-volume.ts";
import { readMetadataArea } from "./metadata-area.ts";
import { readVolumeGroup, seenVolumes, type VolumeGroup } from "./volume-group.ts";

export interface FoundPhysicalVolume {
  /** The volume that it is. */
  readonly volume: Volume;
  readonly physicalVolume: PhysicalVolume;
}

export interface LogicalVolumes {
  readonly volumes: readonly Volume[];
  readonly refused: readonly RefusedVolume[];
  readonly notes: readonly string[];
}

/** Copies of metadata that are read on one disk; a physical volume has one or two. */
const MAX_AREAS = 64;

/** The volumes that people see, group by group, in the order of the metadata. @throws DISK_UNREADABLE */
export function readLogicalVolumes(found: readonly FoundPhysicalVolume[]): LogicalVolumes {
  const notes: string[] = [];
  const groups = currentGroups(found, notes);
  const present = new Map<string, ByteSource>(found.map(({ physicalVolume: { uuid, source } }) => [uuid, source]));
  const volumes: Volume[] = [];
  const refused: RefusedVolume[] = [];
  for (const group of groups) {
    const open = logicalVolumeOpener(group, present);
    for (const volume of seenVolumes(group)) {
      const description = describe(group, volume.name);
      try {
        volumes.push({ ...description, source: open(volume) });
      } catch (thrown) {
        refused.push({ ...description, why: asGuestbootError(thrown).message });
      }
    }
  }
  const members = new Set(groups.flatMap((group) => [...group.physicalVolumes.values()].map(({ uuid }) => uuid)));
  const lost = found.filter(({ physicalVolume }) => !members.has(physicalVolume.uuid));
  for (const { volume } of lost) {
    refused.push({ ...descriptionOf(volume), why: "it is an LVM physical volume without readable metadata" });
  }
  return { volumes, refused, notes };
}

/** One description of each group: the one that was written last. */
function currentGroups(found: readonly FoundPhysicalVolume[], notes: string[]): VolumeGroup[] {
  const groups = new Map<string, VolumeGroup>();
  const seen = new Set<string>();
  for (const text of textsOf(found, notes)) {
    if (seen.has(text)) continue;
    seen.add(text);
    try {
      const group = readVolumeGroup(text);
      const known = groups.get(group.uuid);
      if (known === undefined || known.sequence < group.sequence) groups.set(group.uuid, group);
    } catch (thrown) {
      notes.push(asGuestbootError(thrown).message);
    }
  }
  return [...groups.values()];
}

function textsOf(found: readonly FoundPhysicalVolume[], notes: string[]): string[] {
  const texts: string[] = [];
  let areas = 0;
  for (const { volume, physicalVolume } of found) {
    for (const area of physicalVolume.metadataAreas) {
      if (++areas > MAX_AREAS) {
        notes.push(`more than ${MAX_AREAS} copies of LVM metadata: the others are not read`);
        return texts;
      }
      try {
        const content = readMetadataArea(physicalVolume.source, area);
        if (content.kind === "text") texts.push(content.text);
        else if (content.kind === "damaged") notes.push(`${volume.name}: a copy of LVM's metadata: ${content.why}`);
      } catch (thrown) {
        const error = asGuestbootError(thrown);
        if (error.code !== "OUT_OF_BOUNDS") throw error;
        notes.push(`${volume.name}: a copy of LVM's metadata: ${error.message}`);
      }
    }
  }
  return texts;
}

function describe(group: VolumeGroup, volume: string): VolumeDescription {
  return {
    name: printable(`lvm ${group.name}/${volume}`),
    kind: "logical volume",
    table: "lvm",
    number: null,
    active: false,
    typeName: "",
    partitionUuid: null,
    partitionLabel: null,
    inside: [],
  };
}
