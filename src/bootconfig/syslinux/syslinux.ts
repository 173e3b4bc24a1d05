/**
 * The syslinux family's configs (syslinux, isolinux, extlinux, pxelinux): labels in, entries out.
 * https://wiki.syslinux.org/wiki/index.php?title=Config
 *
 * What boots is what boots when nobody presses a key: `ONTIMEOUT`, else the menu's default where a menu program is
 * shown, else `DEFAULT`. `MENU SAVE` is not known here: its choice lies outside of the filesystem.
 */
import { GuestbootError } from "../../base/errors.ts";
import { quote } from "../../base/printable.ts";
import type { BootConfig, BootEntry, ConfigPlace, ConfigReader } from "../boot-config.ts";
import { splitWord } from "../grub-legacy-line.ts";
import { passwordOf, readLabel } from "./read-label.ts";
import { newLabel, readSyslinuxMenu, type Label, type SyslinuxMenu } from "./read-menu.ts";

const MAX_NOTES = 50;

export const readSyslinux: ConfigReader = (text, place) => {
  const notes: string[] = [];
  const note = (line: string): void => {
    if (notes.length < MAX_NOTES && !notes.includes(line)) notes.push(line);
  };
  const menu = readSyslinuxMenu(text.startsWith("\ufeff") ? text.slice(1) : text, place, note);
  const entries: BootEntry[] = [];
  /** For each of the entries its label. */
  const labels: Label[] = [];
  for (const label of menu.labels) {
    const entry = readLabel(label, place, menu.append);
    if (typeof entry === "string") note(`boots no kernel: ${quote(label.name)}: ${entry}`);
    else {
      entries.push(entry);
      labels.push(label);
    }
  }
  const chosen = chooseDefault(menu, { place, entries, labels, note });
  if (entries.length === 0) throw noEntry(menu, notes);
  return {
    syntax: "syslinux",
    entries,
    default: chosen,
    timeout: readTimeout(menu),
    menuTitle: menu.title,
    passwords: menu.masterPassword === null ? [] : [passwordOf(menu.masterPassword)],
    notes,
  } satisfies BootConfig;
};

interface Found {
  readonly place: ConfigPlace;
  readonly entries: BootEntry[];
  readonly labels: Label[];
  readonly note: (line: string) => void;
}

/** The index of what boots; adds an entry where a command line names an image, or adds arguments to a label's. */
function chooseDefault(menu: SyslinuxMenu, found: Found): number {
  const { entries, labels, note } = found;
  if (menu.onTimeout !== null) {
    const index = indexOfCommandLine(menu.onTimeout, menu, found);
    if (index !== null) return index;
    note(`ONTIMEOUT ${quote(menu.onTimeout)} boots no kernel`);
  }
  const isMenu = isProgram(menu.ui ?? menu.default ?? "");
  const marked = labels.findLastIndex((label) => label.isMenuDefault);
  if (isMenu && marked >= 0) return marked;
  if (isMenu && menu.labels.some((label) => label.isMenuDefault)) {
    note("the menu's default entry boots no kernel: the first that does is taken");
    return 0;
  }
  if (menu.default !== null && !isProgram(menu.default)) {
    const index = indexOfCommandLine(menu.default, menu, found);
    if (index !== null) return index;
    if (entries.length > 0) note(`DEFAULT ${quote(menu.default)} boots no kernel: the first entry that does is taken`);
  } else if (!isMenu) {
    if (marked >= 0) return marked;
    if (entries.length > 1) note("the config has no DEFAULT: the first entry is taken");
  }
  return 0;
}

function indexOfCommandLine(commandLine: string, menu: SyslinuxMenu, found: Found): number | null {
  const { place, entries, labels } = found;
  const { word, rest } = splitWord(commandLine);
  const named =
    menu.labels.find((label) => label.name === word || label.name === commandLine) ??
    menu.labels.find((label) => label.name.toLowerCase() === word.toLowerCase());
  if (named !== undefined) {
    const index = labels.indexOf(named);
    if (index < 0) return null;
    if (rest === "" || named.name === commandLine) return index;
    const entry = readLabel(named, place, menu.append, rest);
    if (typeof entry === "string") return null;
    entries[index] = entry;
    return index;
  }
  // No such label: it is the name of an image.
  const folder = place.path.slice(0, place.path.lastIndexOf("/")) || "/";
  const label = newLabel(word, folder, []);
  label.image = { kind: "kernel", file: word };
  const entry = readLabel(label, place, menu.append, rest);
  if (word === "" || typeof entry === "string" || !isThere(place, entry.kernel.path)) return null;
  entries.push(entry);
  labels.push(label);
  return entries.length - 1;
}

function isThere(place: ConfigPlace, path: string): boolean {
  try {
    return place.own.filesystem().find(path)?.kind === "file";
  } catch (error) {
    if (error instanceof GuestbootError) return false;
    throw error;
  }
}

/** `vesamenu.c32`, `gfxboot.c32 bootlogo`. */
const isProgram = (commandLine: string): boolean => splitWord(commandLine).word.toLowerCase().endsWith(".c32");

/** In seconds; 0 means that it waits for ever, and so does nothing. */
function readTimeout({ timeout, totalTimeout }: SyslinuxMenu): number | null {
  const given = [timeout, totalTimeout].filter((value) => value !== null && value > 0);
  return given.length === 0 ? null : Math.ceil(Math.min(...given.map(Number)) / 10);
}

function noEntry(menu: SyslinuxMenu, notes: readonly string[]): GuestbootError {
  const what = menu.labels.length === 0 ? "it has no label at all" : notes.slice(0, 8).join("; ");
  return new GuestbootError("NO_BOOT_ENTRY", `the boot config cannot be booted: ${what}`, {
    hint: "name the files inside the guest, --kernel=PATH --ramdisk=PATH, or repair the config in the guest",
  });
}
