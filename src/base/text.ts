/**
 * Text of a guest (boot configs, file names) as JavaScript strings without losing a byte: valid UTF-8 becomes what it
 * says, and a byte that is not becomes the lone surrogate U+DC00 + byte (as Python's `surrogateescape` does), so that
 * `encodeText(decodeText(bytes))` gives the same bytes again.
 */

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();
const ESCAPE = 0xdc00;

export function decodeText(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    // The platform says only that some byte is wrong, not which; the slow way finds it.
    return decodeEscaping(bytes);
  }
}

export function encodeText(text: string): Uint8Array {
  if (text.isWellFormed()) return encoder.encode(text);
  const parts: Uint8Array[] = [];
  // Lone ones only: the second half of a character above U+FFFF looks the same.
  for (const run of text.split(/(?<![\ud800-\udbff])([\udc80-\udcff])/)) {
    const code = run.length === 1 ? run.charCodeAt(0) : 0;
    parts.push(code >= 0xdc80 && code <= 0xdcff ? Uint8Array.of(code - ESCAPE) : encoder.encode(run));
  }
  return Buffer.concat(parts);
}

function decodeEscaping(bytes: Uint8Array): string {
  const parts: string[] = [];
  let at = 0;
  while (at < bytes.length) {
    const start = at;
    for (let length = sequenceLength(bytes, at); length > 0; length = sequenceLength(bytes, at)) at += length;
    if (at > start) parts.push(strict.decode(bytes.subarray(start, at)));
    if (at < bytes.length) parts.push(String.fromCharCode(ESCAPE + (bytes[at] ?? 0)));
    at += 1;
  }
  return parts.join("");
}

/** The length of the valid UTF-8 sequence at `at` (RFC 3629, section 4), or 0. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const lead = bytes[at] ?? 0xff;
  if (lead < 0x80) return 1;
  const length = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
  // Overlong forms, surrogates and what is above U+10FFFF show in the second byte.
  const lowest = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const highest = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  const second = bytes[at + 1] ?? 0;
  if (length === 0 || second < lowest || second > highest) return 0;
  for (let index = 2; index < length; index++) if (((bytes[at + index] ?? 0) & 0xc0) !== 0x80) return 0;
  return length;
}
