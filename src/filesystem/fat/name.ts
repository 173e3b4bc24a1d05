/**
 * Names in a FAT folder: the short one of each entry ("VMLINUZ~1"), and the long one that may stand in the entries
 * before it, 13 characters of UTF-16 each, last part first. Names are the same whatever their case.
 * Specification: Microsoft, "FAT: General Overview of On-Disk Format", version 1.03
 */
import type { CheckedReader } from "../../base/checked-reader.ts";

export const ENTRY_SIZE = 32;
const MAX_PARTS = 20;
const LAST_PART = 0x40;

/** Collects the parts of a long name while a folder's entries go by. */
export class LongName {
  /** Of the parts that came, the last first. */
  #parts: string[] = [];
  /** How many are still to come; the name is whole at 0. */
  #left = -1;
  #checksum = 0;

  /** @param entry one with the attributes of a long name */
  add(entry: CheckedReader): void {
    const order = entry.u8(0, "LDIR_Ord");
    const checksum = entry.u8(13, "LDIR_Chksum");
    const number = order & ~LAST_PART;
    if ((order & LAST_PART) !== 0 && number >= 1 && number <= MAX_PARTS) {
      this.#parts = [];
      this.#left = number;
      this.#checksum = checksum;
    } else if (number !== this.#left || checksum !== this.#checksum) {
      this.forget();
      return;
    }
    this.#parts.push(unitsOf(entry));
    this.#left -= 1;
  }

  forget(): void {
    this.#left = -1;
  }

  /** The name that belongs to a short one, which comes next; null when there is none, or not for this one. */
  take(short: Uint8Array): string | null {
    const isWhole = this.#left === 0 && this.#checksum === checksumOf(short);
    this.forget();
    if (!isWhole) return null;
    const text = this.#parts.reverse().join("");
    const end = text.indexOf("\0");
    const name = (end === -1 ? text : text.slice(0, end)).toWellFormed();
    return name === "" ? null : name;
  }
}

const PLACES = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];

function unitsOf(entry: CheckedReader): string {
  return String.fromCharCode(...PLACES.map((at) => entry.u16le(at, "LDIR_Name")));
}

/** Of the eleven bytes of a short name; it ties the long one to it. */
function checksumOf(short: Uint8Array): number {
  let sum = 0;
  for (const byte of short) sum = (((sum & 1) << 7) + (sum >> 1) + byte) & 0xff;
  return sum;
}

const LOWER_BASE = 0x08;
const LOWER_EXTENSION = 0x10;

/** @param lower the byte in which newer systems keep that a part is written in small letters */
export function shortName(short: Uint8Array, lower: number): string {
  const bytes = Array.from(short);
  // 0xe5 itself would mean "deleted".
  if (bytes[0] === 0x05) bytes[0] = 0xe5;
  const base = decodeOem(bytes.slice(0, 8)).trimEnd();
  const extension = decodeOem(bytes.slice(8)).trimEnd();
  const shown = (lower & LOWER_BASE) === 0 ? base : base.toLowerCase();
  if (extension === "") return shown;
  return `${shown}.${(lower & LOWER_EXTENSION) === 0 ? extension : extension.toLowerCase()}`;
}

/** Code page 437, which Linux takes where it is told nothing: bytes from 0x80 on. */
const CODE_PAGE =
  "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0";

export function decodeOem(bytes: readonly number[]): string {
  return bytes.map((byte) => (byte < 0x80 ? String.fromCharCode(byte) : (CODE_PAGE[byte - 0x80] ?? "?"))).join("");
}

/** Equal for names that FAT takes for one: character by character, so "ß" is not "SS". */
export function withoutCase(name: string): string {
  return Array.from(name, (character) => {
    const upper = character.toUpperCase();
    return upper.length === character.length ? upper : character;
  }).join("");
}
