/**
 * Finds the keyrings of this host and reads their bytes, with bounds. What the bytes mean is the keyring's business.
 *
 * A folder's files count when they are named `*.gpg`, `*.pgp` or `*.asc`; folders in it do not. GnuPG's own database
 * (`pubring.kbx`) is not read: `gpg --export KEY` writes a keyring that is.
 */
import { GuestbootError, isSystemError, systemReason } from "../base/errors.ts";

export interface KeyringFile {
  readonly path: string;
  readonly bytes: Uint8Array;
  /** Holds keys that a distribution has retired: they count only where expired keys do. */
  readonly isRetired: boolean;
}

export interface KeyringFiles {
  readonly files: readonly KeyringFile[];
  /** A sentence for each file that is there and was left out. */
  readonly warnings: readonly string[];
}

/** Debian's whole keyring has 56 kB, those of all distributions that a folder may hold a few megabytes. */
const LARGEST_FILE = 4 * 1024 * 1024;
const MOST_BYTES = 32 * 1024 * 1024;
const MOST_FILES = 500;

/**
 * @param places files and folders; a folder that is not there is nothing
 * @throws KEYRING_UNUSABLE for a file that is named and cannot be read
 */
export function readKeyringFiles(places: readonly string[]): KeyringFiles {
  const fs = process.getBuiltinModule("node:fs");
  const files: KeyringFile[] = [];
  const warnings: string[] = [];
  let total = 0;
  for (const { path, isNamed } of places.flatMap(filesAt)) {
    try {
      const size = fs.statSync(path).size;
      if (size > LARGEST_FILE) throw unusable(path, `it has ${size} bytes, and at most ${LARGEST_FILE} are read`);
      total += size;
      if (total > MOST_BYTES || files.length >= MOST_FILES) {
        warnings.push(`${path} and what comes after it is not read: too many keyrings`);
        break;
      }
      files.push({ path, bytes: fs.readFileSync(path), isRetired: /removed-keys/.test(path) });
    } catch (error) {
      const reason = error instanceof GuestbootError ? error : unusable(path, systemReason(error), error);
      if (isNamed) throw reason;
      warnings.push(reason.message);
    }
  }
  return { files, warnings };
}

/** What the keyrings are, as far as their folders tell: it changes when one of them does. Nothing of them is read. */
export function keyringStamp(places: readonly string[]): string {
  const fs = process.getBuiltinModule("node:fs");
  const stamps = places.flatMap(filesAt).map(({ path }) => {
    const status = fs.statSync(path, { throwIfNoEntry: false });
    return [path, status?.size, status?.mtimeMs, status?.ctimeMs, status?.ino];
  });
  return JSON.stringify(stamps);
}

/** Is there any keyring at these places? Nothing is read. */
export function hasKeyrings(places: readonly string[]): boolean {
  return places.some((place) => filesAt(place).length > 0);
}

interface Found {
  readonly path: string;
  /** By its own name, and not by its folder's. */
  readonly isNamed: boolean;
}

function filesAt(place: string): Found[] {
  const fs = process.getBuiltinModule("node:fs");
  try {
    return fs
      .readdirSync(place)
      .filter((name) => /\.(?:gpg|pgp|asc)$/i.test(name))
      .sort()
      .map((name) => ({ path: `${place.replace(/\/+$/, "")}/${name}`, isNamed: false }));
  } catch (error) {
    if (isSystemError(error, "ENOTDIR")) return [{ path: place, isNamed: true }];
    if (isSystemError(error, "ENOENT"))
      return /\.(?:gpg|pgp|asc)$/i.test(place) ? [{ path: place, isNamed: true }] : [];
    throw unusable(place, systemReason(error), error);
  }
}

function unusable(path: string, why: string, cause?: unknown): GuestbootError {
  return new GuestbootError("KEYRING_UNUSABLE", `the keyring ${path} cannot be read: ${why}`, {
    hint: "a keyring is a file of public keys, as gpg --export writes it, binary or with --armor",
    cause,
  });
}
