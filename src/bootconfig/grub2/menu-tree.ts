/**
 * From the items of a menu to what each of them boots: every entry's body is run, as GRUB runs it when it is chosen,
 * on a copy of the menu's variables; submenus are opened.
 */
import { GuestbootError } from "../../base/errors.ts";
import type { BootEntry, FileReference, MenuPassword, MenuStep } from "../boot-config.ts";
import { empty } from "./commands/loading.ts";
import { execute, executeText } from "./execute.ts";
import { NEXT, Notes, shown, type Loaded, type Machine, type Menu, type MenuItem, type Run } from "./machine.ts";
import type { Statement } from "./syntax.ts";

/** A menu's line: an entry, with the reason where it boots no kernel, or a menu below this one. */
export type MenuNode =
  | {
      readonly kind: "entry";
      readonly step: MenuStep;
      readonly entry: BootEntry | null;
      readonly reason: string;
      /** What running its body had to say: of interest where it is the one that boots. */
      readonly notes: readonly string[];
    }
  | {
      readonly kind: "menu";
      readonly step: MenuStep;
      readonly nodes: readonly MenuNode[];
      /** Its own `default`, which its body has set; null where it has not. */
      readonly default: string | null;
    };

/** Submenus inside submenus. */
const MAX_DEPTH = 10;

type Functions = ReadonlyMap<string, readonly Statement[]>;

/** @param around the submenus that are open already, outermost first */
export function readMenu(run: Run, menu: Menu, functions: Functions, around: readonly MenuStep[] = []): MenuNode[] {
  return menu.items.map((item, position) => {
    const isBls = item.kind === "bls";
    const { title, id } = isBls ? item.entry : item;
    const step: MenuStep = { position, title, id };
    if (isBls) {
      const { users = [], ...entry } = item.entry;
      const passwords = passwordsOf(run, users);
      return { kind: "entry", step, entry: { ...entry, ...placed(step, around), passwords }, reason: "", notes: [] };
    }
    try {
      return readItem(run, menu, functions, item, step, around);
    } catch (error) {
      // Each entry has what is left of the budget; those before it stay as they are.
      if (!(error instanceof GuestbootError)) throw error;
      return { kind: "entry", step, entry: null, reason: error.message, notes: [] };
    }
  });
}

function readItem(
  run: Run,
  menu: Menu,
  functions: Functions,
  item: MenuItem & { readonly kind: "entry" | "submenu" },
  step: MenuStep,
  around: readonly MenuStep[],
): MenuNode {
  const { position, title, id } = step;
  // Also where the list of superusers is empty: then it is locked for everybody.
  const isLocked = menu.environment.get("superusers") !== undefined && !item.isUnrestricted;
  const passwords = item.users === null ? [] : passwordsOf(run, usersOf(item.users));
  // What opens as a menu is locked as an entry is.
  const here: readonly MenuStep[] = [...around, { position, title, id, isLocked, passwords }];
  const environment = item.kind === "submenu" ? menu.environment.inherited() : menu.environment.copy();
  environment.set("chosen", here.map(nameInPath).join(">"));
  // The menu's own does not reach into what it opens: GRUB hands on what is left of a path, mostly nothing.
  environment.unset("default");
  const below: Menu = { items: [], environment };
  const notes = new Notes();
  const files = run.files.copy();
  const machine = newMachine(runOfEntry(run, notes, files), below, functions);
  machine.positional = item.arguments;
  execute(machine, item.body);
  const opened = machine.flow.kind === "menu" ? machine.flow.menu : item.kind === "submenu" ? below : null;
  if (opened !== null && (opened.items.length > 0 || item.kind === "submenu")) {
    if (here.length > MAX_DEPTH) {
      throw new GuestbootError("BUDGET_EXCEEDED", `submenus are nested more than ${MAX_DEPTH} deep`);
    }
    const nodes = readMenu({ ...run, files }, opened, machine.functions, here);
    return { kind: "menu", step, nodes, default: opened.environment.get("default") ?? null };
  }
  const loaded = bootedBy(machine.loaded);
  if (typeof loaded === "string") return { kind: "entry", step, entry: null, reason: loaded, notes: [] };
  const entry: BootEntry = {
    title,
    id,
    submenu: around.map((above) => above.title),
    location: [...around, step],
    kernel: loaded.kernel,
    ramdisks: loaded.ramdisks,
    arguments: loaded.arguments,
    isLocked,
    passwords,
    hotkey: item.hotkey,
  };
  return { kind: "entry", step, entry, reason: "", notes: notes.lines() };
}

/**
 * What the run of an entry's body has of its own: its notes, and the loopback devices that it makes. Field by field, as
 * in all that is done for each entry: a spread takes V8 as long as all else, before a function is compiled for speed.
 */
function runOfEntry(run: Run, notes: Notes, files: Run["files"]): Run {
  return {
    place: run.place,
    files,
    readBls: run.readBls,
    steps: run.steps,
    entries: run.entries,
    configs: run.configs,
    notes,
    passwords: run.passwords,
    trail: run.trail,
  };
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
export function newMachine(run: Run, menu: Menu, functions: Functions = new Map()): Machine {
  return {
    run,
    environment: menu.environment,
    functions: new Map(functions),
    positional: null,
    menu,
    loaded: empty(),
    flow: NEXT,
    calling: [],
    loops: 0,
    depth: 0,
    reading: [],
    execute,
    executeText,
  };
}

/** What was loaded as an entry has it, or why it boots no kernel. */
export function bootedBy(
  loaded: Loaded,
): { kernel: FileReference; ramdisks: readonly FileReference[]; arguments: string } | string {
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

function placed(step: MenuStep, around: readonly MenuStep[]): { submenu: readonly string[]; location: MenuStep[] } {
  return { submenu: around.map(({ title }) => title), location: [...around, step] };
}

/** All entries of a menu and of those below it, bootable or not, in the order of the config. */
export function* entriesOf(nodes: readonly MenuNode[]): Generator<MenuNode & { readonly kind: "entry" }> {
  for (const node of nodes) {
    if (node.kind === "entry") yield node;
    else yield* entriesOf(node.nodes);
  }
}
