/**
 * `a`: an entry's arguments on one line; Enter boots with them.
 */
import { boot, LIST } from "./actions.ts";
import type { Key } from "./key.ts";
import { editLine } from "./line-input.ts";
import type { ArgumentsScreen, MenuState, MenuWorld } from "./menu-state.ts";

export function argumentsKey(state: MenuState, screen: ArgumentsScreen, key: Key, world: MenuWorld): MenuState {
  const isRun =
    (key.kind === "named" && (key.name === "enter" || key.name === "f10")) ||
    (key.kind === "control" && key.letter === "x");
  if (isRun) return boot(state, { ...screen.entry, arguments: screen.input.text }, world, screen);
  if (key.kind === "named" && key.name === "escape") return { ...state, screen: LIST };
  if (key.kind === "control" && key.letter === "c") return { ...state, screen: LIST };
  const input = editLine(screen.input, key);
  return input === null ? state : { ...state, screen: { ...screen, input } };
}
