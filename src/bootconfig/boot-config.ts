/**
 * What a guest's boot config says, whatever its syntax: entries, the one to boot, and how long a menu would wait.
 */
import type { GuestVolume, Surroundings } from "./guest-volume.ts";

/** A device as GRUB writes it: `(hd0,0)` is disk 0, partition 0 (GRUB legacy counts partitions from 0). */
export interface GrubDevice {
  readonly disk: number;
  /** Counted from 1, as everybody but GRUB legacy does; null for the whole disk, `(hd0)`. */
  readonly partition: number | null;
}

/** A file that an entry names. */
export interface FileReference {
  /** Null where the config names none: then it is the config's own volume. */
  readonly device: GrubDevice | null;
  /** The volume that the config itself has found, by a search or inside an image; counts before `device`. */
  readonly volume?: GuestVolume | undefined;
  /** Absolute inside the volume. */
  readonly path: string;
  /** The part of the file that is meant, in bytes: a section of a unified kernel image. Default: all of it. */
  readonly section?: { readonly offset: number; readonly length: number } | undefined;
  /** Of a ramdisk: it is put into an archive as the file of that name (GRUB's `newc:NAME:FILE`). Default: as it is. */
  readonly member?: string | undefined;
}

/** One step on the way to an entry: what it is in the menu that it stands in. */
export interface MenuStep {
  /** Counted from 0 over everything that stands in that menu, submenus too. */
  readonly position: number;
  readonly title: string;
  readonly id: string | null;
  /** Of a submenu: it opens only after a password was given. Default: false. */
  readonly isLocked?: boolean | undefined;
  /** Those that open this submenu, beside the menu's. Default: none. */
  readonly passwords?: readonly MenuPassword[] | undefined;
}

export interface BootEntry {
  readonly title: string;
  /** The entry's own identifier, where the syntax has one. */
  readonly id: string | null;
  /** The titles of the submenus around it, outermost first; default: none. */
  readonly submenu?: readonly string[] | undefined;
  /** The submenus around it, outermost first, and itself, where the syntax has submenus. */
  readonly location?: readonly MenuStep[] | undefined;
  readonly kernel: FileReference;
  readonly ramdisks: readonly FileReference[];
  /** The kernel command line. */
  readonly arguments: string;
  /** The menu boots it only after a password was given. Default: false. */
  readonly isLocked?: boolean | undefined;
  /** Those that boot this entry alone, beside the menu's; they open nothing else. Default: none. */
  readonly passwords?: readonly MenuPassword[] | undefined;
  /** Whose passwords boot it, besides those who may do anything: a BLS entry's `grub_users`, before GRUB has them. */
  readonly users?: readonly string[] | undefined;
  /** The key that boots it in the menu: "a". */
  readonly hotkey?: string | null | undefined;
}

/** A password that the menu asks for before it lets anybody edit, or boot what is locked. */
export interface MenuPassword {
  /** GRUB 2 has users; null where the syntax has none. */
  readonly user: string | null;
  /** md5-crypt: `$1$…` (GRUB legacy, syslinux); pbkdf2: `grub.pbkdf2.sha512.…`; plain: the password itself. */
  readonly form: "plain" | "md5-crypt" | "sha1-base64" | "sha256-crypt" | "sha512-crypt" | "pbkdf2";
  readonly value: string;
}

export type ConfigSyntax = "grub-legacy" | "grub2" | "syslinux" | "bls";

export interface BootConfig {
  readonly syntax: ConfigSyntax;
  /** Entries that boot a kernel, in the order of the config; those of submenus at the submenu's place. */
  readonly entries: readonly BootEntry[];
  /** Index into `entries` of the one that would boot. */
  readonly default: number;
  /** Indices of the entries to try, in order, where the default's kernel is missing. Default: none. */
  readonly fallback?: readonly number[] | undefined;
  /** Seconds; null when the config does not wait. */
  readonly timeout: number | null;
  /** Is the menu shown while the timeout runs, only a countdown, or nothing until a key is pressed? Default: "menu". */
  readonly timeoutStyle?: "menu" | "countdown" | "hidden" | undefined;
  /** What the config wants above its menu. */
  readonly menuTitle?: string | null | undefined;
  /** Not empty: editing needs one of them. */
  readonly passwords?: readonly MenuPassword[] | undefined;
  /** Editing, and booting what is locked, needs a password even where there is none. Default: where there is one. */
  readonly isGuarded?: boolean | undefined;
  /** Which files were read and what decided about the default, a sentence each; for those who ask. */
  readonly explanation?: readonly string[] | undefined;
  /** What an admin should know about how the config was read. */
  readonly notes: readonly string[];
}

/** Where a config was found. */
export interface ConfigPlace extends Surroundings {
  /** The config's absolute path in `own`. */
  readonly path: string;
  /** Of syslinux: the folder in `own` that absolute paths begin at. Default: its root. */
  readonly root?: string | undefined;
}

/**
 * Which entries somebody wants of a config: all of them, or those that boot where nobody chooses, the default and its
 * fallbacks. A reader may give more than is wanted.
 */
export type WantedEntries = "all" | "default";

/**
 * A syntax: from a config's text and what is around it to its entries.
 * @throws NO_BOOT_ENTRY when none boots a kernel; BUDGET_EXCEEDED
 */
export type ConfigReader = (text: string, place: ConfigPlace, wanted?: WantedEntries) => BootConfig;
