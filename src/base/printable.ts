/**
 * Text from a guest or a server inside words for an admin. It ends up on a terminal and in a log, so nothing in it may
 * move the cursor, turn the writing direction round, or break the line.
 */

const CUT_AT = 60;

/** `text` with everything that does not simply print shown by its code: `\x1b`, `\u{202e}`. */
export function printable(text: string): string {
  return text.replace(/\p{C}|[\u2028\u2029]/gu, shown);
}

/** `text` between quotation marks, cut at 60 characters. */
export function quote(text: string): string {
  // Most text is plain, and compiling what follows costs milliseconds the first time.
  if (/^[ !#-[\]-~]{0,60}$/.test(text)) return `"${text}"`;
  const short = text.length > CUT_AT ? `${text.slice(0, CUT_AT)}…` : text;
  return `"${short.replace(/["\\]|\p{C}|[\u2028\u2029]/gu, (character) => (/["\\]/.test(character) ? `\\${character}` : shown(character)))}"`;
}

function shown(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  // `decodeText` keeps a byte that is not UTF-8 as U+DC00 + byte: show the byte.
  const byte = code >= 0xdc80 && code <= 0xdcff ? code - 0xdc00 : code;
  return byte < 0x100 ? `\\x${byte.toString(16).padStart(2, "0")}` : `\\u{${byte.toString(16)}}`;
}
