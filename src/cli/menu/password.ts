/**
 * Is what was typed a password of the menu? GRUB legacy's and syslinux's md5-crypt, GRUB 2's PBKDF2
 * (https://www.gnu.org/software/grub/manual/grub/grub.html#password_005fpbkdf2), syslinux's SHA-1, and plain ones.
 *
 * Not checked: sha256-crypt and sha512-crypt; a menu that has only such passwords stays locked.
 */
import type { BootConfig, MenuPassword } from "../../bootconfig/boot-config.ts";
import { encodeText } from "../../base/text.ts";
import type { Protected } from "./menu-state.ts";
import { md5Crypt } from "./md5-crypt.ts";
import { lockOf } from "./menu-tree.ts";

/** Rounds of PBKDF2 that a guest's config may ask of us; `grub-mkpasswd-pbkdf2` makes 10,000. About a second. */
const MAX_ITERATIONS = 2_000_000;
const MAX_DERIVED_BYTES = 1024;

/** Does the menu ask before it lets anybody edit? */
export function isGuarded({ passwords = [], isGuarded: said }: BootConfig): boolean {
  return said ?? passwords.length > 0;
}

/** Those that `wanted` is done after: the menu's, and the own ones of an entry to boot or a submenu to open. */
export function passwordsFor(config: BootConfig, wanted: Protected): readonly MenuPassword[] {
  const { passwords = [] } = config;
  if (wanted.kind === "boot") return [...passwords, ...(wanted.entry.passwords ?? [])];
  return wanted.kind === "open" ? [...passwords, ...lockOf(config, wanted.way).passwords] : passwords;
}

/** Is one of the passwords that user's and this one? `user` counts only where the config names users. */
export function isPassword(passwords: readonly MenuPassword[], user: string, typed: string): boolean {
  return passwords.some((password) => (password.user === null || password.user === user) && matches(password, typed));
}

/** Do the passwords belong to users, so that a name has to be asked for? */
export function haveUsers(passwords: readonly MenuPassword[]): boolean {
  return passwords.some((password) => password.user !== null);
}

/** Is there any password among them that can be checked? */
export function areCheckable(passwords: readonly MenuPassword[]): boolean {
  return passwords.some(({ form }) => form !== "sha256-crypt" && form !== "sha512-crypt");
}

function matches({ form, value }: MenuPassword, typed: string): boolean {
  const bytes = encodeText(typed);
  switch (form) {
    case "plain":
      return isSame(bytes, encodeText(value));
    case "md5-crypt": {
      const computed = md5Crypt(bytes, value);
      return computed !== null && isSame(encodeText(computed), encodeText(value));
    }
    case "pbkdf2":
      return matchesPbkdf2(value, bytes);
    case "sha1-base64":
      return matchesSha1(value, bytes);
    case "sha256-crypt":
    case "sha512-crypt":
      return false;
  }
}

/** `grub.pbkdf2.sha512.ITERATIONS.SALT.HASH`, both in hexadecimal. */
function matchesPbkdf2(value: string, typed: Uint8Array): boolean {
  const match = /^grub\.pbkdf2\.sha512\.(\d{1,9})\.((?:[0-9a-f]{2})+)\.((?:[0-9a-f]{2})+)$/i.exec(value);
  const [, rounds = "", salt = "", hash = ""] = match ?? [];
  const iterations = Number(rounds);
  const expected = Buffer.from(hash, "hex");
  if (iterations < 1 || iterations > MAX_ITERATIONS) return false;
  if (expected.length === 0 || expected.length > MAX_DERIVED_BYTES) return false;
  const { pbkdf2Sync } = process.getBuiltinModule("node:crypto");
  return isSame(pbkdf2Sync(typed, Buffer.from(salt, "hex"), iterations, expected.length, "sha512"), expected);
}

/** syslinux, `sha1pass`: `$4$SALT$BASE64$`, where the salt is put before the password. */
function matchesSha1(value: string, typed: Uint8Array): boolean {
  const match = /^\$4\$([^$]*)\$([A-Za-z0-9+/=]+)\$?$/.exec(value);
  const [, salt = "", base64 = ""] = match ?? [];
  if (base64 === "") return false;
  const digest = process.getBuiltinModule("node:crypto").createHash("sha1").update(salt).update(typed).digest();
  return isSame(digest, Buffer.from(base64, "base64"));
}

function isSame(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && process.getBuiltinModule("node:crypto").timingSafeEqual(left, right);
}
