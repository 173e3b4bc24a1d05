/**
 * Checksums as indexes write them: which ones count, in one spelling. Pure.
 *
 * SHA-512, SHA-256 and SHA-1 count; MD5 never does, since anybody can make two files of one MD5. SHA-1 still tells
 * damage and takes two files made for each other to deceive, so what it alone proves is never called more than `listed`.
 */
export type Algorithm = "sha512" | "sha256" | "sha1";

const DIGITS: Readonly<Record<Algorithm, number>> = { sha512: 128, sha256: 64, sha1: 40 };

/** `sha256:` and small hexadecimal digits; the same for the others. */
export type Checksum = `${Algorithm}:${string}`;

/** null for what is no checksum that counts. Hexadecimal digits may be large or small. */
export function checksumFrom(algorithm: string, hex: string): Checksum | null {
  const known = algorithmNamed(algorithm.toLowerCase());
  if (known === null || hex.length !== DIGITS[known] || !/^[0-9a-f]+$/i.test(hex)) return null;
  return `${known}:${hex.toLowerCase()}`;
}

/** @param text `sha256:…`, as `checksumFrom` writes it */
export function parseChecksum(text: string): Checksum | null {
  const colon = text.indexOf(":");
  return colon === -1 ? null : checksumFrom(text.slice(0, colon), text.slice(colon + 1));
}

export function algorithmOf(checksum: Checksum): Algorithm {
  return algorithmNamed(checksum.slice(0, checksum.indexOf(":"))) ?? "sha256";
}

/** Does it prove that a file is the one that was listed, and not only that it is undamaged? */
export function isStrong(checksum: Checksum): boolean {
  return algorithmOf(checksum) !== "sha1";
}

/** Digests that an admin has named: for the kernel, and for the ramdisks in their order. */
export interface PinnedDigests {
  readonly kernel: Checksum | null;
  readonly ramdisks: readonly Checksum[];
}

export const NOTHING_PINNED: PinnedDigests = { kernel: null, ramdisks: [] };

/**
 * A pinned digest as people write it: 64 hexadecimal digits, with or without `sha256:` before them. null: it is none.
 */
export function readPin(text: string): Checksum | null {
  return checksumFrom("sha256", text.trim().replace(/^sha256:/i, ""));
}

function algorithmNamed(name: string): Algorithm | null {
  return name === "sha512" || name === "sha256" || name === "sha1" ? name : null;
}
