/**
 * GRUB 2's grub.cfg: a program, run as GRUB runs it, whose outcome is a menu.
 * https://www.gnu.org/software/grub/manual/grub/grub.html
 *
 * Nothing is written to the guest's disk (`save_env`), nobody is asked (`read`, passwords), no module is loaded and no
 * hardware is looked at. Not followed: back references in `regexp`, patterns over devices (`(hd*)`).
 */
import { Budget } from "../../base/budget.ts";
import { GuestbootError } from "../../base/errors.ts";
import type { BootConfig, BootEntry, ConfigPlace, WantedEntries } from "../boot-config.ts";
import { fallbackNodes, nodeNamed } from "./default-entry.ts";
import { Environment } from "./environment.ts";
import { GuestFiles } from "./guest-files.ts";
import { Notes, shown, type BlsReader, type Menu, type Run } from "./machine.ts";
import {
  bootedBy,
  entriesOf,
  firstBooting,
  newMachine,
  readMenu,
  usersOf,
  type EntryLine,
  type MenuNode,
} from "./menu-tree.ts";

/** Statements, words and passes of loops: far more than any config that boots takes. */
const MAX_STEPS = 200_000;
const MAX_ENTRIES = 2_000;
/** Characters of all configs that one reads. */
const MAX_TEXT = 8 * 1024 * 1024;
const MAX_CONFIG_SIZE = 1 << 20;

/** A config whose entries have numbers of their own, because what boots no kernel is counted too. */
export interface NumberedBootConfig extends BootConfig {
  /** For each of `entries` its number among all entries, from 0, those of submenus too: as pygrub's `--entry` counts. */
  readonly numbers: readonly number[];
}

/** What a reader of GRUB 2's configs may be told. */
export interface Grub2Options {
  /** What reads entries of the Boot Loader Specification; null: `blscfg` finds none. */
  readonly readBls?: BlsReader | null;
  /** Of "default", no other entry's body is run, and `numbers` is empty: that would take running them. */
  readonly wanted?: WantedEntries | undefined;
  /** Statements, words and passes of loops after which it gives up. Default, and most: `MAX_STEPS`. */
  readonly steps?: number | undefined;
}

/**
 * @throws NO_BOOT_ENTRY when no entry boots a kernel, with each one's reason; FILE_TOO_LARGE past 1 MiB; BUDGET_EXCEEDED
 */
export function parseGrub2(text: string, place: ConfigPlace, options: Grub2Options = {}): NumberedBootConfig {
  const { readBls = null, wanted = "all", steps = MAX_STEPS } = options;
  if (text.length > MAX_CONFIG_SIZE) {
    throw new GuestbootError("FILE_TOO_LARGE", `the boot config is larger than ${MAX_CONFIG_SIZE} characters`);
  }
  const run: Run = {
    place,
    files: new GuestFiles(place),
    readBls,
    steps: new Budget("steps of the boot config", Math.min(steps, MAX_STEPS)),
    entries: new Budget("entries in the boot config", MAX_ENTRIES),
    configs: new Budget("characters in boot configs", MAX_TEXT),
    notes: new Notes(),
    passwords: [],
    searches: new Map(),
    trail: [],
  };
  const first: Menu = { items: [], environment: environmentOf(place, run.files) };
  const machine = newMachine(run, first, run.notes);
  machine.reading.push(`(${run.files.nameOf(place.own)})${place.path}`);
  machine.executeText(machine, text.includes("\r") ? text.replaceAll("\r", "") : text);
  const menu = machine.flow.kind === "menu" ? machine.flow.menu : first;
  const nodes = readMenu(run, menu, machine.functions);
  // A config may boot without any menu.
  if (nodes.length === 0) nodes.push(...withoutMenu(machine.loaded));
  return configOf(run, nodes, menu.environment, wanted);
}

function withoutMenu(loaded: Parameters<typeof bootedBy>[0]): MenuNode[] {
  const booted = bootedBy(loaded);
  if (typeof booted === "string") return [];
  const step = { position: 0, title: booted.kernel.path, id: null };
  const entry: BootEntry = { title: step.title, id: null, ...booted };
  return [{ step, outcome: () => ({ kind: "entry", entry, reason: "", notes: [] }) }];
}

function configOf(
  run: Run,
  nodes: readonly MenuNode[],
  environment: Environment,
  wanted: WantedEntries,
): NumberedBootConfig {
  // What running an entry's body has to tell of the files that it reads comes before what decides.
  const all = wanted === "all" ? listAll(nodes) : null;
  const fallback = fallbackNodes(nodes, environment.get("fallback") ?? "")
    .map(firstBooting)
    .filter((line) => line !== null);
  const explanation = [...run.trail];
  const chosen = chooseDefault(run, nodes, environment, fallback, explanation);
  const { entries, numbers, reasons } = all ?? (chosen === null ? listAll(nodes) : listOnly([chosen, ...fallback]));
  const chosenEntry = chosen?.outcome.entry ?? null;
  if (chosen === null || chosenEntry === null) throw noEntry(run, reasons);

  const superusers = usersOf(environment.get("superusers") ?? "");
  for (const note of chosen.outcome.notes) run.notes.add(note);
  const notes = run.notes.lines();
  if (reasons.length > 0) notes.push(...reasons.slice(0, 20).map((reason) => `boots no kernel: ${reason}`));
  const indexOf = ({ outcome }: EntryLine): number => (outcome.entry === null ? -1 : entries.indexOf(outcome.entry));
  return {
    syntax: "grub2",
    entries,
    numbers,
    default: entries.indexOf(chosenEntry),
    fallback: fallback.map(indexOf).filter((index) => entries[index] !== chosenEntry),
    timeout: readTimeout(environment.get("timeout")),
    timeoutStyle: readTimeoutStyle(environment.get("timeout_style")),
    passwords: run.passwords.filter(({ user }) => user !== null && superusers.includes(user)),
    isGuarded: environment.get("superusers") !== undefined,
    explanation,
    notes,
  };
}

/** The entries of a config, their numbers, and why the others boot no kernel. */
interface Listed {
  readonly entries: BootEntry[];
  readonly numbers: number[];
  readonly reasons: string[];
}

function listAll(nodes: readonly MenuNode[]): Listed {
  const listed: Listed = { entries: [], numbers: [], reasons: [] };
  entriesOf(nodes).forEach(({ step, outcome }, number) => {
    if (outcome.entry === null) {
      listed.reasons.push(`${shown(step.title)}: ${outcome.reason}`);
    } else {
      listed.entries.push(outcome.entry);
      listed.numbers.push(number);
    }
  });
  return listed;
}

function listOnly(lines: readonly EntryLine[]): Listed {
  const entries = new Set(lines.map(({ outcome }) => outcome.entry).filter((entry) => entry !== null));
  return { entries: [...entries], numbers: [], reasons: [] };
}

/** The entry that boots where nobody chooses; null where none does. */
function chooseDefault(
  run: Run,
  nodes: readonly MenuNode[],
  environment: Environment,
  fallback: readonly EntryLine[],
  explanation: string[],
): EntryLine | null {
  const wanted = environment.get("default") ?? "";
  const named = nodeNamed(nodes, wanted === "" ? "0" : wanted);
  const node = named ?? nodes[0];
  const notes: string[] = [];
  if (wanted !== "" && named === null) {
    notes.push(`default is ${shown(wanted)}, which names no entry: the first one is taken, as GRUB does`);
  }
  explanation.push(wanted === "" ? "default is not set: the first entry" : `default is ${shown(wanted)}`);
  let chosen = node === undefined ? null : firstBooting(node);
  if (chosen !== null) {
    if (node?.outcome().kind === "menu") {
      notes.push(`default is the submenu ${shown(node.step.title)}: its first entry is taken`);
    }
  } else {
    const what = `the default entry, ${shown(node?.step.title ?? "")}, boots no kernel`;
    chosen = fallback[0] ?? firstOf(nodes);
    notes.push(
      fallback.length === 0 ? `${what}: the first entry that does is taken` : `${what}: its fallback is taken`,
    );
  }
  if (chosen !== null) for (const note of notes) run.notes.add(note);
  return chosen;
}

function firstOf(nodes: readonly MenuNode[]): EntryLine | null {
  for (const node of nodes) {
    const found = firstBooting(node);
    if (found !== null) return found;
  }
  return null;
}

/** Seconds; null where it is not set or negative: then GRUB waits for ever. */
function readTimeout(text: string | undefined): number | null {
  const match = /^\s*([0-9]{1,9})/.exec(text ?? "");
  return match === null ? null : Number(match[1]);
}

/** https://www.gnu.org/software/grub/manual/grub/grub.html#timeout_005fstyle */
function readTimeoutStyle(text: string | undefined): BootConfig["timeoutStyle"] {
  return text === "hidden" || text === "countdown" ? text : "menu";
}

/** What GRUB sets before it reads its config, as its port for Xen guests (version 2.06) does. */
function environmentOf(place: ConfigPlace, files: GuestFiles): Environment {
  const environment = Environment.empty();
  const root = files.nameOf(place.own);
  const folder = `(${root})${place.path.slice(0, place.path.lastIndexOf("/"))}`;
  const values: Readonly<Record<string, string>> = {
    root,
    prefix: folder,
    cmdpath: folder,
    config_directory: folder,
    config_file: `(${root})${place.path}`,
    grub_platform: "xen",
    grub_cpu: "x86_64",
    ...Object.fromEntries(FEATURES.map((feature) => [`feature_${feature}`, "y"])),
  };
  for (const [name, value] of Object.entries(values)) {
    environment.set(name, value);
    environment.export(name);
  }
  return environment;
}

const FEATURES = [
  "200_final",
  "all_video_module",
  "chainloader_bpb",
  "default_font_path",
  "menuentry_id",
  "menuentry_options",
  "nativedisk_cmd",
  "ntldr",
  "platform_search_hint",
  "timeout_style",
];

function noEntry(run: Run, reasons: readonly string[]): GuestbootError {
  const more = reasons.length > 8 ? `; and ${reasons.length - 8} more` : "";
  const notes = run.notes.lines().slice(0, 5);
  const what =
    reasons.length === 0
      ? `it has no menu entry${notes.length === 0 ? "" : ` (${notes.join("; ")})`}`
      : `none of its ${reasons.length} entries boots a kernel: ${reasons.slice(0, 8).join("; ")}${more}`;
  return new GuestbootError("NO_BOOT_ENTRY", `the boot config cannot be booted: ${what}`, {
    hint: "name the files inside the guest, --kernel=PATH --ramdisk=PATH, or repair the config in the guest",
  });
}
