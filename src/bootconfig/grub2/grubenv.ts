/**
 * The environment block: the file `grubenv` in which GRUB keeps `saved_entry`, `next_entry` and the like.
 * https://www.gnu.org/software/grub/manual/grub/grub.html#Environment-block
 *
 * Read only. Nothing is ever written to a guest's disk, not even what GRUB itself would write there.
 */
import { GuestbootError } from "../../base/errors.ts";

/** The first line of the file, which tells it from any other. */
const SIGNATURE = "# GRUB Environment Block\n";
/** GRUB makes it 1,024 bytes large; others have made larger ones. */
export const MAX_GRUBENV_SIZE = 64 * 1024;

/**
 * The names and values of the block, in its order. A backslash keeps the next character from its meaning, also a line
 * end; lines that begin with `#` are the block's filling.
 *
 * @throws NO_BOOT_CONFIG when it does not begin with GRUB's signature
 */
export function readGrubenv(text: string): readonly (readonly [name: string, value: string])[] {
  if (!text.startsWith(SIGNATURE)) {
    throw new GuestbootError("NO_BOOT_CONFIG", "this is no environment block of GRUB: its first line is another");
  }
  const variables: [string, string][] = [];
  let position = SIGNATURE.length;
  while (position < text.length) {
    if (text[position] === "#") {
      const newline = text.indexOf("\n", position);
      if (newline < 0) break;
      position = newline + 1;
      continue;
    }
    const line = readLine(text, position);
    position = line.end;
    const equals = line.text.indexOf("=");
    if (equals > 0) variables.push([line.text.slice(0, equals), line.text.slice(equals + 1)]);
  }
  return variables;
}

/** One line with its escapes resolved, and where the next begins. */
function readLine(text: string, start: number): { readonly text: string; readonly end: number } {
  let line = "";
  for (let position = start; position < text.length; position++) {
    const character = text[position] ?? "";
    if (character === "\n") return { text: line, end: position + 1 };
    if (character === "\\") {
      position += 1;
      line += text[position] ?? "";
    } else {
      line += character;
    }
  }
  return { text: line, end: text.length };
}
