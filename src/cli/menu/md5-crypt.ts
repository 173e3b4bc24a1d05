/**
 * md5-crypt, the `$1$salt$…` of crypt(5): what GRUB legacy's `password --md5` and `grub-md5-crypt` use. Made by
 * Poul-Henning Kamp for FreeBSD; described at https://passlib.readthedocs.io/en/stable/lib/passlib.hash.md5_crypt.html
 *
 * A guest's config chooses it, not we: it is weak, and read only to be compared with what a person types.
 */
const ROUNDS = 1000;
const MAX_SALT = 8;

/** @returns null when `setting` does not begin with `$1$` */
export function md5Crypt(password: Uint8Array, setting: string): string | null {
  const salt = /^\$1\$([^$]*)/.exec(setting)?.[1]?.slice(0, MAX_SALT);
  if (salt === undefined) return null;
  const saltBytes = Buffer.from(salt);
  const alternate = md5(password, saltBytes, password);
  const first: Uint8Array[] = [password, Buffer.from("$1$"), saltBytes, repeated(alternate, password.length)];
  // One byte for each bit of the length, the lowest first: a zero for a one, the password's first byte for a zero.
  for (let bits = password.length; bits > 0; bits >>= 1) {
    first.push(bits % 2 === 1 ? Uint8Array.of(0) : password.subarray(0, 1));
  }
  let digest = md5(...first);
  for (let round = 0; round < ROUNDS; round++) {
    const odd = round % 2 === 1;
    digest = md5(
      odd ? password : digest,
      round % 3 === 0 ? EMPTY : saltBytes,
      round % 7 === 0 ? EMPTY : password,
      odd ? digest : password,
    );
  }
  return `$1$${salt}$${encode(digest)}`;
}

const EMPTY = new Uint8Array();

function md5(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = process.getBuiltinModule("node:crypto").createHash("md5");
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function repeated(digest: Uint8Array, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => digest[index % digest.length] ?? 0);
}

const ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** The digest's bytes in the order of the format, three to four letters, the low bits first. */
const GROUPS = [
  [0, 6, 12],
  [1, 7, 13],
  [2, 8, 14],
  [3, 9, 15],
  [4, 10, 5],
] as const;

function encode(digest: Uint8Array): string {
  const letters = (value: number, count: number) =>
    Array.from({ length: count }, (_, index) => ALPHABET[(value >> (6 * index)) & 63] ?? "").join("");
  const byte = (index: number) => digest[index] ?? 0;
  const groups = GROUPS.map(([high, middle, low]) => letters((byte(high) << 16) | (byte(middle) << 8) | byte(low), 4));
  return groups.join("") + letters(byte(11), 2);
}
