/**
 * A guest's `/etc/fstab`: which volume it mounts where. Format: fstab(5).
 *
 * Not here: automounts of systemd (`/boot` of a guest with GPT partition types and no fstab), network filesystems,
 * swap, and mount points that are no absolute paths, all of which are passed over.
 */
import * as path from "node:path";
import { decodeText } from "../base/text.ts";
import type { GuestFilesystem } from "../filesystem/filesystem.ts";

/** How a volume is named. */
export type VolumeName =
  | { readonly by: "uuid" | "label" | "partuuid" | "partlabel"; readonly value: string }
  /** `/dev/xvda1`: a partition of the first disk, which is the one that a start sees. */
  | { readonly by: "number"; readonly value: number }
  /** `/dev/mapper/VG-LV`, `/dev/VG/LV`. */
  | { readonly by: "device"; readonly value: string };

export interface Mount {
  readonly volume: VolumeName;
  /** Absolute, without a slash at its end unless it is the root. */
  readonly at: string;
  /** The subvolume of a btrfs that is mounted: "@", "root/boot"; null for the one that its filesystem opens with. */
  readonly subvolume: string | null;
}

/** Where it is; on a btrfs whose subvolumes are in its top level, as Ubuntu and Fedora make it, below the root's. */
const PATHS = ["/etc/fstab", "/@/etc/fstab", "/root/etc/fstab"];
/** Bytes; real ones have a few hundred. A larger one is no fstab. */
const MAX_SIZE = 64 * 1024;
const MAX_MOUNTS = 256;

/** What the guest whose root is on that filesystem mounts; empty without an fstab of use. @throws what reading throws */
export function readFstab(filesystem: GuestFilesystem): readonly Mount[] {
  for (const place of PATHS) {
    const node = filesystem.find(place);
    if (node?.kind !== "file" || node.size > MAX_SIZE) continue;
    const content = filesystem.open(place);
    if (content.size <= MAX_SIZE) return parseFstab(decodeText(content.read(0, content.size)));
  }
  return [];
}

/** The mounts of volumes, in the order of the file; at most 256 of them. Lines that say something else are passed over. */
export function parseFstab(text: string): readonly Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split("\n")) {
    if (mounts.length === MAX_MOUNTS) break;
    const mount = parseLine(line.trim());
    if (mount !== null) mounts.push(mount);
  }
  return mounts;
}

function parseLine(line: string): Mount | null {
  if (line.startsWith("#")) return null;
  const [source, target, , options = ""] = line.split(/[ \t]+/).map(unescaped);
  if (source === undefined || target?.startsWith("/") !== true) return null;
  const volume = parseVolume(source);
  if (volume === null) return null;
  const at = path.posix.normalize(target);
  const subvolume = options.split(",").find((option) => option.startsWith("subvol="));
  return {
    volume,
    at: at.length > 1 && at.endsWith("/") ? at.slice(0, -1) : at,
    subvolume: subvolume?.slice("subvol=".length).replace(/^\/+|\/+$/g, "") ?? null,
  };
}

/** A blank is written `\040` (fstab(5)). */
function unescaped(field: string): string {
  return field.replace(/\\([0-3][0-7]{2})/g, (_, digits: string) => character(digits, 8));
}

const TAGS = ["uuid", "label", "partuuid", "partlabel"] as const;
const tagOf = (word: string | undefined) => TAGS.find((tag) => tag === word?.toLowerCase());

function parseVolume(source: string): VolumeName | null {
  const [, tagged, value = ""] = /^([A-Z]+)=(.+)$/s.exec(source) ?? [];
  const tag = tagOf(tagged);
  if (tag !== undefined) return { by: tag, value: value.replace(/^"(.*)"$|^'(.*)'$/s, "$1$2") };
  const [, linked, link = ""] = /^\/dev\/disk\/by-([a-z]+)\/(.+)$/s.exec(source) ?? [];
  const by = tagOf(linked);
  if (by !== undefined) {
    // udev writes what may not stand in a file's name as \x20.
    const unlinked = link.replace(/\\x([0-9a-f]{2})/gi, (_, digits: string) => character(digits, 16));
    return { by, value: unlinked };
  }
  const partition = /^\/dev\/(?:xvda|[shv]da|(?:nvme0n1|mmcblk0)p)(\d{1,3})$/.exec(source);
  if (partition !== null) return { by: "number", value: Number(partition[1]) };
  return source.startsWith("/dev/") ? { by: "device", value: source } : null;
}

function character(digits: string, base: number): string {
  return String.fromCharCode(Number.parseInt(digits, base));
}
