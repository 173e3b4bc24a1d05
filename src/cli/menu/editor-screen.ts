/**
 * `e`: an entry's lines. First they are walked through (`e` edits one, `o` and `O` open a new one, `d` takes one out),
 * as in GRUB legacy and upstream pygrub; Ctrl-X and F10 boot from anywhere, as in GRUB 2, and so does `b`.
 */
import { GuestbootError } from "../../base/errors.ts";
import { boot, LIST, say, sentenceOf } from "./actions.ts";
import { completeWordAt } from "./complete.ts";
import { entryOfLines } from "./entry-lines.ts";
import type { Key } from "./key.ts";
import { editLine, lineInput } from "./line-input.ts";
import type { EditorScreen, MenuState, MenuWorld } from "./menu-state.ts";

/** Lines that an entry may grow to. */
const MAX_LINES = 100;

export function editorKey(state: MenuState, screen: EditorScreen, key: Key, world: MenuWorld): MenuState {
  const isRun = (key.kind === "named" && key.name === "f10") || (key.kind === "control" && key.letter === "x");
  if (isRun) return run(state, accepted(screen), world);
  const next = screen.input === null ? walkKey(screen, key) : inputKey(screen, key, world);
  if (next === "run") return run(state, screen, world);
  return { ...state, screen: next === "leave" ? LIST : next };
}

function run(state: MenuState, screen: EditorScreen, world: MenuWorld): MenuState {
  try {
    return boot(state, entryOfLines(screen.lines, screen.entry, world.files), world, screen);
  } catch (error) {
    if (!(error instanceof GuestbootError)) throw error;
    return say(state, sentenceOf(error), screen);
  }
}

function walkKey(screen: EditorScreen, key: Key): EditorScreen | "run" | "leave" {
  if (key.kind === "control") return key.letter === "c" ? "leave" : screen;
  switch (key.kind === "text" ? key.text : key.name) {
    case "up":
    case "u":
      return select(screen, screen.selected - 1);
    case "down":
      return select(screen, screen.selected + 1);
    case "home":
    case "page up":
      return select(screen, 0);
    case "end":
    case "page down":
      return select(screen, screen.lines.length - 1);
    case "e":
    case "enter":
    case "right":
      if (screen.lines.length === 0) return opened(screen, 0);
      return { ...screen, input: lineInput(screen.lines[screen.selected] ?? ""), openedFrom: null };
    case "o":
      return opened(screen, screen.lines.length === 0 ? 0 : screen.selected + 1);
    case "O":
      return opened(screen, screen.selected);
    case "d":
    case "delete":
      return select({ ...screen, lines: screen.lines.toSpliced(screen.selected, 1) }, screen.selected);
    case "b":
      return "run";
    case "escape":
    case "left":
      return "leave";
    default:
      return screen;
  }
}

function inputKey(screen: EditorScreen, key: Key, world: MenuWorld): EditorScreen {
  const { input } = screen;
  if (input === null) return screen;
  if (key.kind === "named" && key.name === "enter") return accepted(screen);
  if (key.kind === "named" && key.name === "escape") return abandoned(screen);
  if (key.kind === "control" && key.letter === "c") return abandoned(screen);
  if (key.kind === "named" && key.name === "tab") {
    const completed = completeWordAt(input, world.files);
    return { ...screen, input: completed.input, choices: completed.choices };
  }
  const edited = editLine(input, key);
  return edited === null ? screen : { ...screen, input: edited, choices: [] };
}

function select(screen: EditorScreen, index: number): EditorScreen {
  return { ...screen, selected: Math.max(0, Math.min(index, screen.lines.length - 1)) };
}

function opened(screen: EditorScreen, index: number): EditorScreen {
  if (screen.lines.length >= MAX_LINES) return screen;
  const lines = screen.lines.toSpliced(index, 0, "");
  return { ...screen, lines, selected: index, input: lineInput(""), openedFrom: screen.selected };
}

/** The line as it is being edited takes its place. */
function accepted(screen: EditorScreen): EditorScreen {
  const { input, lines, selected } = screen;
  if (input === null) return screen;
  return { ...screen, lines: lines.with(selected, input.text), input: null, openedFrom: null, choices: [] };
}

function abandoned(screen: EditorScreen): EditorScreen {
  const { openedFrom, lines, selected } = screen;
  const left = { ...screen, input: null, openedFrom: null, choices: [] };
  return openedFrom === null ? left : select({ ...left, lines: lines.toSpliced(selected, 1) }, openedFrom);
}
