/**
 * The commands of the menu's command line: one function each, and the table that names them. They read the guest's
 * disk and put an entry together; nothing can be changed with them.
 *
 * Not GRUB's shell: no variables, no scripts, no modules.
 */
import { decodeText } from "../../base/text.ts";
import { GuestbootError } from "../../base/errors.ts";
import { printable, quote } from "../../base/printable.ts";
import type { BootEntry } from "../../bootconfig/boot-config.ts";
import type { GuestVolume } from "../../bootconfig/guest-volume.ts";
import type { DirectoryEntry } from "../../filesystem/filesystem.ts";
import { addLine, finishEntry, firstWord, type PartialEntry } from "./entry-lines.ts";
import { deviceName, findNamed, isFolder, splitWords } from "./guest-files.ts";
import type { MenuWorld } from "./menu-state.ts";

export interface CommandResult {
  /** Lines that can be shown as they are. */
  readonly output: readonly string[];
  /** What the lines so far have put together; left out where the command changes nothing. */
  readonly entry?: PartialEntry;
  readonly boot?: BootEntry;
  readonly exit?: true;
}

type Command = (rest: string, entry: PartialEntry, world: MenuWorld) => CommandResult;

/** Bytes of a file that `cat` shows, names that `ls` lists. */
const MAX_SHOWN = 64 * 1024;
const MAX_NAMES = 1000;

const HELP: readonly (readonly [string, string])[] = [
  ["linux FILE ARGUMENTS", "the kernel, and what it is told"],
  ["initrd FILE...", "its ramdisks"],
  ["boot", "boot them"],
  ["root (hd0,1)", "the device of names that have none"],
  ["ls [-l] [FOLDER]", "the devices; what is in a folder"],
  ["cat FILE", "what is in a file"],
  ["find FILE", "the devices that have it"],
  ["exit", "back to the menu (Esc too)"],
];

const COMMANDS: Readonly<Record<string, Command>> = {
  boot: (_rest, entry) => ({ output: [], boot: finishEntry(entry, { title: "from the command line", id: null }) }),
  cat,
  exit: () => ({ output: [], exit: true }),
  find,
  help: () => ({ output: HELP.map(([usage, does]) => `${usage.padEnd(22)} ${does}`) }),
  ls: list,
};

/** What Tab knows; GRUB's other words for `linux` and `initrd` are understood too. */
export const COMMAND_NAMES: readonly string[] = [...Object.keys(COMMANDS), "initrd", "kernel", "linux", "root"].sort();

/** @throws USAGE, and what reading the guest throws */
export function runCommand(line: string, entry: PartialEntry, world: MenuWorld): CommandResult {
  const { word, rest } = firstWord(line);
  if (word === "") return { output: [] };
  const command = Object.hasOwn(COMMANDS, word) ? COMMANDS[word] : undefined;
  if (command !== undefined) return command(rest, entry, world);
  const next = addLine(entry, line);
  if (next === null) throw new GuestbootError("USAGE", `${quote(word)} is no command here; help lists them`);
  for (const file of next.ramdisks.slice(entry.ramdisks.length)) openReference(file.path, file.volume ?? null, next);
  if (next.kernel !== null && next.kernel !== entry.kernel) {
    openReference(next.kernel.path, next.kernel.volume ?? null, next);
  }
  return { output: [], entry: next };
}

/** GRUB loads a file when it is named, so that a wrong name shows at once. @throws as `open` */
function openReference(path: string, volume: GuestVolume | null, entry: PartialEntry): void {
  (volume ?? entry.files.surroundings.own).filesystem().open(path);
}

function list(rest: string, entry: PartialEntry): CommandResult {
  const words = splitWords(rest);
  const isLong = words[0] === "-l";
  const [name] = isLong ? words.slice(1) : words;
  const { files } = entry;
  if (name === undefined) return { output: files.surroundings.volumes.map((volume) => describeVolume(volume)) };
  const { filesystem, path } = findNamed(name, files);
  const node = filesystem.find(path);
  if (node !== null && node.kind !== "directory") return { output: [printable(`${name}  ${node.size} bytes`)] };
  const entries = filesystem.list(path);
  const shown = entries.slice(0, MAX_NAMES);
  const mark = (one: DirectoryEntry) => `${one.name}${isFolder(one, filesystem, path) ? "/" : ""}`;
  const lines = isLong
    ? shown.map((one) => printable(`${String(one.node.size).padStart(12)} ${mark(one)}`))
    : [printable(shown.map(mark).join("  "))];
  const left = entries.length - shown.length;
  return { output: left > 0 ? [...lines, `and ${left} more`] : lines };
}

function describeVolume(volume: GuestVolume): string {
  return printable(`${deviceName(volume)}  ${volume.name}: ${whatIsOn(volume)}`);
}

function whatIsOn(volume: GuestVolume): string {
  try {
    const { type, label, uuid } = volume.filesystem();
    const more = [label === null || label === "" ? "" : ` label ${quote(label)}`, uuid === null ? "" : ` uuid ${uuid}`];
    return `${type}${more.join("")}`;
  } catch (error) {
    if (error instanceof GuestbootError) return error.message;
    throw error;
  }
}

function cat(rest: string, entry: PartialEntry): CommandResult {
  const [name] = splitWords(rest);
  if (name === undefined) throw new GuestbootError("USAGE", "cat names no file: cat /boot/grub/grub.cfg");
  const { filesystem, path } = findNamed(name, entry.files);
  const content = filesystem.open(path);
  const text = decodeText(content.read(0, Math.min(content.size, MAX_SHOWN)));
  const lines = text.replace(/\r?\n$/, "").split(/\r?\n/);
  const shown = lines.map((line) => printable(line.replaceAll("\t", "        ")));
  if (content.size > MAX_SHOWN) shown.push(`... and ${content.size - MAX_SHOWN} bytes more`);
  return { output: shown };
}

function find(rest: string, entry: PartialEntry): CommandResult {
  const [path] = splitWords(rest);
  if (path?.startsWith("/") !== true) throw new GuestbootError("USAGE", "find wants a path: find /boot/vmlinuz");
  const found = entry.files.surroundings.volumes.filter((volume) => hasFile(volume, path));
  if (found.length === 0) throw new GuestbootError("FILE_MISSING", `${quote(path)} is on no volume of the guest`);
  return { output: found.map((volume) => printable(deviceName(volume))) };
}

function hasFile(volume: GuestVolume, path: string): boolean {
  try {
    return volume.filesystem().find(path) !== null;
  } catch (error) {
    if (error instanceof GuestbootError) return false;
    throw error;
  }
}
