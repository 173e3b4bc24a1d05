/**
 * What volumes are called by, as blkid(8) writes it.
 */
import { decodeText } from "../base/text.ts";

/** 16 bytes of a UUID (RFC 9562) in its usual writing. */
export function uuidText(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString("hex");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** As `uuidText`; null where all bytes are zero: a volume may have none. */
export function uuidOrNone(bytes: Uint8Array): string | null {
  return bytes.every((byte) => byte === 0) ? null : uuidText(bytes);
}

/** A name that zeros fill up; null for an empty one, which is none. */
export function nameText(bytes: Uint8Array): string | null {
  const end = bytes.indexOf(0);
  const text = decodeText(end === -1 ? bytes : bytes.subarray(0, end));
  return text === "" ? null : text;
}
