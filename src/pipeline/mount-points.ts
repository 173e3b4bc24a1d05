/**
 * Files that a boot entry names by the path that they have in the running guest, where several volumes are joined to
 * one tree: `/boot/vmlinuz` is `/vmlinuz` on a `/boot` of its own. What is mounted where, the guest's own `/etc/fstab`
 * says. Asked only when a file is not where its entry says, so that it costs nothing else.
 *
 * Not followed: symbolic links that lead from one volume to another.
 */
import * as path from "node:path";
import { GuestbootError } from "../base/errors.ts";
import { quote } from "../base/printable.ts";
import type { GuestVolume } from "../bootconfig/guest-volume.ts";
import type { GuestFilesystem } from "../filesystem/filesystem.ts";
import { readFstab, type Mount, type VolumeName } from "./fstab.ts";

/** A file on the volume that it really lies on. */
export interface JoinedFile {
  readonly filesystem: GuestFilesystem;
  readonly path: string;
  /** What an admin should know: where the file was found, and why there. */
  readonly warning: string;
}

/** A guest has a handful; a made-up disk with thousands would have each asked about all the others. */
const MAX_VOLUMES = 64;

/**
 * @param file its absolute path, as its entry names it
 * @param own the volume that the entry names it on
 * @param volumes all volumes of the disk in the loader's order; the first 64 are asked
 * @returns null where no fstab leads to it
 */
export function findMounted(file: string, own: GuestVolume, volumes: readonly GuestVolume[]): JoinedFile | null {
  // Where two volumes claim one name, the first wins: the entry's own before any that were attached to the guest.
  const ordered = [own, ...volumes.filter((volume) => volume !== own)].slice(0, MAX_VOLUMES).map(openedOnce);
  const wanted = path.posix.normalize(file.startsWith("/") ? file : `/${file}`);
  for (const root of ordered) {
    const joined = unlessUnreadable(() => findInTree(wanted, root, ordered));
    if (joined !== null) return joined;
  }
  return null;
}

/** @param root the volume whose fstab is read; the first of the volumes is to be part of its tree */
function findInTree(wanted: string, root: GuestVolume, volumes: readonly GuestVolume[]): JoinedFile | null {
  const [own] = volumes;
  const mounts = readFstab(root.filesystem());
  if (root !== own && !mounts.some(({ volume }) => volumeCalled(volume, volumes) === own)) return null;
  // The innermost mount hides what lies below it on the others.
  const around = mounts.filter(({ at }) => isBelow(wanted, at)).sort((one, other) => other.at.length - one.at.length);
  for (const mount of around) {
    const volume = volumeCalled(mount.volume, volumes);
    if (volume !== null) return findOn(volume, wanted, mount);
  }
  return root === own ? null : findOn(root, wanted, { at: "/", subvolume: null });
}

function findOn(volume: GuestVolume, wanted: string, { at, subvolume }: Omit<Mount, "volume">): JoinedFile | null {
  const filesystem = volume.filesystem();
  const rest = at === "/" ? wanted : wanted.slice(at.length);
  for (const candidate of subvolume === null ? [rest] : [`/${subvolume}${rest}`, rest]) {
    if (filesystem.find(candidate)?.kind !== "file") continue;
    const warning = `${quote(wanted)} is ${quote(candidate)} on ${volume.name}, which the guest's /etc/fstab mounts at ${quote(at)}`;
    return { filesystem, path: candidate, warning };
  }
  return null;
}

function isBelow(file: string, folder: string): boolean {
  return folder === "/" || file.startsWith(`${folder}/`);
}

/** The first that claims the name; null where none does. */
function volumeCalled(name: VolumeName, volumes: readonly GuestVolume[]): GuestVolume | null {
  return volumes.find((volume) => isCalled(volume, name)) ?? null;
}

function isCalled(volume: GuestVolume, { by, value }: VolumeName): boolean {
  switch (by) {
    case "number":
      return volume.number === value;
    case "device":
      return deviceNames(volume.name).includes(value);
    case "partuuid":
      return volume.partitionUuid === value.toLowerCase();
    case "partlabel":
      return volume.partitionLabel === value;
    case "uuid":
    case "label": {
      const filesystem = unlessUnreadable(() => volume.filesystem());
      if (filesystem === null) return false;
      return by === "label" ? filesystem.label === value : filesystem.uuid?.toLowerCase() === value.toLowerCase();
    }
  }
}

/** The names of a logical volume below /dev; device mapper doubles hyphens, so that one can part group and volume. */
export function deviceNames(name: string): readonly string[] {
  const logical = /^lvm ([^/]+)\/(.+)$/s.exec(name);
  if (logical === null) return [];
  const [, group = "", volume = ""] = logical;
  const mapped = [group, volume].map((part) => part.replaceAll("-", "--")).join("-");
  return [`/dev/${group}/${volume}`, `/dev/mapper/${mapped}`];
}

/** The volume with a filesystem that is opened once, also where that fails. */
function openedOnce(volume: GuestVolume): GuestVolume {
  let opened: (() => GuestFilesystem) | null = null;
  const open = (): (() => GuestFilesystem) => {
    try {
      const filesystem = volume.filesystem();
      return () => filesystem;
    } catch (error) {
      return () => {
        throw error;
      };
    }
  };
  return { ...volume, filesystem: () => (opened ??= open())() };
}

/** What is wrong with another volume must not stand in the way of the words about the entry's own. */
function unlessUnreadable<T>(work: () => T): T | null {
  try {
    return work();
  } catch (error) {
    if (error instanceof GuestbootError && error.code !== "INTERNAL") return null;
    throw error;
  }
}
