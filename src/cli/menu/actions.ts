/**
 * What several screens do: boot an entry, and open what needs a password where the config has one.
 */
import { GuestbootError } from "../../base/errors.ts";
import { printable } from "../../base/printable.ts";
import type { BootConfig, BootEntry, MenuPassword } from "../../bootconfig/boot-config.ts";
import { emptyEntry, linesOfEntry } from "./entry-lines.ts";
import { lineInput } from "./line-input.ts";
import type { MenuState, MenuWorld, Protected, Screen } from "./menu-state.ts";
import { indexOfEntry, lockOf } from "./menu-tree.ts";
import { areCheckable, haveUsers, isGuarded, passwordsFor } from "./password.ts";

export const LIST: Screen = { kind: "list" };

/** Boots `entry` if its files are there; else says what is wrong and goes back to `back`. */
export function boot(state: MenuState, entry: BootEntry, world: MenuWorld, back: Screen = LIST): MenuState {
  try {
    world.tools.check(entry);
  } catch (error) {
    return say(state, sentenceOf(error), back);
  }
  return { ...state, outcome: { kind: "boot", entry } };
}

/** Does what was asked for, after the password where one is wanted. */
export function ask(state: MenuState, wanted: Protected, world: MenuWorld): MenuState {
  const passwords = passwordsFor(world.config, wanted);
  if (isFree(wanted, passwords, world.config) || state.isUnlocked) return act(state, wanted, world);
  if (passwords.length === 0) return say(state, "This is locked, and the menu has no password that opens it.", LIST);
  if (!areCheckable(passwords)) {
    return say(state, "this menu is locked by a password of a kind that cannot be checked here", LIST);
  }
  const asks = haveUsers(passwords) ? "user" : "password";
  return { ...state, screen: { kind: "password", asks, user: "", input: lineInput(""), then: wanted } };
}

/** May anybody do it? */
function isFree(wanted: Protected, passwords: readonly MenuPassword[], config: BootConfig): boolean {
  if (wanted.kind !== "boot" && wanted.kind !== "open") return !isGuarded(config);
  const { isLocked } = wanted.kind === "boot" ? wanted.entry : lockOf(config, wanted.way);
  return isLocked !== true || (passwords.length === 0 && !isGuarded(config));
}

/** Does what was asked for. */
export function act(state: MenuState, wanted: Protected, world: MenuWorld): MenuState {
  switch (wanted.kind) {
    case "unlock":
      return { ...state, screen: LIST };
    case "boot":
      return boot({ ...state, screen: LIST }, wanted.entry, world);
    case "open": {
      const selected = indexOfEntry(world.config, wanted.way, world.tools.default);
      return { ...state, screen: LIST, list: { way: wanted.way, selected } };
    }
    case "edit": {
      const { entry } = wanted;
      const lines = linesOfEntry(entry, world.files);
      return {
        ...state,
        screen: { kind: "editor", entry, lines, selected: 0, input: null, openedFrom: null, choices: [] },
      };
    }
    case "arguments":
      return {
        ...state,
        screen: { kind: "arguments", entry: wanted.entry, input: lineInput(wanted.entry.arguments) },
      };
    case "command":
      return {
        ...state,
        screen: {
          kind: "command",
          output: ["linux, initrd and boot start a kernel; help lists more. Tab completes."],
          scrolledBack: 0,
          input: lineInput(""),
          history: [],
          recalled: 0,
          entry: emptyEntry(world.files),
        },
      };
  }
}

/** Shows a sentence until a key is pressed. */
export function say(state: MenuState, text: string, back: Screen): MenuState {
  return { ...state, screen: { kind: "message", text, back } };
}

/** What a person is told of an error. @throws the error when it is no fault of the guest's or the person's */
export function sentenceOf(error: unknown): string {
  if (error instanceof GuestbootError && error.code !== "INTERNAL") return printable(error.message);
  throw error;
}
