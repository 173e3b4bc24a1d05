/** What a file in the store is known by. */
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";

/** A SHA-256 digest as the rest of guestboot writes it: `sha256:` and 64 small hexadecimal digits. */
export type Digest = `sha256:${string}`;

export function isDigest(text: string): text is Digest {
  return /^sha256:[0-9a-f]{64}$/.test(text);
}

export function digestOf(bytes: Uint8Array | string): Digest {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** The digest of bytes that come piece by piece. */
export interface Hasher {
  update(bytes: Uint8Array): void;
  /** Ends the hashing. */
  digest(): Digest;
}

export function sha256(): Hasher {
  const hash = createHash("sha256");
  return {
    update(bytes) {
      hash.update(bytes);
    },
    digest: () => `sha256:${hash.digest("hex")}`,
  };
}

/** The digest of a file's bytes as they are now. @throws the system's errors */
export function digestOfFile(path: string): Digest {
  const hash = sha256();
  const fd = openSync(path, "r");
  try {
    const buffer = Buffer.allocUnsafe(1024 * 1024);
    for (;;) {
      const length = readSync(fd, buffer);
      if (length === 0) return hash.digest();
      hash.update(buffer.subarray(0, length));
    }
  } finally {
    closeSync(fd);
  }
}

/** The digest's 64 hexadecimal digits. */
export function hexOf(digest: Digest): string {
  return digest.slice("sha256:".length);
}
