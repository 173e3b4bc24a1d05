/**
 * From the items of a menu to what each of them boots: an entry's body is run, as GRUB runs it when it is chosen, on a
 * copy of the menu's variables; submenus are opened.
 */
import { GuestbootError } from "../../base/errors.ts";
import type { BootEntry, FileReference, MenuPassword, MenuStep } from "../boot-config.ts";
import { empty } from "./commands/loading.ts";
import { execute, executeText } from "./execute.ts";
import type { GuestFiles } from "./guest-files.ts";
import { NEXT, Notes, shown, type Loaded, type Machine, type Menu, type MenuItem, type Run } from "./machine.ts";
import { loadedPlainly } from "./plain-body.ts";
import type { Statement } from "./syntax.ts";

/** What a menu's line does when it is chosen. */
export type Outcome =
  | {
      readonly kind: "entry";
      readonly entry: BootEntry | null;
      /** Why it boots no kernel. */
      readonly reason: string;
      /** What running its body had to say: of interest where it is the one that boots. */
      readonly notes: readonly string[];
    }
  | {
      /** A menu below this one. */
      readonly kind: "menu";
      readonly nodes: readonly MenuNode[];
      /** Its own `default`, which its body has set; null where it has not. */
      readonly default: string | null;
    };

/** A menu's line. Its body is run when somebody first wants to know what it does, as GRUB runs it when it is chosen. */
export interface MenuNode {
  readonly step: MenuStep;
  outcome(): Outcome;
}

/** Submenus inside submenus. */
const MAX_DEPTH = 10;

type Functions = Map<string, readonly Statement[]>;

/** What the lines of one menu have in common. */
interface Level {
  readonly run: Run;
  readonly menu: Menu;
  readonly functions: Functions;
  /** The submenus that are open, outermost first; their titles; and how a path to a line here begins. */
  readonly around: readonly MenuStep[];
  readonly titles: readonly string[];
  readonly path: string;
  /** Some may not be booted without a password: also where the list of superusers is empty, for then nobody has one. */
  readonly isGuarded: boolean;
}

export function readMenu(run: Run, menu: Menu, functions: Functions, around: readonly MenuStep[] = []): MenuNode[] {
  const level: Level = {
    run,
    menu,
    functions,
    around,
    titles: around.map(({ title }) => title),
    path: around.map((step) => `${nameInPath(step)}>`).join(""),
    isGuarded: menu.environment.get("superusers") !== undefined,
  };
  return menu.items.map((item, position) => new MenuLine(level, item, position));
}

class MenuLine implements MenuNode {
  readonly step: MenuStep;
  readonly #level: Level;
  readonly #item: MenuItem;
  #outcome: Outcome | null = null;

  constructor(level: Level, item: MenuItem, position: number) {
    const { title, id } = item.kind === "read" ? item.entry : item;
    this.step = { position, title, id };
    this.#level = level;
    this.#item = item;
  }

  outcome(): Outcome {
    return (this.#outcome ??= outcomeOf(this.#level, this.#item, this.step));
  }
}

function outcomeOf(level: Level, item: MenuItem, step: MenuStep): Outcome {
  if (item.kind === "read") return entryOutcome(placed(level, item.entry, step));
  try {
    return runItem(level, item, step);
  } catch (error) {
    // Each entry has what is left of the budget; those before it stay as they are.
    if (!(error instanceof GuestbootError)) throw error;
    return nothing(error.message);
  }
}

/** The other loader's config may have menus of its own, which ours does not open anew. */
function placed(level: Level, { users, ...entry }: BootEntry, step: MenuStep): BootEntry {
  const { submenu = [], passwords = NONE } = entry;
  const below = submenu.map((title): MenuStep => ({ position: step.position, title, id: null }));
  return {
    ...entry,
    submenu: [...level.titles, ...submenu],
    location: [...level.around, ...below, step],
    passwords: users === undefined ? passwords : passwordsOf(level.run, users),
  };
}

const NONE: readonly never[] = [];

const entryOutcome = (entry: BootEntry, notes: readonly string[] = NONE): Outcome => {
  return { kind: "entry", entry, reason: "", notes };
};
const nothing = (reason: string): Outcome => ({ kind: "entry", entry: null, reason, notes: NONE });

type OwnItem = MenuItem & { readonly kind: "entry" | "submenu" };

function runItem(level: Level, item: OwnItem, step: MenuStep): Outcome {
  const { run, menu, functions, around } = level;
  if (item.kind === "entry") {
    const loaded = loadedPlainly(run, menu, functions, item.block.body);
    if (loaded !== null) {
      const { kernel, ramdisks, notes } = loaded;
      const booted = { kernel: kernel.file, ramdisks, arguments: kernel.arguments };
      return entryOutcome(entryOf(level, item, step, booted), notes);
    }
  }
  const isSubmenu = item.kind === "submenu";
  const environment = isSubmenu ? menu.environment.inherited() : menu.environment.copy();
  environment.set("chosen", level.path + nameInPath(step));
  // The menu's own does not reach into what it opens: GRUB hands on what is left of a path, mostly nothing.
  environment.unset("default");
  const below: Menu = { items: [], environment };
  const notes = new Notes();
  const machine = newMachine(run, below, notes, functions);
  machine.positional = item.arguments;
  const files = runBody(machine, item.block.body);
  const opened = machine.flow.kind === "menu" ? machine.flow.menu : isSubmenu ? below : null;
  if (opened !== null && (opened.items.length > 0 || isSubmenu)) {
    if (around.length >= MAX_DEPTH) {
      throw new GuestbootError("BUDGET_EXCEEDED", `submenus are nested more than ${MAX_DEPTH} deep`);
    }
    // What opens as a menu is locked as an entry is.
    const here: readonly MenuStep[] = [...around, { ...step, ...guardOf(level, item) }];
    const nodes = readMenu({ ...run, files }, opened, machine.functions, here);
    return { kind: "menu", nodes, default: opened.environment.get("default") ?? null };
  }
  const loaded = bootedBy(machine.loaded);
  if (typeof loaded === "string") return nothing(loaded);
  return entryOutcome(entryOf(level, item, step, loaded), notes.lines());
}

function entryOf(
  level: Level,
  item: OwnItem,
  step: MenuStep,
  { kernel, ramdisks, arguments: words }: Booted,
): BootEntry {
  const { isLocked, passwords } = guardOf(level, item);
  return {
    title: step.title,
    id: step.id,
    submenu: level.titles,
    // Not spread, which makes room for sixteen more.
    location: level.around.concat(step),
    kernel,
    ramdisks,
    arguments: words,
    isLocked,
    passwords,
    hotkey: item.hotkey,
  };
}

function guardOf({ run, isGuarded }: Level, { isUnrestricted, users }: OwnItem) {
  const passwords = users === null ? NONE : passwordsOf(run, usersOf(users));
  return { isLocked: isGuarded && !isUnrestricted, passwords };
}

/** The loopback devices that a body makes are its own. @returns the files as it has left them, for a menu below it */
function runBody(machine: Machine, body: readonly Statement[]): GuestFiles {
  const { files } = machine.run;
  const { loopbacks } = files;
  try {
    execute(machine, body);
    return files.loopbacks === loopbacks ? files : files.copy();
  } finally {
    files.loopbacks = loopbacks;
  }
}

/** The names in a list of users. */
export function usersOf(list: string): string[] {
  return list.split(/[ ,;|&]+/).filter((user) => user !== "");
}

function passwordsOf(run: Run, users: readonly string[]): MenuPassword[] {
  return run.passwords.filter(({ user }) => user !== null && users.includes(user));
}

function nameInPath({ id, title }: MenuStep): string {
  const name = id ?? title;
  return name.includes(">") ? name.replaceAll(">", ">>") : name;
}

/** A machine for a config, or for the body of an entry. */
export function newMachine(run: Run, menu: Menu, notes: Notes, functions: Functions | null = null): Machine {
  return {
    run,
    environment: menu.environment,
    functions: functions ?? new Map<string, readonly Statement[]>(),
    ownsFunctions: functions === null,
    positional: null,
    menu,
    loaded: empty(),
    flow: NEXT,
    notes,
    calling: [],
    loops: 0,
    depth: 0,
    reading: [],
    execute,
    executeText,
  };
}

/** What was loaded, as an entry has it. */
interface Booted {
  readonly kernel: FileReference;
  readonly ramdisks: readonly FileReference[];
  readonly arguments: string;
}

/** What was loaded as an entry has it, or why it boots no kernel. */
export function bootedBy(loaded: Loaded): Booted | string {
  const { kernel, multiboot, modules, ramdisks, refused } = loaded;
  if (refused !== null) return refused;
  if (multiboot !== null) {
    if (!/xen/i.test(multiboot.path.slice(multiboot.path.lastIndexOf("/") + 1))) {
      return `${shown(multiboot.path)} is a multiboot kernel that is not Xen`;
    }
    // The entry is for a host: it boots Xen, and Xen its first module. Inside a guest Xen runs already.
    const [first, second] = modules;
    if (first === undefined) return "its hypervisor has no module to boot";
    return { kernel: first.file, ramdisks: second === undefined ? [] : [second.file], arguments: first.arguments };
  }
  if (kernel === null) return "it loads no kernel";
  return { kernel: kernel.file, ramdisks, arguments: kernel.arguments };
}

/** The entries that a menu's lines are and lead to, bootable or not, in the order of the config. */
export function entriesOf(nodes: readonly MenuNode[], into: EntryLine[] = []): EntryLine[] {
  nodes.forEach((node) => {
    const outcome = node.outcome();
    if (outcome.kind === "entry") into.push({ step: node.step, outcome });
    else entriesOf(outcome.nodes, into);
  });
  return into;
}

export interface EntryLine {
  readonly step: MenuStep;
  readonly outcome: Outcome & { readonly kind: "entry" };
}

/** The first entry that boots, of a line or of those that it leads to; those after it are not asked. */
export function firstBooting(node: MenuNode): EntryLine | null {
  const outcome = node.outcome();
  if (outcome.kind === "entry") return outcome.entry === null ? null : { step: node.step, outcome };
  for (const below of outcome.nodes) {
    const found = firstBooting(below);
    if (found !== null) return found;
  }
  return null;
}
