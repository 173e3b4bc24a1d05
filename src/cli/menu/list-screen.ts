/**
 * The list of entries: moving in it, booting, and the ways to the other screens.
 */
import type { BootEntry } from "../../bootconfig/boot-config.ts";
import { ask, say } from "./actions.ts";
import type { Key } from "./key.ts";
import { listRows } from "./layout.ts";
import { itemsAt, type MenuItem } from "./menu-tree.ts";
import type { MenuState, MenuWorld } from "./menu-state.ts";
import { isGuarded } from "./password.ts";

export function listKey(state: MenuState, key: Key, world: MenuWorld): MenuState {
  const items = itemsAt(world.config, state.list.way);
  switch (key.kind) {
    case "named":
      return namedKey(state, key.name, items, world);
    case "control":
      if (key.letter === "c") return { ...state, outcome: { kind: "cancel" } };
      if (key.letter === "n") return moveBy(state, 1, items);
      if (key.letter === "p") return moveBy(state, -1, items);
      return state;
    case "text":
      return letterKey(state, key.text, items, world);
  }
}

type NamedKeyOf = Extract<Key, { kind: "named" }>["name"];

function namedKey(state: MenuState, name: NamedKeyOf, items: readonly MenuItem[], world: MenuWorld): MenuState {
  const page = listRows(state.size);
  switch (name) {
    case "up":
      return moveBy(state, -1, items);
    case "down":
      return moveBy(state, 1, items);
    case "page up":
      return moveBy(state, -page, items);
    case "page down":
      return moveBy(state, page, items);
    case "home":
      return moveBy(state, -items.length, items);
    case "end":
      return moveBy(state, items.length, items);
    case "enter":
    case "right":
      return enter(state, items, world);
    case "left":
    case "escape":
      return leave(state, world);
    default: {
      const hot = hotkeyEntry(items, name);
      return hot === null ? state : ask(state, { kind: "boot", entry: hot }, world);
    }
  }
}

function letterKey(state: MenuState, letter: string, items: readonly MenuItem[], world: MenuWorld): MenuState {
  const selected = items[state.list.selected];
  // The two that every GRUB has are the menu's own; an entry's own key comes before the others.
  if (letter === "e") return ofEntry(state, selected, (entry) => ask(state, { kind: "edit", entry }, world));
  if (letter === "c") return ask(state, { kind: "command" }, world);
  const hot = hotkeyEntry(items, letter);
  if (hot !== null) return ask(state, { kind: "boot", entry: hot }, world);
  switch (letter) {
    case "a":
      return ofEntry(state, selected, (entry) => ask(state, { kind: "arguments", entry }, world));
    case "b":
      return enter(state, items, world);
    case "p":
      return !isGuarded(world.config)
        ? say(state, "This menu has no password: everything can be edited.", state.screen)
        : ask(state, { kind: "unlock" }, world);
    case "u":
      return moveBy(state, -1, items);
    case "d":
      return moveBy(state, 1, items);
    default:
      return state;
  }
}

function ofEntry(state: MenuState, item: MenuItem | undefined, work: (entry: BootEntry) => MenuState): MenuState {
  if (item === undefined) return state;
  return item.kind === "entry" ? work(item.entry) : say(state, "This is a submenu: Enter opens it.", state.screen);
}

function moveBy(state: MenuState, rows: number, items: readonly MenuItem[]): MenuState {
  const selected = Math.max(0, Math.min(items.length - 1, state.list.selected + rows));
  return { ...state, list: { ...state.list, selected } };
}

function enter(state: MenuState, items: readonly MenuItem[], world: MenuWorld): MenuState {
  const item = items[state.list.selected];
  if (item === undefined) return state;
  return ask(
    state,
    item.kind === "entry" ? { kind: "boot", entry: item.entry } : { kind: "open", way: item.way },
    world,
  );
}

/** Back to the submenu that was opened. */
function leave(state: MenuState, world: MenuWorld): MenuState {
  const { way } = state.list;
  const title = way.at(-1);
  if (title === undefined) return state;
  const outer = way.slice(0, -1);
  const items = itemsAt(world.config, outer);
  const selected = items.findIndex((item) => item.kind === "submenu" && item.title === title);
  return { ...state, list: { way: outer, selected: Math.max(selected, 0) } };
}

/** GRUB 2 names keys that are no letters: "backspace", "tab", "delete". */
export function hotkeyEntry(items: readonly MenuItem[], key: string): BootEntry | null {
  const found = items.find((item) => item.kind === "entry" && item.entry.hotkey === key);
  return found?.kind === "entry" ? found.entry : null;
}
