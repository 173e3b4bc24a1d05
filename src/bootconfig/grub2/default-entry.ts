/**
 * Which entry GRUB 2 boots by itself: what the variable `default` names, by number, title or id, `>` leading into
 * submenus; `fallback` for when that one does not boot.
 * https://www.gnu.org/software/grub/manual/grub/grub.html#default, #fallback
 */
import { isNamed, leadingNumber, splitPath } from "../menu-path.ts";
import type { MenuNode } from "./menu-tree.ts";

/** What was found on the way, and whether it is an entry. */
export type NamedNode = MenuNode | null;

/**
 * The line of the menu, or of one below it, that `text` names; null when there is none. Where a path leads into a menu
 * and names nothing there, it is that menu: GRUB has opened it by then. What follows an entry counts for nothing.
 */
export function nodeNamed(nodes: readonly MenuNode[], text: string): NamedNode {
  // A title with a single `>` in it is written as it is by those who do not know better.
  const whole = nodes.find(({ step }) => isNamed(step, text));
  return whole === undefined ? follow(nodes, splitPath(text)) : opened(whole, []);
}

function follow(nodes: readonly MenuNode[], [part = "", ...rest]: readonly string[]): NamedNode {
  const named = lineNamed(nodes, part);
  return named === null ? null : opened(named, rest);
}

/** What a menu's body has set its `default` to wins over the rest of the path that led there. */
function opened(node: MenuNode, rest: readonly string[]): MenuNode {
  const outcome = node.outcome();
  if (outcome.kind === "entry") return node;
  const path = outcome.default === null ? rest : splitPath(outcome.default);
  return path.length === 0 ? node : (follow(outcome.nodes, path) ?? node);
}

/**
 * A title may begin with a number, and then it is the title that was meant, as Red Hat's GRUB reads it. GNU's takes the
 * number and nothing else; so does Red Hat's where no title is the same.
 */
function lineNamed(nodes: readonly MenuNode[], part: string): MenuNode | null {
  const named = nodes.find(({ step }) => isNamed(step, part));
  if (named !== undefined) return named;
  const number = leadingNumber(part);
  return nodes.find(({ step }) => step.position === number) ?? null;
}

/** `fallback`'s entries, with blanks between them; or one whose title has blanks. */
export function fallbackNodes(nodes: readonly MenuNode[], text: string): MenuNode[] {
  if (text === "") return [];
  // A list of numbers is no path that begins with a number.
  const whole = /^\s*[0-9]/.test(text) ? nodes.find(({ step }) => isNamed(step, text)) : nodeNamed(nodes, text);
  if (whole !== undefined && whole !== null) return [whole];
  return text
    .split(/\s+/)
    .slice(0, 20)
    .map((part) => nodeNamed(nodes, part))
    .filter((node) => node !== null);
}
