/**
 * Keys of a terminal as the menu knows them. The platform's reader (`node:readline`, `emitKeypressEvents`) has put
 * escape sequences together and told a lone Esc from the start of one by then; here its words become ours.
 */

export type NamedKey =
  | "up"
  | "down"
  | "left"
  | "right"
  | "home"
  | "end"
  | "page up"
  | "page down"
  | "enter"
  | "escape"
  | "backspace"
  | "delete"
  | "tab"
  | "f10";

export type Key =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "named"; readonly name: NamedKey }
  /** A letter with Ctrl, in lower case. */
  | { readonly kind: "control"; readonly letter: string };

/** What the platform says of a key. */
export interface PlatformKey {
  readonly name?: string | undefined;
  readonly sequence?: string | undefined;
  readonly ctrl?: boolean | undefined;
  readonly meta?: boolean | undefined;
}

/** null for a key that the menu has no use for: an unknown sequence, a letter with Alt. */
export function keyOf(character: string | undefined, key: PlatformKey): Key | null {
  const named = NAMED.get(key.name ?? "");
  if (named !== undefined && key.ctrl !== true) return { kind: "named", name: named };
  if (key.ctrl === true) {
    const letter = key.name ?? "";
    return /^[a-z]$/.test(letter) ? { kind: "control", letter } : null;
  }
  const text = character ?? key.sequence ?? "";
  if (key.meta === true || text === "" || /\p{Cc}/u.test(text)) return null;
  return { kind: "text", text };
}

/** A serial line sends CR for Enter, some send LF; backspace comes as BS or DEL, both are "backspace" already. */
const NAMED: ReadonlyMap<string, NamedKey> = new Map([
  ["up", "up"],
  ["down", "down"],
  ["left", "left"],
  ["right", "right"],
  ["home", "home"],
  ["end", "end"],
  ["pageup", "page up"],
  ["pagedown", "page down"],
  ["return", "enter"],
  ["enter", "enter"],
  ["escape", "escape"],
  ["backspace", "backspace"],
  ["delete", "delete"],
  ["tab", "tab"],
  ["f10", "f10"],
]);
