/**
 * The menu between two keys, as plain data. What a key makes of it is in `next-state.ts` and the files of the screens;
 * how it looks in `render.ts`.
 */
import type { BootConfig, BootEntry } from "../../bootconfig/boot-config.ts";
import type { PartialEntry } from "./entry-lines.ts";
import type { GuestFiles } from "./guest-files.ts";
import type { ChoiceTools } from "../../pipeline/interactive-choice.ts";
import type { Key } from "./key.ts";
import type { LineInput } from "./line-input.ts";

/** What stays the same while the menu is shown. */
export interface MenuWorld {
  readonly config: BootConfig;
  readonly tools: ChoiceTools;
  readonly files: GuestFiles;
}

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

export type MenuEvent =
  /** null: a key that means nothing, but somebody is there. */
  | { readonly kind: "key"; readonly key: Key | null }
  /** A second has gone by. */
  | { readonly kind: "second" }
  | { readonly kind: "resize"; readonly size: TerminalSize }
  /** Nobody can type any more. */
  | { readonly kind: "end of input" };

export type Outcome =
  | { readonly kind: "boot"; readonly entry: BootEntry }
  /** Nobody chose. */
  | { readonly kind: "default" }
  | { readonly kind: "cancel" };

export interface MenuState {
  readonly size: TerminalSize;
  /** Seconds until the default boots; null once somebody is there. */
  readonly countdown: number | null;
  /** Before the first key GRUB's `timeout_style` counts, which may hide the menu; after it the menu is shown. */
  readonly shows: NonNullable<BootConfig["timeoutStyle"]>;
  /** A password was given. */
  readonly isUnlocked: boolean;
  readonly list: ListPlace;
  readonly screen: Screen;
  /** Not null: the menu is over. */
  readonly outcome: Outcome | null;
}

/** Where in the list, also while another screen is shown. */
export interface ListPlace {
  /** Titles of the submenus around it. */
  readonly way: readonly string[];
  readonly selected: number;
}

export type Screen =
  { readonly kind: "list" } | EditorScreen | ArgumentsScreen | CommandScreen | PasswordScreen | MessageScreen;

/** An entry's lines; `input` while the selected one is edited. */
export interface EditorScreen {
  readonly kind: "editor";
  readonly entry: BootEntry;
  readonly lines: readonly string[];
  readonly selected: number;
  readonly input: LineInput | null;
  /** The input is a line that was just opened while this one was selected: abandoned, it goes again. Else null. */
  readonly openedFrom: number | null;
  readonly choices: readonly string[];
}

export interface ArgumentsScreen {
  readonly kind: "arguments";
  readonly entry: BootEntry;
  readonly input: LineInput;
}

export interface CommandScreen {
  readonly kind: "command";
  /** What was shown so far, the oldest first. */
  readonly output: readonly string[];
  /** How many lines of the output's end are scrolled out of sight. */
  readonly scrolledBack: number;
  readonly input: LineInput;
  readonly history: readonly string[];
  /** Index into `history` of the line that is shown; its length for the one that is being typed. */
  readonly recalled: number;
  readonly entry: PartialEntry;
}

export interface PasswordScreen {
  readonly kind: "password";
  readonly asks: "user" | "password";
  readonly user: string;
  readonly input: LineInput;
  /** What was held up by the question. */
  readonly then: Protected;
}

/** What needs a password where the config has one. */
export type Protected =
  | { readonly kind: "unlock" }
  | { readonly kind: "boot"; readonly entry: BootEntry }
  /** A submenu, by the titles of the way to it. */
  | { readonly kind: "open"; readonly way: readonly string[] }
  | { readonly kind: "edit"; readonly entry: BootEntry }
  | { readonly kind: "arguments"; readonly entry: BootEntry }
  | { readonly kind: "command" };

/** A sentence that waits for any key, and where the key leads. */
export interface MessageScreen {
  readonly kind: "message";
  readonly text: string;
  readonly back: Screen;
}
