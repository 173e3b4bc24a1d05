/**
 * An entry as the lines that a person edits, `linux FILE ARGUMENTS` and `initrd FILE…`, and the entry that such lines
 * make. Arguments are taken to the letter, quotes and all, as a kernel gets them.
 *
 * Not a config's language: no variables, no conditions. What an entry boots is known by the time it is shown.
 */
import { GuestbootError } from "../../base/errors.ts";
import { quote } from "../../base/printable.ts";
import type { BootEntry, FileReference } from "../../bootconfig/boot-config.ts";
import { nameOfReference, parseReference, parseVolume, splitWords, type GuestFiles } from "./guest-files.ts";

/** GRUB's words for the kernel's line, those of other loaders among them. */
const KERNEL_WORDS = new Set(["linux", "linux16", "linuxefi", "linux.xen", "kernel"]);
const RAMDISK_WORDS = new Set(["initrd", "initrd16", "initrdefi", "initrd.xen"]);

export function linesOfEntry(entry: BootEntry, files: GuestFiles): string[] {
  const word = files.syntax === "grub-legacy" ? "kernel" : "linux";
  const name = (file: FileReference) => nameOfReference(file, files);
  return [
    `${word} ${name(entry.kernel)}${entry.arguments === "" ? "" : ` ${entry.arguments}`}`,
    ...entry.ramdisks.map((ramdisk) => `initrd ${nameOfRamdisk(ramdisk, files)}`),
  ];
}

/** With the name that GRUB puts it into a ramdisk by, where it has one. */
function nameOfRamdisk(file: FileReference, files: GuestFiles): string {
  const name = nameOfReference(file, files);
  return file.member === undefined ? name : `newc:${file.member}:${name}`;
}

/** What lines have named so far. */
export interface PartialEntry {
  readonly kernel: FileReference | null;
  readonly ramdisks: readonly FileReference[];
  readonly arguments: string;
  /** Where names without a device are looked for from here on. */
  readonly files: GuestFiles;
}

export function emptyEntry(files: GuestFiles): PartialEntry {
  return { kernel: null, ramdisks: [], arguments: "", files };
}

/**
 * What one more line makes of it; null when its first word is none that makes an entry.
 * @param known references that were shown, by their names: they stay what they are
 * @throws USAGE
 */
export function addLine(
  entry: PartialEntry,
  line: string,
  known: ReadonlyMap<string, FileReference> = new Map(),
): PartialEntry | null {
  const { word, rest } = firstWord(line);
  const reference = (name: string) => known.get(name) ?? parseReference(splitWords(name)[0] ?? "", entry.files);
  const ramdisk = (name: string): FileReference => {
    const [, member, file] = /^newc:([^:]*):(.+)$/.exec(name) ?? [];
    if (known.has(name) || member === undefined || file === undefined) return reference(name);
    return { ...reference(file), member };
  };
  if (word === "") return entry;
  if (KERNEL_WORDS.has(word)) {
    const { word: name, rest: given } = firstWord(rest);
    if (name === "") throw new GuestbootError("USAGE", `${word} names no file: ${word} /boot/vmlinuz ARGUMENTS`);
    // As in GRUB: a kernel that is named anew wants its ramdisk named anew.
    const ramdisks = entry.kernel === null ? entry.ramdisks : [];
    return { ...entry, kernel: reference(name), arguments: given, ramdisks };
  }
  if (RAMDISK_WORDS.has(word)) {
    const names = rest.match(/(?:\\.|[^\s\\])+/g) ?? [];
    if (names.length === 0) throw new GuestbootError("USAGE", `${word} names no file: ${word} /boot/initrd.img`);
    return { ...entry, ramdisks: [...entry.ramdisks, ...names.map(ramdisk)] };
  }
  if (word === "root") {
    if (rest === "") throw new GuestbootError("USAGE", "root names no device: root (hd0,1)");
    return { ...entry, files: { ...entry.files, root: parseVolume(rest, entry.files) } };
  }
  return null;
}

/** @throws USAGE when it names no kernel */
export function finishEntry(
  partial: PartialEntry,
  from: { readonly title: string; readonly id: string | null },
): BootEntry {
  if (partial.kernel === null) {
    throw new GuestbootError("USAGE", "no kernel is named: linux /boot/vmlinuz ARGUMENTS");
  }
  const { kernel, ramdisks } = partial;
  return { title: from.title, id: from.id, kernel, ramdisks, arguments: partial.arguments };
}

/** The entry that edited lines make. What is left as it was shown keeps its meaning. @throws USAGE naming the line */
export function entryOfLines(lines: readonly string[], from: BootEntry, files: GuestFiles): BootEntry {
  const known = new Map([
    [nameOfReference(from.kernel, files), from.kernel],
    ...from.ramdisks.map((file): [string, FileReference] => [nameOfRamdisk(file, files), file]),
  ]);
  let partial = emptyEntry(files);
  lines.forEach((line, index) => {
    try {
      const next = addLine(partial, line, known);
      if (next === null) {
        const { word } = firstWord(line);
        throw new GuestbootError("USAGE", `${quote(word)} is not linux, initrd or root`);
      }
      partial = next;
    } catch (error) {
      if (!(error instanceof GuestbootError)) throw error;
      throw new GuestbootError(error.code, `line ${index + 1}: ${error.message}`, { cause: error });
    }
  });
  return finishEntry(partial, from);
}

/** The first word as it was typed, and what follows after the blanks. */
export function firstWord(line: string): { readonly word: string; readonly rest: string } {
  const match = /^\s*((?:\\.|[^\s\\])*)\s*(.*?)\s*$/s.exec(line);
  return { word: match?.[1] ?? "", rest: match?.[2] ?? "" };
}
