/**
 * What a volume is besides a place for a filesystem: encrypted, a member of a RAID, LVM's, a partition of another
 * system that is cut into slices.
 */
import type { ByteSource } from "../base/byte-source.ts";
import { asGuestbootError } from "../base/errors.ts";
import { readBsdLabel } from "./bsd-label.ts";
import { LVM_HEAD_SIZE, readPhysicalVolume, type PhysicalVolume } from "./lvm/label.ts";
import { RAID_HEAD_SIZE, readRaidMember } from "./raid-member.ts";
import type { Slice } from "./slice.ts";
import { readSolarisVtoc } from "./solaris-vtoc.ts";

export type Contents =
  | { readonly kind: "plain" }
  | { readonly kind: "refused"; readonly why: string }
  /** The same bytes but those of the superblock. */
  | { readonly kind: "member"; readonly what: string; readonly source: ByteSource }
  | { readonly kind: "physical volume"; readonly physicalVolume: PhysicalVolume }
  | { readonly kind: "slices"; readonly table: "bsd" | "solaris"; readonly slices: readonly Slice[] };

export interface Place {
  /** Bytes from the start of what the table counts in, the disk. */
  readonly start: number;
  readonly typeName: string;
}

const HEAD_SIZE = Math.max(RAID_HEAD_SIZE, LVM_HEAD_SIZE);
const LUKS_MAGIC = "LUKS\xba\xbe";

/** @throws DISK_UNREADABLE */
export function contentsOf(source: ByteSource, place: Place): Contents {
  try {
    return readContents(source, place);
  } catch (thrown) {
    const error = asGuestbootError(thrown);
    if (error.code !== "OUT_OF_BOUNDS") throw error;
    return { kind: "refused", why: error.message };
  }
}

function readContents(source: ByteSource, { start, typeName }: Place): Contents {
  const head = source.read(0, Math.min(HEAD_SIZE, source.size));
  if (Buffer.from(head.subarray(0, LUKS_MAGIC.length)).toString("latin1") === LUKS_MAGIC) {
    return { kind: "refused", why: `it is encrypted (LUKS ${head[7] ?? "of an unknown version"})` };
  }
  const member = readRaidMember(source, head);
  if (member?.kind === "refused") return { kind: "refused", why: `it is a member of a ${member.what}: ${member.why}` };
  if (member !== null) return { kind: "member", what: member.what, source: member.source };
  const physicalVolume = readPhysicalVolume(source, head);
  if (typeof physicalVolume === "string") {
    return { kind: "refused", why: `it is a damaged LVM physical volume: ${physicalVolume}` };
  }
  if (physicalVolume !== null) return { kind: "physical volume", physicalVolume };
  const bsd = readBsdLabel(head, start, typeName.startsWith("FreeBSD"));
  if (bsd !== null) return { kind: "slices", table: "bsd", slices: bsd };
  const solaris = readSolarisVtoc(head);
  return solaris === null ? { kind: "plain" } : { kind: "slices", table: "solaris", slices: solaris };
}
