/**
 * File names as a person types them at the menu, `(hd0,gpt2)/boot/vmlinuz` or `/boot/vmlinuz`, and the volumes that
 * they mean. Devices are named as GRUB does; what GRUB has no name for goes by guestboot's own.
 *
 * A blank inside a name is written `\ `, a backslash `\\`.
 */
import { GuestbootError } from "../../base/errors.ts";
import { quote } from "../../base/printable.ts";
import type { ConfigSyntax, FileReference, GrubDevice } from "../../bootconfig/boot-config.ts";
import { parseDevice } from "../../bootconfig/grub-device.ts";
import type { GuestVolume, Surroundings } from "../../bootconfig/guest-volume.ts";
import type { DirectoryEntry, GuestFilesystem } from "../../filesystem/filesystem.ts";

/** The guest's files from where the menu stands. */
export interface GuestFiles {
  /** The volume of a name without a device. */
  readonly root: GuestVolume;
  readonly surroundings: Surroundings;
  /** In the words of which loader devices are counted. */
  readonly syntax: ConfigSyntax;
}

/** A name taken apart: which volume, and the path in it as it was typed, escapes undone. */
interface NamedFile {
  readonly volume: GuestVolume;
  readonly path: string;
}

/** The words of a line with their escapes undone. */
export function splitWords(text: string): string[] {
  const words = text.match(/(?:\\.|[^\s\\])+|\\$/g) ?? [];
  return words.map(unescape);
}

export function escapeWord(text: string): string {
  return text.replace(/[\s\\]/g, "\\$&");
}

export function unescape(word: string): string {
  return word.replace(/\\(.)/gs, "$1");
}

/** `(hd0,gpt2)`, `(lvm/vg-root)`; what is typed to name the volume. */
export function deviceName(volume: GuestVolume): string {
  if (volume.number !== null && !volume.name.includes(",")) {
    const table = volume.table === "mbr" ? "msdos" : (volume.table ?? "");
    return `(hd0,${table}${volume.number})`;
  }
  if (volume.name === "whole disk") return "(hd0)";
  const logical = /^lvm (.+)\/(.+)$/.exec(volume.name);
  if (logical !== null) return `(lvm/${logical[1] ?? ""}-${logical[2] ?? ""})`;
  return `(${volume.name.replace(/[\s()]+/g, "-")})`;
}

/** How a reference is shown, so that `parseReference` of it means the same file. */
export function nameOfReference(file: FileReference, { surroundings, syntax }: GuestFiles): string {
  const path = escapeWord(file.path);
  if (file.volume !== undefined) return file.volume === surroundings.own ? path : `${deviceName(file.volume)}${path}`;
  if (file.device === null) return path;
  const volume = volumeOfDevice(file.device, surroundings);
  if (volume === surroundings.own) return path;
  return `${volume === null ? numbered(file.device, syntax) : deviceName(volume)}${path}`;
}

/** @throws USAGE for what names no file and no volume of the guest */
export function parseReference(name: string, files: GuestFiles): FileReference {
  const { volume, path } = locate(name, files);
  if (!path.startsWith("/")) {
    throw new GuestbootError("USAGE", `${quote(name)}: a file's path begins with a slash, /boot/vmlinuz`);
  }
  return volume === files.surroundings.own ? { device: null, path } : { device: null, volume, path };
}

/** The volume that `(…)` means. @throws USAGE */
export function parseVolume(name: string, files: GuestFiles): GuestVolume {
  const bare = name.startsWith("(") ? name : `(${name})`;
  const { volume, path } = locate(bare, files);
  if (path !== "") throw new GuestbootError("USAGE", `${quote(name)} is no device`);
  return volume;
}

/** The filesystem and path of a name, for `ls` and `cat`. @throws USAGE, and what the filesystem throws */
export function findNamed(
  name: string,
  files: GuestFiles,
): { readonly filesystem: GuestFilesystem; readonly path: string } {
  const { volume, path } = locate(name, files);
  return { filesystem: volume.filesystem(), path: path === "" ? "/" : path };
}

/** What Tab makes of a word: the word as far as it is certain, and what it could become where that is not. */
export interface Completion {
  readonly word: string;
  readonly choices: readonly string[];
}

/** Choices that are shown at most. */
const MAX_CHOICES = 200;

/** The word is a name as typed, escapes in it. Never throws: what cannot be read completes to itself. */
export function completeName(word: string, files: GuestFiles): Completion {
  try {
    return /^\([^)]*$/.test(word) ? completeDevice(word, files) : completePath(word, files);
  } catch (error) {
    if (error instanceof GuestbootError) return { word, choices: [] };
    throw error;
  }
}

/** The longest beginning that all words share, and the words when it adds nothing certain. */
export function completeAmong(word: string, candidates: readonly string[], after: string): Completion {
  const matching = candidates.filter((candidate) => candidate.startsWith(word));
  const [first = word] = matching;
  if (matching.length <= 1) return { word: matching.length === 1 ? `${first}${after}` : word, choices: [] };
  let length = word.length;
  while (length < first.length && matching.every((candidate) => candidate[length] === first[length])) length += 1;
  return { word: first.slice(0, length), choices: matching.slice(0, MAX_CHOICES) };
}

function completeDevice(word: string, { surroundings }: GuestFiles): Completion {
  return completeAmong(word, surroundings.volumes.map(deviceName), "/");
}

function completePath(word: string, files: GuestFiles): Completion {
  // Cut in the escaped form: neither a slash nor a parenthesis is ever escaped.
  const slash = word.lastIndexOf("/");
  if (slash < 0) return { word: word === "" ? "/" : word, choices: [] };
  const folder = word.slice(0, slash + 1);
  const { filesystem, path } = findNamed(unescape(folder), files);
  const entries = filesystem.list(path);
  const names = entries.map((entry) => `${escapeWord(entry.name)}${isFolder(entry, filesystem, path) ? "/" : " "}`);
  const completed = completeAmong(word.slice(slash + 1), names.sort(), "");
  return { word: `${folder}${completed.word}`, choices: completed.choices.map((name) => name.trimEnd()) };
}

/** A link counts as what it leads to. */
export function isFolder(entry: DirectoryEntry, filesystem: GuestFilesystem, folder: string): boolean {
  if (entry.node.kind !== "symlink") return entry.node.kind === "directory";
  try {
    return filesystem.find(`${folder}/${entry.name}`)?.kind === "directory";
  } catch (error) {
    if (error instanceof GuestbootError) return false;
    throw error;
  }
}

function locate(name: string, files: GuestFiles): NamedFile {
  const device = /^\(([^)]*)\)/.exec(name);
  if (device === null) {
    if (name.startsWith("(")) throw new GuestbootError("USAGE", `${quote(name)}: its parenthesis is not closed`);
    return { volume: files.root, path: name };
  }
  const { volumes } = files.surroundings;
  const path = name.slice(device[0].length);
  const volume =
    volumes.find((one) => deviceName(one) === device[0]) ??
    volumeOfName(device[0], files) ??
    volumes.find((one) => one.name === device[1]);
  if (volume !== undefined) return { volume, path };
  throw new GuestbootError(
    "USAGE",
    `${quote(device[0])} is not there; there is ${volumes.slice(0, 20).map(deviceName).join(" ")}`,
  );
}

function volumeOfName(name: string, { syntax, surroundings }: GuestFiles): GuestVolume | null {
  const named = parseDevice(name, syntax === "grub-legacy" ? "grub-legacy" : "grub2");
  return named.kind === "disk" ? volumeOfDevice(named.device, surroundings) : null;
}

function volumeOfDevice({ disk, partition }: GrubDevice, { volumes }: Surroundings): GuestVolume | null {
  if (disk !== 0) return null;
  if (partition === null) return volumes.find((one) => one.name === "whole disk") ?? null;
  return volumes.find((one) => one.number === partition && !one.name.includes(",")) ?? null;
}

/** A device that the guest's disk does not have, as its config counts. */
function numbered({ disk, partition }: GrubDevice, syntax: ConfigSyntax): string {
  if (partition === null) return `(hd${disk})`;
  return `(hd${disk},${syntax === "grub-legacy" ? partition - 1 : partition})`;
}
