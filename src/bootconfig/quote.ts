/**
 * A guest's text inside words for an admin. It ends up on a terminal and in a log, so nothing in it may move the
 * cursor, turn the writing direction round, break the line, or fill the screen.
 */

const LIMIT = 60;

/** `text` between quotation marks, cut at 60 characters, with everything that does not simply print escaped. */
export function quote(text: string): string {
  const short = text.length > LIMIT ? `${text.slice(0, LIMIT)}…` : text;
  return `"${short.replace(/["\\]|\p{C}|[\u2028\u2029]/gu, escape)}"`;
}

function escape(character: string): string {
  if (character === '"' || character === "\\") return `\\${character}`;
  const code = character.codePointAt(0) ?? 0;
  // `decodeText` keeps a byte that is not UTF-8 as U+DC00 + byte: show the byte.
  const byte = code >= 0xdc80 && code <= 0xdcff ? code - 0xdc00 : code;
  return byte < 0x100 ? `\\x${byte.toString(16).padStart(2, "0")}` : `\\u{${byte.toString(16)}}`;
}
