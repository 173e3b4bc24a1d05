/**
 * One `*.conf` file of the Boot Loader Specification, type 1: keys and values, a line each.
 * https://uapi-group.org/specifications/specs/boot_loader_specification/
 *
 * Beyond the specification, as Fedora's GRUB has it: values may name GRUB's variables (`options $kernelopts`), and keys
 * that begin with `grub_` are GRUB's.
 */
import { Budget } from "../base/budget.ts";
import { splitWord } from "./grub-legacy-line.ts";

/** What a file says, with variables filled in. */
export interface BlsFile {
  readonly title: string | null;
  readonly version: string | null;
  readonly machineId: string | null;
  readonly sortKey: string | null;
  readonly architecture: string | null;
  /** Null where it names none: it starts an EFI program then, or nothing. */
  readonly linux: string | null;
  /** An EFI program: a unified kernel image, another boot loader. */
  readonly efi: string | null;
  readonly initrds: readonly string[];
  /** All `options` lines, joined by single spaces. */
  readonly options: string | null;
  readonly hotkey: string | null;
  /** `grub_users`: who may boot it after a password; null: it says nothing of that. */
  readonly users: string | null;
}

/** The part of a file's name that counts boots (`NAME+LEFT-DONE.conf`), taken off. */
export interface CountedName {
  /** Without the counter and without `.conf` or `.efi`. */
  readonly name: string;
  /** Null where boots are not counted. At 0 the entry has failed too often. */
  readonly triesLeft: number | null;
  readonly triesDone: number;
}

const MAX_LINES = 1_000;

/** @throws BUDGET_EXCEEDED past 1,000 lines */
export function parseBlsFile(text: string, variables: ReadonlyMap<string, string>): BlsFile {
  const values = new Map<string, string[]>();
  const lines = new Budget("lines in a boot loader entry", MAX_LINES);
  for (const line of text.split("\n", MAX_LINES + 1)) {
    lines.spend();
    // A tab or several blanks may stand between key and value.
    const { word, rest } = splitWord(line.trim());
    if (word === "" || word.startsWith("#") || rest === "") continue;
    const seen = values.get(word);
    if (seen === undefined) values.set(word, [rest]);
    else seen.push(rest);
  }
  const all = (key: string): string[] => (values.get(key) ?? []).map((value) => fillIn(value, variables));
  const last = (key: string): string | null => all(key).at(-1) ?? null;
  const options = all("options");
  return {
    title: last("title"),
    version: last("version"),
    machineId: last("machine-id"),
    sortKey: last("sort-key"),
    architecture: last("architecture"),
    linux: firstWord(last("linux")),
    efi: firstWord(last("uki") ?? last("efi")),
    // GRUB's variables may hold several names, or nothing: `initrd /initramfs.img $tuned_initrd`.
    initrds: all("initrd").flatMap((value) => value.split(/[ \t]/).filter((name) => name !== "")),
    options: options.length === 0 ? null : options.filter((option) => option !== "").join(" "),
    hotkey: last("grub_hotkey"),
    users: last("grub_users"),
  };
}

/** Counters as the specification's "Boot counting" has them. @param extension ".conf" or ".efi" */
export function readCountedName(fileName: string, extension: string): CountedName {
  const name = fileName.slice(0, fileName.length - extension.length);
  const match = /^(.{1,255})\+(\d{1,9})(?:-(\d{1,9}))?$/.exec(name);
  const [, counted, left, done] = match ?? [];
  if (counted === undefined) return { name, triesLeft: null, triesDone: 0 };
  return { name: counted, triesLeft: Number(left), triesDone: Number(done ?? 0) };
}

const MAX_VALUE = 64 * 1024;

/** `$name` and `${name}`; a variable that is not set is nothing, and `\$` is a dollar sign: as GRUB's `blscfg`. */
function fillIn(value: string, variables: ReadonlyMap<string, string>): string {
  if (!value.includes("$")) return value;
  const filled = value.replace(
    /(\\?)\$(?:\{([A-Za-z0-9_]{1,100})\}|([A-Za-z0-9_]{1,100}))/g,
    (whole, backslash: string, braced: string | undefined, bare: string | undefined) =>
      backslash === "" ? (variables.get(braced ?? bare ?? "") ?? "") : whole.slice(1),
  );
  return filled.slice(0, MAX_VALUE).trim();
}

function firstWord(value: string | null): string | null {
  return value === null || value === "" ? null : splitWord(value).word;
}
