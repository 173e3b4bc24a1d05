/**
 * GRUB legacy's menu.lst (grub.conf): which entries it has and which one boots, as the GNU GRUB 0.97 manual has it.
 * https://www.gnu.org/software/grub/manual/legacy/
 *
 * Text in, entries out; what lies outside of the text comes through the options. Nothing is written back, so
 * `savedefault` does nothing; `password` and `lock` are for the menu and hold up no start without one. What one title
 * boots is in `grub-legacy-title.ts`.
 */
import { Budget } from "../base/budget.ts";
import { GuestbootError } from "../base/errors.ts";
import type { BootConfig, BootEntry, FileReference, MenuPassword } from "./boot-config.ts";
import type { Surroundings } from "./guest-volume.ts";
import { readCommands, readNumber, splitWord, type Command } from "./grub-legacy-line.ts";
import { readPassword, readTitle, type Title } from "./grub-legacy-title.ts";
import { quote } from "../base/printable.ts";

export interface GrubLegacyOptions {
  /** The text of the file `default` beside the config, or null when there is none; asked for `default saved` only. */
  readonly savedDefault?: () => string | null;
  /** Where `uuid` and `find --set-root` look. */
  readonly surroundings?: Surroundings;
  /** Reads the config that `configfile` goes on in; words when it cannot be had. */
  readonly readConfig?: (file: FileReference) => NumberedBootConfig | string;
}

/** A config whose entries have numbers of their own, because what boots no kernel is counted too. */
export interface NumberedBootConfig extends BootConfig {
  /**
   * For each of `entries` its number among all titles, from 0, as `default` and pygrub's `--entry` count. A title that
   * goes on in another config has the number of that one's default; its others have none (NaN).
   */
  readonly numbers: readonly number[];
}

/** Longer configs are refused: 1 MiB, in characters. */
export const MAX_CONFIG_SIZE = 1 << 20;
const MAX_TITLES = 1_000;
const MAX_NOTES = 50;

/**
 * @throws NO_BOOT_ENTRY when no title boots a kernel, with each title's reason; FILE_TOO_LARGE past 1 MiB;
 *   BUDGET_EXCEEDED past 20,000 lines or 1,000 titles
 */
export function parseGrubLegacy(text: string, options: GrubLegacyOptions = {}): NumberedBootConfig {
  if (text.length > MAX_CONFIG_SIZE) {
    throw new GuestbootError("FILE_TOO_LARGE", `the boot config is larger than ${MAX_CONFIG_SIZE} characters`);
  }
  const { menu, titles } = readMenu(text);
  const notes: string[] = [...noteMenuWords(menu), ...noteUnknownWords(menu, titles)];
  const entries: BootEntry[] = [];
  const numbers: number[] = [];
  const reasons: string[] = [];
  for (const title of titles) {
    const read = readTitle(title, options.surroundings ?? null);
    notes.push(...read.notes);
    const other = read.configFile === null ? null : (options.readConfig?.(read.configFile) ?? null);
    if (other !== null && typeof other !== "string") {
      notes.push(...other.notes);
      entries.push(...other.entries.map((entry) => below(title.text, entry)));
      numbers.push(...other.entries.map((_, index) => (index === other.default ? title.number : NaN)));
    } else if (other !== null) {
      reasons.push(`${title.number} ${quote(title.text)}: ${read.reason}: ${other}`);
    } else if (read.entry === null) {
      reasons.push(`${title.number} ${quote(title.text)}: ${read.reason}`);
    } else {
      entries.push(read.entry);
      numbers.push(title.number);
    }
  }
  if (entries.length === 0) throw noEntry(titles.length, reasons);
  notes.push(...reasons.map((reason) => `boots no kernel: ${reason}`));
  const chosen = chooseDefault(menu, titles, numbers, notes, options.savedDefault ?? (() => null));
  return {
    syntax: "grub-legacy",
    entries,
    numbers,
    default: chosen,
    fallback: fallbacksOf(menu, numbers).filter((index) => index !== chosen),
    timeout: readNumber(valueOf(menu, "timeout") ?? ""),
    // GRUB counts the seconds in one line, and shows its menu once a key is pressed.
    ...(menu.some(({ word }) => word === "hiddenmenu") ? { timeoutStyle: "countdown" as const } : {}),
    passwords: readPasswords(menu),
    notes: cut(notes, MAX_NOTES, "notes"),
  };
}

interface Menu {
  /** Commands before the first title. */
  readonly menu: readonly Command[];
  readonly titles: readonly Title[];
}

function readMenu(text: string): Menu {
  const budget = new Budget("titles in the boot config", MAX_TITLES);
  const menu: Command[] = [];
  const titles: Title[] = [];
  let commands = menu;
  // A byte order mark, left by an editor, would spoil the first command.
  for (const command of readCommands(text.startsWith("\ufeff") ? text.slice(1) : text)) {
    if (command.word === "title") {
      budget.spend();
      commands = [];
      titles.push({ number: titles.length, text: command.value, commands });
    } else {
      commands.push(command);
    }
  }
  return { menu, titles };
}

/** The index of the entry that boots: the default, else the first fallback that boots a kernel, else the first entry. */
function chooseDefault(
  menu: readonly Command[],
  titles: readonly Title[],
  numbers: readonly number[],
  notes: string[],
  savedDefault: () => string | null,
): number {
  const wanted = readDefault(valueOf(menu, "default"), notes, savedDefault);
  const index = numbers.indexOf(wanted);
  if (index >= 0) return index;
  const failure = wanted < titles.length ? `${wanted}, boots no kernel` : `${wanted}, does not exist`;
  for (const fallback of readFallbacks(valueOf(menu, "fallback") ?? "")) {
    const found = numbers.indexOf(fallback);
    if (found < 0) continue;
    notes.push(`the default entry, ${failure}: its fallback ${fallback} is taken`);
    return found;
  }
  notes.push(`the default entry, ${failure}, and no fallback does: the first entry that does is taken`);
  return 0;
}

function readDefault(value: string | null, notes: string[], savedDefault: () => string | null): number {
  if (value === null) return 0;
  if (splitWord(value).word !== "saved") {
    const number = readNumber(value);
    if (number === null) notes.push(`default is no number, ${quote(value)}: read as 0`);
    return number ?? 0;
  }
  // grub-set-default writes the number in the first line and pads the file, for GRUB overwrites it in place.
  const saved = savedDefault();
  const number = saved === null ? null : readNumber(saved.slice(0, 100).split("\n")[0] ?? "");
  if (number === null) notes.push("default is saved, but no number is saved beside the config: read as 0");
  return number ?? 0;
}

/** Indices of the entries that `fallback` names and that boot a kernel. */
function fallbacksOf(menu: readonly Command[], numbers: readonly number[]): number[] {
  const named = readFallbacks(valueOf(menu, "fallback") ?? "").map((number) => numbers.indexOf(number));
  return named.filter((index) => index >= 0);
}

function below(submenu: string, entry: BootEntry): BootEntry {
  return { ...entry, submenu: [submenu, ...(entry.submenu ?? [])] };
}

/** `password [--md5|--encrypted] PASSWORD [CONFIG]` above the titles; the last one counts. */
function readPasswords(menu: readonly Command[]): MenuPassword[] {
  const password = readPassword(valueOf(menu, "password") ?? "");
  return password === null ? [] : [password];
}

function readFallbacks(value: string): number[] {
  const numbers: number[] = [];
  for (let left = splitWord(value); left.word !== "" && numbers.length < 20; left = splitWord(left.rest)) {
    const number = readNumber(left.word);
    if (number !== null) numbers.push(number);
  }
  return numbers;
}

/** The value of a menu command; the last one counts. */
function valueOf(menu: readonly Command[], word: string): string | null {
  return menu.findLast((command) => command.word === word)?.value ?? null;
}

const MENU_WORDS = new Set(["default", "fallback", "hiddenmenu", "timeout"]);
/** General commands, and those that distributions' GRUBs added; nothing of them matters to a kernel under Xen. */
const GENERAL_WORDS = new Set(
  (
    "bootp color device dhcp hide ifconfig pager partnew parttype password rarp serial setkey terminal terminfo " +
    "tftpserver unhide splashimage gfxmenu foreground background debug verbose"
  ).split(" "),
);
const ENTRY_WORDS = new Set(
  (
    "root rootnoverify kernel initrd module modulenounzip chainloader configfile lock savedefault makeactive map boot " +
    "uuid blocklist cat cmp displayapm displaymem embed find fstest geometry halt help impsprobe install ioprobe md5crypt " +
    "pause quit quiet read reboot setup testload testvbe uppermem vbeprobe"
  ).split(" "),
);

function noteMenuWords(menu: readonly Command[]): string[] {
  return menu.flatMap(({ line, word }) => {
    if (word === "password") return [`line ${line}: the menu is protected by a password, which is not asked for`];
    if (ENTRY_WORDS.has(word)) return [`line ${line}: ${word} stands before the first title and is passed over`];
    return [];
  });
}

/** Unknown words, once each; and menu words inside an entry, where GRUB does not know them either. */
function noteUnknownWords(menu: readonly Command[], titles: readonly Title[]): string[] {
  const notes: string[] = [];
  const seen = new Set<string>();
  const note = (command: Command, why: string): void => {
    if (seen.has(command.word) || seen.size >= MAX_NOTES) return;
    seen.add(command.word);
    notes.push(`line ${command.line}: ${quote(command.word)} ${why} and is passed over`);
  };
  for (const command of menu) {
    const known = MENU_WORDS.has(command.word) || GENERAL_WORDS.has(command.word) || ENTRY_WORDS.has(command.word);
    if (!known) note(command, "is not known");
  }
  for (const command of titles.flatMap((title) => title.commands)) {
    if (MENU_WORDS.has(command.word)) note(command, "stands after a title");
    else if (!GENERAL_WORDS.has(command.word) && !ENTRY_WORDS.has(command.word)) note(command, "is not known");
  }
  return notes;
}

function noEntry(titles: number, reasons: readonly string[]): GuestbootError {
  const what =
    titles === 0
      ? "it has no title at all"
      : `none of its ${titles} titles boots a kernel: ${cut(reasons, 8, "titles").join("; ")}`;
  return new GuestbootError("NO_BOOT_ENTRY", `the boot config cannot be booted: ${what}`, {
    hint: "name the files inside the guest, --kernel=PATH --ramdisk=PATH, or repair the config in the guest",
  });
}

/** At most `limit` of `lines`, and a last one that says how many more there were. */
function cut(lines: readonly string[], limit: number, what: string): string[] {
  return lines.length <= limit ? [...lines] : [...lines.slice(0, limit), `and ${lines.length - limit} more ${what}`];
}
