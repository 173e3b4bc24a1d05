/**
 * How the menu looks: from its state to the rows of a terminal of any size. Only ASCII of our own, so that a serial
 * line of any character set shows it; titles as the guest wrote them, with everything that does not simply print shown
 * by its code.
 */
import { printable, quote } from "../../base/printable.ts";
import { outputRows, PROMPT } from "./command-screen.ts";
import { listLayout, usableColumns, wrap } from "./layout.ts";
import { visibleLine, type LineInput } from "./line-input.ts";
import { itemsAt, lockOf, titleOf, type MenuItem } from "./menu-tree.ts";
import type {
  ArgumentsScreen,
  CommandScreen,
  EditorScreen,
  MenuState,
  MenuWorld,
  PasswordScreen,
} from "./menu-state.ts";
import { isGuarded } from "./password.ts";
import { cutToWidth, textWidth } from "./text-width.ts";

/** One row; never wider than the terminal's columns less one. */
export interface Row {
  readonly text: string;
  /** Shown in reverse, where the terminal can. */
  readonly isSelected: boolean;
}

export interface Frame {
  /** As many as the terminal has. */
  readonly rows: readonly Row[];
  /** Counted from 0. */
  readonly cursor: { readonly row: number; readonly column: number };
}

export function render(state: MenuState, world: MenuWorld): Frame {
  const frame = renderScreen(state, world);
  const columns = usableColumns(state.size);
  const rows = frame.rows.slice(0, state.size.rows).map((row) => ({ ...row, text: cutToWidth(row.text, columns) }));
  while (rows.length < state.size.rows) rows.push(plain(""));
  const row = Math.max(0, Math.min(frame.cursor.row, state.size.rows - 1));
  const column = Math.max(0, Math.min(frame.cursor.column, columns - 1));
  return { rows, cursor: { row, column } };
}

function renderScreen(state: MenuState, world: MenuWorld): Frame {
  const { screen } = state;
  switch (screen.kind) {
    case "list":
      return state.shows === "menu" ? renderList(state, world) : renderCover(state, world);
    case "editor":
      return renderEditor(state, screen);
    case "arguments":
      return renderArguments(state, screen);
    case "command":
      return renderCommand(state, screen);
    case "password":
      return renderPassword(state, screen);
    case "message":
      return renderMessage(state, screen.text);
  }
}

function plain(text: string): Row {
  return { text, isSelected: false };
}

/** In place of a menu that waits for a key to be shown. */
function renderCover({ shows, countdown, size }: MenuState, { tools }: MenuWorld): Frame {
  if (shows === "hidden") return { rows: [], cursor: { row: 0, column: 0 } };
  const left = `${String(countdown ?? 0)} s`;
  const long = ` Boots ${quote(tools.default.title)} in ${left}; any key shows the menu.`;
  const [line = ""] = inWidth([long], [` Boots in ${left}; any key: menu.`], usableColumns(size));
  return { rows: [plain(line)], cursor: { row: 0, column: 0 } };
}

function renderList(state: MenuState, world: MenuWorld): Frame {
  const { config } = world;
  const layout = listLayout(state.size);
  const items = itemsAt(config, state.list.way);
  const { selected, way } = state.list;
  // By pages: a step inside one paints two rows, however slow the line is.
  const top = Math.floor(selected / layout.rows) * layout.rows;
  const rows: Row[] = [];
  if (layout.hasHeading) {
    const title = config.menuTitle ?? "";
    const heading = [title === "" ? "Boot menu" : title, ...way].map(printable).join(" > ");
    const pages = Math.ceil(items.length / layout.rows);
    const page = pages > 1 ? `  (page ${top / layout.rows + 1} of ${pages})` : "";
    rows.push(plain(` ${heading}${page}`), plain(""));
  }
  const first = rows.length;
  const width = usableColumns(state.size);
  const shown = items.slice(top, top + layout.rows);
  rows.push(...shown.map((item, index) => itemRow(item, top + index === selected, width, state, config)));
  while (rows.length < first + layout.rows) rows.push(plain(""));
  if (layout.hasHelp) rows.push(plain(""), ...helpRows(state, world));
  if (layout.hasFoot) rows.push(plain(footOf(state)));
  return { rows, cursor: { row: first + selected - top, column: 1 } };
}

function itemRow(
  item: MenuItem,
  isSelected: boolean,
  width: number,
  state: MenuState,
  config: MenuWorld["config"],
): Row {
  const isLocked = item.kind === "submenu" ? lockOf(config, item.way).isLocked : item.entry.isLocked === true;
  const marks = `${item.kind === "submenu" ? " ->" : ""}${isLocked && !state.isUnlocked ? " [locked]" : ""}`;
  const hotkey =
    item.kind === "entry" && typeof item.entry.hotkey === "string" ? ` (${printable(item.entry.hotkey)})` : "";
  const room = width - 3 - textWidth(marks) - textWidth(hotkey);
  const title = cutToWidth(printable(titleOf(item)), room < 8 ? width - 3 : room);
  const text = ` ${isSelected ? ">" : " "} ${title}${room < 8 ? "" : hotkey + marks}`;
  // Filled up, so that the bar is as long for each entry.
  return { text: isSelected ? text + " ".repeat(Math.max(0, width - textWidth(text))) : text, isSelected };
}

function helpRows(state: MenuState, world: MenuWorld): Row[] {
  const isLocked = isGuarded(world.config) && !state.isUnlocked;
  const back = state.list.way.length > 0 ? " Esc goes back." : "";
  const columns = usableColumns(state.size);
  const [move = ""] = inWidth([` Up and Down select, Enter boots.${back}`], [` Enter boots.${back}`], columns);
  const [edit = ""] = isLocked
    ? inWidth([" p asks for the password; without it nothing can be edited."], [" p asks for the password"], columns)
    : inWidth(
        [" e edits an entry, a its arguments; c is a command line."],
        [" e edit, a arguments, c commands"],
        columns,
      );
  return [plain(move), plain(edit)];
}

function footOf(state: MenuState): string {
  if (state.countdown === null) return "";
  return ` Boots in ${state.countdown} s; any key stops it.`;
}

function renderEditor(state: MenuState, screen: EditorScreen): Frame {
  const columns = usableColumns(state.size);
  const tall = state.size.rows >= 10;
  const rows: Row[] = tall ? [plain(` ${printable(screen.entry.title)}`), plain("")] : [];
  const help = editorHelp(screen.input !== null, columns);
  const first = rows.length;
  const room = Math.max(1, state.size.rows - first - (tall ? help.length + 1 : 0));
  const top = Math.floor(screen.selected / room) * room;
  const shown = screen.lines.slice(top, top + room);
  let column = 1;
  shown.forEach((line, index) => {
    const isSelected = top + index === screen.selected;
    const input = isSelected ? screen.input : null;
    if (input !== null) {
      const visible = visibleLine(input, columns - 3);
      column = 3 + visible.column;
      rows.push(plain(` > ${visible.text}`));
    } else {
      rows.push({ text: cutToWidth(` ${isSelected ? ">" : " "} ${printable(line)}`, columns), isSelected });
    }
  });
  const choices = screen.choices.length > 0 ? wrap([`   ${printable(screen.choices.join("  "))}`], columns) : [];
  rows.push(...choices.slice(0, Math.max(0, room - shown.length)).map(plain));
  while (rows.length < first + room) rows.push(plain(""));
  if (tall) rows.push(plain(""), ...help.map(plain));
  return { rows, cursor: { row: first + screen.selected - top, column } };
}

/** What the keys do, in fewer words where the long ones would be cut. */
function editorHelp(isTyping: boolean, columns: number): readonly string[] {
  if (isTyping) {
    return inWidth(
      [" Enter keeps the line, Esc leaves it as it was, Tab completes a file's name.", " Ctrl-X or F10 boots."],
      [" Enter keeps it, Esc does not", " Tab completes, Ctrl-X boots"],
      columns,
    );
  }
  return inWidth(
    [
      " Enter edits the line, o and O open a new one, d takes it out.",
      " b or Ctrl-X boots, Esc goes back to the menu.",
    ],
    [" Enter edits, o opens, d deletes", " b boots, Esc goes back"],
    columns,
  );
}

function inWidth(lines: readonly string[], short: readonly string[], columns: number): readonly string[] {
  return lines.every((line) => textWidth(line) <= columns) ? lines : short;
}

function renderArguments(state: MenuState, screen: ArgumentsScreen): Frame {
  const [question = ""] = inWidth(
    [" The kernel's arguments; Enter boots, Esc goes back:"],
    [" Enter boots, Esc goes back:"],
    usableColumns(state.size),
  );
  const heading = [` ${printable(screen.entry.title)}`, "", question, ""];
  return renderQuestion(state, heading, " > ", screen.input);
}

function renderPassword(state: MenuState, screen: PasswordScreen): Frame {
  const question = screen.asks === "user" ? " User: " : " Password: ";
  // Of a password not even the length is shown.
  const input: LineInput = screen.asks === "user" ? screen.input : { text: "", cursor: 0 };
  return renderQuestion(state, [" This menu is protected. Esc goes back.", ""], question, input);
}

/** `heading` above one line of input; on a terminal of a few rows the input alone. */
function renderQuestion(state: MenuState, heading: readonly string[], prompt: string, input: LineInput): Frame {
  const columns = usableColumns(state.size);
  const above = state.size.rows > heading.length ? heading : [];
  const visible = visibleLine(input, columns - textWidth(prompt));
  return {
    rows: [...above, `${prompt}${visible.text}`].map(plain),
    cursor: { row: above.length, column: textWidth(prompt) + visible.column },
  };
}

function renderCommand(state: MenuState, screen: CommandScreen): Frame {
  const columns = usableColumns(state.size);
  const room = outputRows(state.size);
  const all = wrap(screen.output, columns);
  const end = Math.max(0, all.length - screen.scrolledBack);
  const shown = all.slice(Math.max(0, end - room), end);
  const more = screen.scrolledBack > 0 ? `-- ${screen.scrolledBack} more: PgDn -- ` : "";
  const prompt = textWidth(more) + 20 > columns ? PROMPT : `${more}${PROMPT}`;
  const visible = visibleLine(screen.input, columns - textWidth(prompt));
  return {
    rows: [...shown, `${prompt}${visible.text}`].map(plain),
    cursor: { row: shown.length, column: textWidth(prompt) + visible.column },
  };
}

function renderMessage(state: MenuState, text: string): Frame {
  const columns = usableColumns(state.size);
  const lines = wrap([text], Math.max(1, columns - 1)).slice(0, Math.max(1, state.size.rows - 2));
  const rows = [...lines.map((line) => ` ${line}`), "", " Press any key."].map(plain);
  return { rows, cursor: { row: Math.min(rows.length, state.size.rows) - 1, column: 0 } };
}
