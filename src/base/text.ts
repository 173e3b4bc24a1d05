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
    const length = sequenceLength(bytes, at);
    if (length === 0) {
      parts.push(String.fromCharCode(ESCAPE + (bytes[at] ?? 0)));
      at += 1;
    } else {
      parts.push(strict.decode(bytes.subarray(at, at + length)));
      at += length;
    }
  }
  return parts.join("");
}

/** The length of the valid UTF-8 sequence at `at` (RFC 3629, section 4), or 0. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const lead = bytes[at] ?? 0;
  const length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
  if (length <= 1) return length;
  if (at + length > bytes.length) return 0;
  try {
    strict.decode(bytes.subarray(at, at + length));
    return length;
  } catch {
    return 0;
  }
}
