/**
 * The checksums of bytes that are here, to be held against what an index lists.
 */
import type { Algorithm, Checksum } from "../base/checksum.ts";
import { GuestbootError } from "../base/errors.ts";

export function checksumOf(bytes: Uint8Array, algorithm: Algorithm): Checksum {
  const { createHash } = process.getBuiltinModule("node:crypto");
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;
}

/** The checksum of a file's bytes as they are now. @throws STORE_DAMAGED when it cannot be read */
export async function checksumOfFile(path: string, algorithm: Algorithm): Promise<Checksum> {
  const { createHash } = process.getBuiltinModule("node:crypto");
  const { createReadStream } = process.getBuiltinModule("node:fs");
  const hash = createHash(algorithm);
  try {
    for await (const piece of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
      if (piece instanceof Uint8Array) hash.update(piece);
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new GuestbootError("STORE_DAMAGED", `${path} cannot be read to compare its checksum: ${reason}`, {
      cause: error,
    });
  }
  return `${algorithm}:${hash.digest("hex")}`;
}
