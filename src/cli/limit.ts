/** `--max-size-mb`: how far an initrd's member may grow when it is expanded. */
import { GuestbootError } from "../base/errors.ts";

const MEBIBYTE = 1024 * 1024;

/** @param byDefault the host's setting, in bytes. @returns bytes. @throws USAGE */
export function limitOf(word: string | undefined, byDefault: number): number {
  if (word === undefined) return byDefault;
  const count = /^[0-9]{1,7}$/.test(word) ? Number(word) : 0;
  if (count > 0) return count * MEBIBYTE;
  throw new GuestbootError("USAGE", `--max-size-mb takes a number of megabytes, not "${word}"`);
}
