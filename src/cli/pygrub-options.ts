/**
 * pygrub's command line, as upstream's (Xen 4.17) and as its callers have sent it since 2005: libxl, xend, xapi,
 * xenopsd and its wrappers, domUloader. Words to plain data; nothing is opened or looked up here.
 *
 * Stricter than upstream on purpose: numbers are decimal digits only (Python also takes `+5`, `1_000`, blanks around),
 * and a menu is refused with `--runas=0` too.
 */
import { GuestbootError } from "../base/errors.ts";
import { readDiskRenames, type DiskRename } from "../bootconfig/map-disk.ts";
import type { OutputFormat } from "../toolstack/answer.ts";
import { getopt, type OptionRule } from "./getopt.ts";

export type PygrubOptions = PygrubHelp | PygrubBoot;

export interface PygrubHelp {
  readonly help: true;
}

export interface PygrubBoot {
  readonly help: false;
  /** The disk; with `isConfig`, a config file. */
  readonly disk: string;
  /** May a menu be shown? The last of `-q`, `-i` and `--entry` decides; without any of them it may. */
  readonly menu: boolean;
  /** Was it asked for, by `-i`? */
  readonly interactive: boolean;
  readonly listEntries: boolean;
  /** Copy nothing, say only what would be booted. */
  readonly notReally: boolean;
  readonly isConfig: boolean;
  readonly debug: boolean;
  /** Where the answer goes; null is standard output. */
  readonly output: string | null;
  /** null when not given: pygrub's own default is sxp. */
  readonly outputFormat: OutputFormat | null;
  /** null is the default boot directory. */
  readonly outputDirectory: string | null;
  /** Paths inside the guest that take the place of its boot config; null when not given, or given empty. */
  readonly kernel: string | null;
  readonly ramdisk: string | null;
  /** Goes after the entry's own arguments. Given twice, the last counts. */
  readonly args: string;
  readonly entry: EntryChoice | null;
  /** Bytes from the start of the disk to its filesystem. */
  readonly offset: number | null;
  /** The numeric user to become before the first guest byte is read. */
  readonly runas: number | null;
  /** The domain whose own user to become instead. */
  readonly domid: number | null;
  /** Who is booted, where the caller says so (old xapi: a UUID; `bootloader_args` of an xl guest: any name). */
  readonly vm: string | null;
  /** What the old xapi sends; null when not given. Escaped by xapi for `sxp` already. */
  readonly defaultArgs: string | null;
  readonly extraArgs: string | null;
  /** May kernels be taken by their names where there is no boot config? */
  readonly guess: boolean;
  /** Disks that have other names here than in the guest's arguments. */
  readonly diskRenames: readonly DiskRename[];
}

/** `entry`: a number or a title. `files`: domUloader's `DEVICE:KERNEL,INITRD`, which needs no boot config. */
export type EntryChoice =
  | { readonly kind: "entry"; readonly wanted: string }
  | { readonly kind: "files"; readonly device: string; readonly kernel: string; readonly ramdisk: string | null };

/** Ends in a newline. A wrapper of 2023 to 2026 looks for `--runas` in it. */
export const PYGRUB_USAGE = `usage: pygrub [options] DISK

Finds the kernel and the ramdisk of a Xen guest on its disk, copies them out, and says where they are.

  -q, --quiet                  no menu: boot the default entry
  -i, --interactive            show the menu
  -l, --list-entries           list the entries, boot nothing
  -n, --not-really             say what would be booted, copy nothing
      --entry=N|TITLE          boot this entry; no menu
      --entry=DEVICE:KERNEL[,INITRD]
                               boot these files of the guest (as domUloader)
      --kernel=PATH            boot this kernel of the guest; no boot config is read
      --ramdisk=PATH           with this ramdisk of the guest
      --args=ARGUMENTS         kernel arguments, after the entry's own
      --offset=BYTES           where on the disk the filesystem starts
      --isconfig               DISK is a boot config, not a disk
      --output=PATH            write the answer to PATH, which must exist; - is standard output
      --output-format=FORMAT   sxp (unless given), simple, or simple0
      --output-directory=DIR   put kernel and ramdisk into DIR, which must exist
      --runas=UID              become this user before the disk is read; needs -q or --entry
      --domid=N                become the user that domain N has; needs -q or --entry
      --vm=NAME                which guest it is
      --default_args=ARGUMENTS, --extra_args=ARGUMENTS
                               as old versions of xapi send them
      --map-disk=OLD=NEW       the guest's arguments name this disk anew, as in hda=xvda
      --guess                  where there is no boot config: the newest kernel, by its name
      --debug                  say more when something fails
  -h, --help                   this text

Long options may be cut short as long as they stay unique.
`;

type OptionName =
  | "quiet"
  | "interactive"
  | "list-entries"
  | "not-really"
  | "help"
  | "output"
  | "output-format"
  | "output-directory"
  | "kernel"
  | "ramdisk"
  | "args"
  | "entry"
  | "offset"
  | "runas"
  | "isconfig"
  | "debug"
  | "domid"
  | "vm"
  | "default_args"
  | "extra_args"
  | "guess"
  | "map-disk";

const RULES: readonly OptionRule<OptionName>[] = [
  { name: "quiet", short: "q", value: false },
  { name: "interactive", short: "i", value: false },
  { name: "list-entries", short: "l", value: false },
  { name: "not-really", short: "n", value: false },
  { name: "help", short: "h", value: false },
  { name: "output", value: true },
  { name: "output-format", value: true },
  { name: "output-directory", value: true },
  { name: "kernel", value: true },
  { name: "ramdisk", value: true },
  { name: "args", value: true },
  { name: "entry", value: true },
  { name: "offset", value: true },
  { name: "runas", value: true },
  { name: "isconfig", value: false },
  { name: "debug", value: false },
  // What upstream does not have: `--d` must stay short for --debug, `--e` for --entry.
  { name: "domid", value: true, exactOnly: true },
  { name: "vm", value: true, exactOnly: true },
  { name: "default_args", value: true, exactOnly: true },
  { name: "extra_args", value: true, exactOnly: true },
  { name: "guess", value: false, exactOnly: true },
  { name: "map-disk", value: true, exactOnly: true },
];

/** 2^32 - 1 stands for "no user" in the kernel's calls. */
const LARGEST_UID = 0xffff_fffe;
/** Xen reserves domain numbers from 0x7ff0 on (public/xen.h). */
const LARGEST_DOMID = 0x7fef;

/** @throws GuestbootError USAGE */
export function readPygrubOptions(argv: readonly string[]): PygrubOptions {
  const { options, operands } = getopt(argv, RULES);
  const given = new Map<OptionName, string>();
  let menu = true;
  let interactive = false;
  for (const { name, value } of options) {
    checkValue(name, value);
    given.set(name, value);
    if (name === "interactive") menu = interactive = true;
    if (name === "quiet" || name === "entry") menu = interactive = false;
  }
  if (given.has("help")) return { help: true };

  const disk = operands[0];
  if (disk === undefined) throw new GuestbootError("USAGE", "no disk was given");
  const runas = numberOf(given, "runas", LARGEST_UID);
  const domid = numberOf(given, "domid", LARGEST_DOMID);
  if (menu && (runas !== null || domid !== null)) {
    const option = runas === null ? "--domid" : "--runas";
    throw new GuestbootError(
      "USAGE",
      `${option} cannot be had with a menu: give -q or --entry too, and no -i after it`,
    );
  }
  const output = given.get("output");
  const format = given.get("output-format");
  const entry = given.get("entry");
  return {
    help: false,
    disk,
    menu,
    interactive,
    listEntries: given.has("list-entries"),
    notReally: given.has("not-really"),
    isConfig: given.has("isconfig"),
    debug: given.has("debug"),
    output: output === undefined || output === "-" ? null : output,
    outputFormat: format === undefined ? null : readOutputFormat(format),
    outputDirectory: given.get("output-directory") ?? null,
    kernel: nonEmpty(given.get("kernel")),
    ramdisk: nonEmpty(given.get("ramdisk")),
    args: given.get("args") ?? "",
    entry: entry === undefined ? null : readEntryChoice(entry),
    offset: numberOf(given, "offset", Number.MAX_SAFE_INTEGER),
    runas,
    domid,
    vm: nonEmpty(given.get("vm")),
    defaultArgs: given.get("default_args") ?? null,
    extraArgs: given.get("extra_args") ?? null,
    guess: given.has("guess"),
    diskRenames: readDiskRenames(options.filter(({ name }) => name === "map-disk").map(({ value }) => value)),
  };
}

/** `--output-format`'s value; whole words only. @throws GuestbootError USAGE */
export function readOutputFormat(word: string): OutputFormat {
  if (word === "sxp" || word === "simple" || word === "simple0") return word;
  throw new GuestbootError("USAGE", `unknown output format "${word}": sxp, simple and simple0 are known`);
}

/** Every value is checked, also one that a later one replaces: so does upstream. */
function checkValue(name: OptionName, value: string): void {
  if (name === "output-format") readOutputFormat(value);
  if (name === "runas") readNumber(name, value, LARGEST_UID);
  if (name === "domid") readNumber(name, value, LARGEST_DOMID);
  if (name === "offset") readNumber(name, value, Number.MAX_SAFE_INTEGER);
}

function numberOf(given: ReadonlyMap<OptionName, string>, name: OptionName, largest: number): number | null {
  const value = given.get(name);
  return value === undefined ? null : readNumber(name, value, largest);
}

function readNumber(name: OptionName, value: string, largest: number): number {
  const number = /^[0-9]{1,16}$/.test(value) ? Number(value) : Number.NaN;
  if (number <= largest) return number;
  throw new GuestbootError("USAGE", `--${name}=${value}: must be a whole number from 0 to ${largest}`);
}

function nonEmpty(value: string | undefined): string | null {
  return value === undefined || value === "" ? null : value;
}

/** `xvda1:/boot/vmlinuz-xen,/boot/initrd-xen` names files; anything else is an entry's number or title. */
function readEntryChoice(value: string): EntryChoice {
  const files = /^([^\s:,]+):(\/[^,]*)(?:,(\/[^,]*))?$/.exec(value);
  const [, device, kernel, ramdisk] = files ?? [];
  if (device === undefined || kernel === undefined) return { kind: "entry", wanted: value };
  return { kind: "files", device, kernel, ramdisk: ramdisk ?? null };
}
