/**
 * What a guest's boot config says, whatever its syntax: entries, the one to boot, and how long a menu would wait.
 */

/** A device as GRUB writes it: `(hd0,0)` is disk 0, partition 0 (GRUB legacy counts partitions from 0). */
export interface GrubDevice {
  readonly disk: number;
  /** Counted from 1, as everybody but GRUB legacy does; null for the whole disk, `(hd0)`. */
  readonly partition: number | null;
}

/** A file that an entry names. `device` is null where the config names none: then it is the config's own volume. */
export interface FileReference {
  readonly device: GrubDevice | null;
  /** Absolute inside the volume. */
  readonly path: string;
}

export interface BootEntry {
  readonly title: string;
  /** The entry's own identifier, where the syntax has one. */
  readonly id: string | null;
  readonly kernel: FileReference;
  readonly ramdisks: readonly FileReference[];
  /** The kernel command line. */
  readonly arguments: string;
}

export type ConfigSyntax = "grub-legacy" | "grub2" | "syslinux" | "bls";

export interface BootConfig {
  readonly syntax: ConfigSyntax;
  /** Entries that boot a kernel, in the order of the config. */
  readonly entries: readonly BootEntry[];
  /** Index into `entries` of the one that would boot. */
  readonly default: number;
  /** Seconds; null when the config does not wait. */
  readonly timeout: number | null;
  /** What an admin should know about how the config was read. */
  readonly notes: readonly string[];
}
