/**
 * `c`: a command line with history, completion, and what the commands said above it.
 */
import { printable } from "../../base/printable.ts";
import { boot, LIST, sentenceOf } from "./actions.ts";
import { COMMAND_NAMES, runCommand, type CommandResult } from "./commands.ts";
import { completeWordAt } from "./complete.ts";
import type { Key } from "./key.ts";
import { usableColumns, wrap } from "./layout.ts";
import { editLine, lineInput } from "./line-input.ts";
import type { CommandScreen, MenuState, MenuWorld, TerminalSize } from "./menu-state.ts";

/** Lines that are kept above the command line, and commands that the arrow keys bring back. */
const MAX_OUTPUT = 5000;
const MAX_HISTORY = 100;

export const PROMPT = "grub> ";

export function commandKey(state: MenuState, screen: CommandScreen, key: Key, world: MenuWorld): MenuState {
  const to = (next: CommandScreen): MenuState => ({ ...state, screen: next });
  if (key.kind === "control") {
    const isEnd = key.letter === "c" || (key.letter === "d" && screen.input.text === "");
    if (isEnd) return { ...state, screen: LIST };
    if (key.letter === "p") return to(recall(screen, screen.recalled - 1));
    if (key.letter === "n") return to(recall(screen, screen.recalled + 1));
  }
  if (key.kind === "named") {
    switch (key.name) {
      case "enter":
        return entered(state, screen, world);
      case "escape":
        return { ...state, screen: LIST };
      case "tab":
        return to(completed(screen));
      case "up":
        return to(recall(screen, screen.recalled - 1));
      case "down":
        return to(recall(screen, screen.recalled + 1));
      case "page up":
        return to(scroll(screen, state.size, outputRows(state.size)));
      case "page down":
        return to(scroll(screen, state.size, -outputRows(state.size)));
      default:
    }
  }
  const input = editLine(screen.input, key);
  return input === null ? state : to({ ...screen, input, scrolledBack: 0 });
}

/** Rows above the command line. */
export function outputRows(size: TerminalSize): number {
  return Math.max(0, size.rows - 1);
}

function entered(state: MenuState, screen: CommandScreen, world: MenuWorld): MenuState {
  const typed = screen.input.text;
  const result = tryCommand(screen, typed, world);
  const echoed = `${PROMPT}${printable(typed)}`;
  const next: CommandScreen = {
    ...screen,
    output: [...screen.output, echoed, ...result.output].slice(-MAX_OUTPUT),
    input: lineInput(""),
    history: typed.trim() === "" ? screen.history : [...screen.history, typed].slice(-MAX_HISTORY),
    recalled: Math.min(screen.history.length + (typed.trim() === "" ? 0 : 1), MAX_HISTORY),
    entry: result.entry ?? screen.entry,
    scrolledBack: 0,
  };
  if (result.exit === true) return { ...state, screen: LIST };
  if (result.boot !== undefined) return boot({ ...state, screen: next }, result.boot, world, next);
  // What is longer than the screen is shown from its beginning.
  const long = wrap([echoed, ...result.output], usableColumns(state.size)).length - outputRows(state.size);
  return { ...state, screen: { ...next, scrolledBack: Math.max(0, long) } };
}

function tryCommand(screen: CommandScreen, typed: string, world: MenuWorld): CommandResult {
  try {
    return runCommand(typed, screen.entry, world);
  } catch (error) {
    return { output: [`error: ${sentenceOf(error)}`] };
  }
}

function completed(screen: CommandScreen): CommandScreen {
  const { input, choices } = completeWordAt(screen.input, screen.entry.files, COMMAND_NAMES);
  if (choices.length === 0) return { ...screen, input };
  const shown = [`${PROMPT}${printable(screen.input.text)}`, printable(choices.join("  "))];
  return { ...screen, input, output: [...screen.output, ...shown].slice(-MAX_OUTPUT), scrolledBack: 0 };
}

function recall(screen: CommandScreen, index: number): CommandScreen {
  const recalled = Math.max(0, Math.min(index, screen.history.length));
  if (recalled === screen.recalled) return screen;
  return { ...screen, recalled, input: lineInput(screen.history[recalled] ?? ""), scrolledBack: 0 };
}

function scroll(screen: CommandScreen, size: TerminalSize, rows: number): CommandScreen {
  const all = wrap(screen.output, usableColumns(size)).length;
  const most = Math.max(0, all - outputRows(size));
  return { ...screen, scrolledBack: Math.max(0, Math.min(most, screen.scrolledBack + rows)) };
}
