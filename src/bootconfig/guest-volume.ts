/**
 * A volume of the guest's disk as boot configs see it. A config may name files on other volumes than its own, look for
 * a volume by the UUID or label of its filesystem, and ask what is on it.
 */
import type { GuestFilesystem } from "../filesystem/filesystem.ts";

export interface GuestVolume {
  /** "partition 1", "whole disk", "lvm vg/root"; "folder" for a folder that stands for a guest's disk. */
  readonly name: string;
  /** The partition's number, from 1; null when it is none. */
  readonly number: number | null;
  /** The kind of table that counts it: "gpt", "mbr"; GRUB 2's names tell them apart. */
  readonly table?: string | undefined;
  /** `PARTUUID`, in lower case; null when it has none. */
  readonly partitionUuid: string | null;
  /** `PARTLABEL`: a GPT's name of the partition. */
  readonly partitionLabel?: string | null | undefined;
  /** Opened when it is first asked for, and once. @throws NO_FILESYSTEM and what reading it throws */
  filesystem(): GuestFilesystem;
}

/** What the reader of a config may look at beside its text. */
export interface Surroundings {
  /** The volume that the config lies on. It wins where two volumes claim one UUID or label (CVE-2023-4001). */
  readonly own: GuestVolume;
  /** All volumes of the disk in the loader's order, `own` among them. */
  readonly volumes: readonly GuestVolume[];
}
