/**
 * The question for a user and a password, and what was held up by it.
 */
import { act, LIST, say } from "./actions.ts";
import type { Key } from "./key.ts";
import { editLine, lineInput } from "./line-input.ts";
import type { MenuState, MenuWorld, PasswordScreen } from "./menu-state.ts";
import { isPassword, passwordsFor } from "./password.ts";

export function passwordKey(state: MenuState, screen: PasswordScreen, key: Key, world: MenuWorld): MenuState {
  if (key.kind === "named" && key.name === "enter") return answered(state, screen, world);
  if (key.kind === "named" && key.name === "escape") return { ...state, screen: LIST };
  if (key.kind === "control" && key.letter === "c") return { ...state, screen: LIST };
  const input = editLine(screen.input, key);
  return input === null ? state : { ...state, screen: { ...screen, input } };
}

function answered(state: MenuState, screen: PasswordScreen, world: MenuWorld): MenuState {
  const { text } = screen.input;
  if (screen.asks === "user") {
    return { ...state, screen: { ...screen, asks: "password", user: text, input: lineInput("") } };
  }
  const opensAll = isPassword(world.config.passwords ?? [], screen.user, text);
  if (!opensAll && !isPassword(passwordsFor(world.config, screen.then), screen.user, text)) {
    return say(state, screen.user === "" ? "Wrong password." : "Wrong user or password.", LIST);
  }
  return act({ ...state, isUnlocked: opensAll }, screen.then, world);
}
