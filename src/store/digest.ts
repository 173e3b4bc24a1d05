/** What a file in the store is known by. */
import type { Hash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";

/** A SHA-256 digest as the rest of guestboot writes it: `sha256:` and 64 small hexadecimal digits. */
export type Digest = `sha256:${string}`;

export function isDigest(text: string): text is Digest {
  return /^sha256:[0-9a-f]{64}$/.test(text);
}

export function digestOf(bytes: Uint8Array | string): Digest {
  return `sha256:${newHash().update(bytes).digest("hex")}`;
}

/** The digest of bytes that come piece by piece. */
export interface Hasher {
  update(bytes: Uint8Array): void;
  /** Ends the hashing. */
  digest(): Digest;
}

export function sha256(): Hasher {
  const hash = newHash();
  return {
    update(bytes) {
      hash.update(bytes);
    },
    digest: () => `sha256:${hash.digest("hex")}`,
  };
}

/** Fetched when it is needed: what is loaded into the start-up snapshot cannot be loaded in another thread any more. */
function newHash(): Hash {
  return process.getBuiltinModule("node:crypto").createHash("sha256");
}

/** The digest of a file's bytes as they are now. @throws the system's errors */
export function digestOfFile(path: string): Digest {
  const hash = sha256();
  updateFromFile(hash, path, Number.MAX_SAFE_INTEGER);
  return hash.digest();
}

/** Hashes the file's first `limit` bytes, or all where it has fewer. @throws the system's errors */
export function updateFromFile(hash: Pick<Hasher, "update">, path: string, limit: number): void {
  if (limit === 0) return;
  const fd = openSync(path, "r");
  try {
    const buffer = Buffer.allocUnsafe(1024 * 1024);
    for (let done = 0; done < limit;) {
      const length = readSync(fd, buffer, 0, Math.min(buffer.length, limit - done), null);
      if (length === 0) return;
      hash.update(buffer.subarray(0, length));
      done += length;
    }
  } finally {
    closeSync(fd);
  }
}

/** The digest's 64 hexadecimal digits. */
export function hexOf(digest: Digest): string {
  return digest.slice("sha256:".length);
}
