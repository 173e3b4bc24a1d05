/**
 * Paths through submenus as GRUB 2 writes them: `1>2`, `Advanced options>Linux 6.1`.
 * https://www.gnu.org/software/grub/manual/grub/grub.html#default
 */
import type { MenuStep } from "./boot-config.ts";

/** The parts of a path; in a title or an id a `>` is written twice. */
export function splitPath(text: string): string[] {
  return text
    .replaceAll(">>", "\0")
    .split(">")
    .map((part) => part.replaceAll("\0", ">"));
}

/** Does a part of a path name this line of a menu? A number counts; it wins over a title. */
export function isNamed(step: MenuStep, part: string): boolean {
  const number = numberOf(part);
  return number === null ? step.title === part || (step.id !== null && step.id === part) : step.position === number;
}

/** Decimal, hexadecimal or octal, as C reads a number. */
function numberOf(part: string): number | null {
  const text = part.trim();
  if (/^0[0-7]{1,9}$/.test(text)) return parseInt(text, 8);
  return /^(?:[0-9]{1,9}|0[xX][0-9a-fA-F]{1,7})$/.test(text) ? Number(text) : null;
}

/** The number that a part begins with, as C reads it; null where it begins with none. */
export function leadingNumber(part: string): number | null {
  const [digits = ""] = /^\s*(?:0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)/.exec(part) ?? [];
  return digits === "" ? null : numberOf(digits);
}
