/**
 * What a running GRUB 2 script has: its variables and functions, the menu that it builds, what an entry has loaded, and
 * the guest that it looks at. `execute.ts` runs statements on it; each command is a function over it.
 */
import type { Budget } from "../../base/budget.ts";
import { quote } from "../../base/printable.ts";
import type { BootEntry, ConfigPlace, FileReference, MenuPassword } from "../boot-config.ts";
import type { GuestVolume } from "../guest-volume.ts";
import type { Environment } from "./environment.ts";
import type { GuestFiles } from "./guest-files.ts";
import type { Block, Statement } from "./syntax.ts";

/** One line of a menu. */
export type MenuItem =
  | {
      readonly kind: "entry" | "submenu";
      readonly title: string;
      readonly id: string | null;
      /** May be booted without a password, whoever the superusers are. */
      readonly isUnrestricted: boolean;
      /** Who may boot it besides the superusers; null when it does not say. */
      readonly users: string | null;
      readonly hotkey: string | null;
      /** `$1` and so on: the title and what follows it. */
      readonly arguments: readonly string[];
      readonly block: Block;
    }
  /** Read already, from a file of the Boot Loader Specification or from another loader's config. */
  | { readonly kind: "read"; readonly entry: BootEntry };

/** A menu, and the variables that its entries begin with. */
export interface Menu {
  readonly items: MenuItem[];
  readonly environment: Environment;
}

/** What the commands of an entry's body have loaded so far. */
export interface Loaded {
  kernel: { readonly file: FileReference; readonly arguments: string } | null;
  /** A multiboot kernel: a hypervisor, whose first module is the kernel. */
  multiboot: FileReference | null;
  modules: { readonly file: FileReference; readonly arguments: string }[];
  ramdisks: readonly FileReference[];
  /** Why what was loaded last cannot be booted here. */
  refused: string | null;
}

/** How control goes on after a statement. */
export type Flow =
  | { readonly kind: "next" }
  | { readonly kind: "break" | "continue"; readonly levels: number }
  | { readonly kind: "return" }
  /** `exit`, `reboot`, `boot`: nothing more of the script is run. */
  | { readonly kind: "end" }
  /** `configfile` shows the menu of another file in place of this one. */
  | { readonly kind: "menu"; readonly menu: Menu; readonly path: string };

export const NEXT: Flow = { kind: "next" };

/** Reads the entries of the Boot Loader Specification that `blscfg` asks for. */
export type BlsReader = (
  volume: GuestVolume,
  lookUp: {
    readonly variables: ReadonlyMap<string, string>;
    readonly folder: string | null;
    note?(line: string): void;
  },
) => readonly BootEntry[];

/** How a search ends that sets `$root` and asks for what a volume is, not for files on it. */
export type SearchEnd = { readonly found: GuestVolume } | { readonly found: null; readonly note: string };

/** What one run of a config has in common, whatever menu or entry is being run. */
export interface Run {
  readonly place: ConfigPlace;
  readonly files: GuestFiles;
  readonly readBls: BlsReader | null;
  readonly steps: Budget;
  readonly entries: Budget;
  /** Characters of all configs that were read. */
  readonly configs: Budget;
  /** What the config has to say, without its entries. */
  readonly notes: Notes;
  readonly passwords: MenuPassword[];
  /** How searches end, by their words; null for those that must be run. */
  readonly searches: Map<readonly string[], SearchEnd | null>;
  /** Which other files were read, a sentence each, for `--explain`. */
  readonly trail: string[];
}

export interface Machine {
  readonly run: Run;
  environment: Environment;
  functions: Map<string, readonly Statement[]>;
  /** Else they are those of the menu that its entries begin with, and not to be changed. */
  ownsFunctions: boolean;
  /** `$1` and so on; null outside of functions and entries. */
  positional: readonly string[] | null;
  menu: Menu;
  readonly loaded: Loaded;
  flow: Flow;
  /** Of the config, or of the entry whose body is run. */
  readonly notes: Notes;
  /** The functions that are running, the innermost last. */
  readonly calling: string[];
  /** Loops around what is being run, within one function. */
  loops: number;
  /** Calls inside calls, and files that read files. */
  depth: number;
  /** Files that are being read, the innermost last. */
  readonly reading: string[];
  /** Runs statements on this machine (`execute.ts`); here, so that commands need not know the interpreter. */
  execute(machine: Machine, statements: readonly Statement[]): number;
  executeText(machine: Machine, text: string): number;
}

/** One command being run. */
export interface Call {
  readonly machine: Machine;
  /** Its name as it was written: several share a function. */
  readonly name: string;
  readonly words: readonly string[];
  /** The last argument, behind `words`. */
  readonly block: Block | null;
}

/** @returns GRUB's status: 0 when it went well */
export type Command = (call: Call) => number;

const MAX_NOTES = 50;

/** Sentences for the admin, each once. */
export class Notes {
  readonly #lines: string[] = [];
  #more = 0;

  add(line: string): void {
    if (this.#lines.includes(line)) return;
    if (this.#lines.length < MAX_NOTES) this.#lines.push(line);
    else this.#more += 1;
  }

  lines(): string[] {
    return this.#more === 0 ? [...this.#lines] : [...this.#lines, `and ${this.#more} more notes`];
  }
}

/** Failures by GRUB's numbers, as far as a script may see them in `$?`. */
export const FAILURE = {
  test: 1,
  badArgument: 18,
  unknownDevice: 5,
  badFile: 15,
  fileNotFound: 15,
  notImplemented: 24,
};

/** For a command's failure: a note and its status. */
export function failed(call: Call, status: number, why: string): number {
  call.machine.notes.add(`${call.name}: ${why}`);
  return status;
}

/** A foreign word in a sentence; what is plain needs no closer look. */
export function shown(text: string): string {
  return /^[ !#-[\]-~]{0,60}$/.test(text) ? `"${text}"` : quote(text);
}
