/**
 * GRUB 2's grub.cfg: a program, run as GRUB runs it, whose outcome is a menu.
 * https://www.gnu.org/software/grub/manual/grub/grub.html
 *
 * Nothing is written to the guest's disk (`save_env`), nobody is asked (`read`, passwords), no module is loaded and no
 * hardware is looked at. Not followed: configs in other loaders' languages (`legacy_configfile`, `syslinux_configfile`),
 * back references in `regexp`, patterns over devices (`(hd*)`).
 */
import { Budget } from "../../base/budget.ts";
import { GuestbootError } from "../../base/errors.ts";
import type { BootConfig, BootEntry, ConfigPlace } from "../boot-config.ts";
import { fallbackNodes, nodeNamed } from "./default-entry.ts";
import { Environment } from "./environment.ts";
import { GuestFiles } from "./guest-files.ts";
import { Notes, shown, type BlsReader, type Menu, type Run } from "./machine.ts";
import { bootedBy, entriesOf, newMachine, readMenu, usersOf, type MenuNode } from "./menu-tree.ts";

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

/**
 * @param readBls what reads entries of the Boot Loader Specification; null: `blscfg` finds none
 * @throws NO_BOOT_ENTRY when no entry boots a kernel, with each one's reason; FILE_TOO_LARGE past 1 MiB; BUDGET_EXCEEDED
 */
export function parseGrub2(text: string, place: ConfigPlace, readBls: BlsReader | null = null): NumberedBootConfig {
  if (text.length > MAX_CONFIG_SIZE) {
    throw new GuestbootError("FILE_TOO_LARGE", `the boot config is larger than ${MAX_CONFIG_SIZE} characters`);
  }
  const run: Run = {
    place,
    files: new GuestFiles(place),
    readBls,
    steps: new Budget("steps of the boot config", MAX_STEPS),
    entries: new Budget("entries in the boot config", MAX_ENTRIES),
    configs: new Budget("characters in boot configs", MAX_TEXT),
    notes: new Notes(),
    passwords: [],
    trail: [],
  };
  const first: Menu = { items: [], environment: environmentOf(place, run.files) };
  const machine = newMachine(run, first);
  machine.reading.push(`(${run.files.nameOf(place.own)})${place.path}`);
  machine.executeText(machine, text.includes("\r") ? text.replaceAll("\r", "") : text);
  const menu = machine.flow.kind === "menu" ? machine.flow.menu : first;
  const nodes = readMenu(run, menu, machine.functions);
  // A config may boot without any menu.
  if (nodes.length === 0) nodes.push(...withoutMenu(machine.loaded));
  return configOf(run, nodes, menu.environment);
}

function withoutMenu(loaded: Parameters<typeof bootedBy>[0]): MenuNode[] {
  const booted = bootedBy(loaded);
  if (typeof booted === "string") return [];
  const step = { position: 0, title: booted.kernel.path, id: null };
  return [{ kind: "entry", step, entry: { title: step.title, id: null, ...booted }, reason: "", notes: [] }];
}

function configOf(run: Run, nodes: readonly MenuNode[], environment: Environment): NumberedBootConfig {
  const all = [...entriesOf(nodes)];
  const entries: BootEntry[] = [];
  const numbers: number[] = [];
  const reasons: string[] = [];
  all.forEach(({ step, entry, reason }, number) => {
    if (entry === null) {
      reasons.push(`${shown(step.title)}: ${reason}`);
    } else {
      entries.push(entry);
      numbers.push(number);
    }
  });
  if (entries.length === 0) throw noEntry(run, all.length, reasons);

  const explanation = [...run.trail];
  const fallback = fallbackNodes(nodes, environment.get("fallback") ?? "")
    .flatMap((node) => firstEntry(node, entries))
    .filter((index) => index >= 0);
  const chosen = chooseDefault(run, nodes, entries, environment, fallback, explanation);
  const superusers = usersOf(environment.get("superusers") ?? "");
  for (const { entry, notes } of all) if (entry === entries[chosen]) notes.forEach((note) => run.notes.add(note));
  const notes = run.notes.lines();
  if (reasons.length > 0) notes.push(...reasons.slice(0, 20).map((reason) => `boots no kernel: ${reason}`));
  return {
    syntax: "grub2",
    entries,
    numbers,
    default: chosen,
    fallback: fallback.filter((index) => index !== chosen),
    timeout: readTimeout(environment.get("timeout")),
    timeoutStyle: readTimeoutStyle(environment.get("timeout_style")),
    passwords: run.passwords.filter(({ user }) => user !== null && superusers.includes(user)),
    isGuarded: environment.get("superusers") !== undefined,
    explanation,
    notes,
  };
}

function chooseDefault(
  run: Run,
  nodes: readonly MenuNode[],
  entries: readonly BootEntry[],
  environment: Environment,
  fallback: readonly number[],
  explanation: string[],
): number {
  const wanted = environment.get("default") ?? "";
  const node = nodeNamed(nodes, wanted === "" ? "0" : wanted) ?? nodes[0];
  if (wanted !== "" && nodeNamed(nodes, wanted) === null) {
    run.notes.add(`default is ${shown(wanted)}, which names no entry: the first one is taken, as GRUB does`);
  }
  explanation.push(wanted === "" ? "default is not set: the first entry" : `default is ${shown(wanted)}`);
  const [index] = node === undefined ? [] : firstEntry(node, entries);
  if (index !== undefined) {
    if (node?.kind === "menu")
      run.notes.add(`default is the submenu ${shown(node.step.title)}: its first entry is taken`);
    return index;
  }
  const what = `the default entry, ${shown(node?.step.title ?? "")}, boots no kernel`;
  const [next] = fallback;
  run.notes.add(next === undefined ? `${what}: the first entry that does is taken` : `${what}: its fallback is taken`);
  return next ?? 0;
}

/** The index of the entry, or of the first one of a menu, that boots; none when none does. */
function firstEntry(node: MenuNode, entries: readonly BootEntry[]): number[] {
  const found = [...entriesOf([node])].find(({ entry }) => entry !== null)?.entry ?? null;
  return found === null ? [] : [entries.indexOf(found)];
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

function noEntry(run: Run, entries: number, reasons: readonly string[]): GuestbootError {
  const more = reasons.length > 8 ? `; and ${reasons.length - 8} more` : "";
  const notes = run.notes.lines().slice(0, 5);
  const what =
    entries === 0
      ? `it has no menu entry${notes.length === 0 ? "" : ` (${notes.join("; ")})`}`
      : `none of its ${entries} entries boots a kernel: ${reasons.slice(0, 8).join("; ")}${more}`;
  return new GuestbootError("NO_BOOT_ENTRY", `the boot config cannot be booted: ${what}`, {
    hint: "name the files inside the guest, --kernel=PATH --ramdisk=PATH, or repair the config in the guest",
  });
}
