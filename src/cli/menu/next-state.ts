/**
 * The menu's rules: what a key, a second or a new size makes of its state. Pure, but for looking into the guest's
 * files where a screen asks for it.
 *
 * Nothing here knows a terminal; `run-menu.ts` does.
 */
import type { BootEntry } from "../../bootconfig/boot-config.ts";
import { ask } from "./actions.ts";
import { argumentsKey } from "./arguments-screen.ts";
import { commandKey } from "./command-screen.ts";
import { editorKey } from "./editor-screen.ts";
import { hotkeyEntry, listKey } from "./list-screen.ts";
import { indexOfEntry, itemsAt } from "./menu-tree.ts";
import type { MenuEvent, MenuState, MenuWorld, TerminalSize } from "./menu-state.ts";
import { passwordKey } from "./password-screen.ts";
import type { Key } from "./key.ts";

/** @param countdown seconds until the default boots; null to wait for ever */
export function firstState(world: MenuWorld, size: TerminalSize, countdown: number | null): MenuState {
  const chosen: BootEntry = world.tools.default;
  return {
    size,
    countdown,
    shows: countdown === null ? "menu" : (world.config.timeoutStyle ?? "menu"),
    isUnlocked: false,
    list: { way: [], selected: indexOfEntry(world.config, [], chosen) },
    screen: { kind: "list" },
    outcome: null,
  };
}

/** @throws what is a defect; what is wrong with the guest or with what was typed is said on the screen */
export function nextState(state: MenuState, event: MenuEvent, world: MenuWorld): MenuState {
  switch (event.kind) {
    case "resize":
      return { ...state, size: event.size };
    case "end of input":
      return { ...state, outcome: { kind: "default" } };
    case "second":
      return second(state);
    case "key":
      if (state.shows !== "menu") return uncovered(touched(state), event.key, world);
      return event.key === null ? touched(state) : pressed(touched(state), event.key, world);
  }
}

/** Any key stops the countdown, whatever else it does. */
function touched(state: MenuState): MenuState {
  return state.countdown === null ? state : { ...state, countdown: null };
}

/** The first key brings a hidden menu, and does nothing else; but Ctrl-C ends it, and an entry's own key boots that. */
function uncovered(state: MenuState, key: Key | null, world: MenuWorld): MenuState {
  const shown: MenuState = { ...state, shows: "menu" };
  if (key?.kind === "control") return key.letter === "c" ? pressed(shown, key, world) : shown;
  const name = key?.kind === "named" ? key.name : key?.text;
  const hot = name === undefined ? null : hotkeyEntry(itemsAt(world.config, []), name);
  return hot === null ? shown : ask(shown, { kind: "boot", entry: hot }, world);
}

function second(state: MenuState): MenuState {
  if (state.countdown === null) return state;
  const left = state.countdown - 1;
  return { ...state, countdown: Math.max(left, 0), outcome: left <= 0 ? { kind: "default" } : state.outcome };
}

function pressed(state: MenuState, key: Key, world: MenuWorld): MenuState {
  const { screen } = state;
  switch (screen.kind) {
    case "list":
      return listKey(state, key, world);
    case "editor":
      return editorKey(state, screen, key, world);
    case "arguments":
      return argumentsKey(state, screen, key, world);
    case "command":
      return commandKey(state, screen, key, world);
    case "password":
      return passwordKey(state, screen, key, world);
    case "message":
      return { ...state, screen: screen.back };
  }
}
