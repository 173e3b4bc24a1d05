/**
 * Which entry GRUB 2 boots by itself: what the variable `default` names, by number, title or id, `>` leading into
 * submenus; `fallback` for when that one does not boot.
 * https://www.gnu.org/software/grub/manual/grub/grub.html#default, #fallback
 */
import { isNamed, splitPath } from "../menu-path.ts";
import type { MenuNode } from "./menu-tree.ts";

/** What was found on the way, and whether it is an entry. */
export type NamedNode = MenuNode | null;

/** The line of the menu, or of one below it, that `text` names; null when there is none. */
export function nodeNamed(nodes: readonly MenuNode[], text: string): NamedNode {
  // A title with a single `>` in it is written as it is by those who do not know better.
  const whole = nodes.find(({ step }) => isNamed(step, text));
  if (whole !== undefined) return whole;
  let within = nodes;
  let found: NamedNode = null;
  for (const part of splitPath(text)) {
    found = within.find(({ step }) => isNamed(step, part)) ?? null;
    if (found === null) return null;
    within = found.kind === "menu" ? found.nodes : [];
  }
  return found;
}

/** `fallback`'s entries, with blanks between them; or one whose title has blanks. */
export function fallbackNodes(nodes: readonly MenuNode[], text: string): MenuNode[] {
  if (text === "") return [];
  const whole = nodeNamed(nodes, text);
  if (whole !== null) return [whole];
  return text
    .split(/\s+/)
    .slice(0, 20)
    .map((part) => nodeNamed(nodes, part))
    .filter((node) => node !== null);
}
