/**
 * Text from a guest or a server on its way to a terminal: a control character would be obeyed there.
 */

/** Control characters (C0, DEL, C1) become `\xNN`, and a byte that was no UTF-8 becomes the replacement character. */
export function printable(text: string): string {
  return text
    .replace(/[\u0000-\u001f\u007f-\u009f]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`)
    .toWellFormed();
}
