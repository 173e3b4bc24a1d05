/**
 * What an admin sets about the cost of reading a guest's disk: the keys of `[limits]` in /etc/guestboot.conf that
 * `ReadLimits` has, and their environment variables.
 */
import { GuestbootError } from "./errors.ts";
import { DEFAULT_READ_LIMITS, type ReadLimits } from "./limits.ts";

const MEBIBYTE = 1024 * 1024;

/** Where each setting stands, in the form of settings.ts. */
export const LIMIT_KEYS = {
  directoryEntries: limit("max-directory-entries"),
  extents: limit("max-extents"),
  links: limit("max-links"),
  treeDepth: limit("max-tree-depth"),
  bytesRead: limit("max-bytes-read-mb"),
  seconds: limit("max-seconds"),
} as const satisfies Readonly<Record<Exclude<keyof ReadLimits, "memory">, unknown>>;

export type LimitKey = keyof typeof LIMIT_KEYS;

/** The most that each may be: what keeps memory and stack bounded, and, for the last two, whatever somebody wants. */
const MOST: Readonly<Record<LimitKey, number>> = {
  directoryEntries: 5_000_000,
  extents: 5_000_000,
  links: 1000,
  treeDepth: 2048,
  bytesRead: 1024 ** 2,
  seconds: 86_400,
};

/** A setting as given, and where, for the error. */
interface Given {
  readonly value: string;
  readonly where: string;
}

/**
 * @param find a setting as the file or the environment gives it; null when neither does
 * @throws SETTINGS_INVALID
 */
export function readLimitSettings(find: (key: LimitKey) => Given | null): Omit<ReadLimits, "memory"> {
  const count = (key: LimitKey): number | null => wholeNumber(find(key), MOST[key]);
  const mebibytes = count("bytesRead");
  return {
    directoryEntries: count("directoryEntries") ?? DEFAULT_READ_LIMITS.directoryEntries,
    extents: count("extents") ?? DEFAULT_READ_LIMITS.extents,
    links: count("links") ?? DEFAULT_READ_LIMITS.links,
    treeDepth: count("treeDepth") ?? DEFAULT_READ_LIMITS.treeDepth,
    bytesRead: mebibytes === null ? DEFAULT_READ_LIMITS.bytesRead : mebibytes * MEBIBYTE,
    seconds: count("seconds") ?? DEFAULT_READ_LIMITS.seconds,
  };
}

function wholeNumber(given: Given | null, most: number): number | null {
  if (given === null) return null;
  const count = /^[0-9]{1,9}$/.test(given.value) ? Number(given.value) : 0;
  if (count >= 1 && count <= most) return count;
  throw new GuestbootError("SETTINGS_INVALID", `${given.where}: must be a whole number from 1 to ${most}`);
}

function limit(key: string) {
  return { section: "limits", key, variable: `GUESTBOOT_${key.replaceAll("-", "_").toUpperCase()}` } as const;
}
