/**
 * The MD5 of a file, computed while its bytes pass by: what maps of fixups know an initrd by. A file is not read for it
 * a second time, but for the beginning that an earlier transfer has left. It proves nothing.
 */
import { type Hasher, updateFromFile } from "./digest.ts";

export interface Md5Beside {
  /** The bytes on their way, unchanged. */
  readonly body: AsyncIterable<Uint8Array>;
  /** 32 small hexadecimal digits, once the body has ended. */
  digest(): string;
}

/** @param begun bytes of the file at `path` that stand before the body's */
export function md5Beside(body: AsyncIterable<Uint8Array>, path: string, begun: number): Md5Beside {
  const hash = process.getBuiltinModule("node:crypto").createHash("md5");
  const hasher: Pick<Hasher, "update"> = { update: (bytes) => void hash.update(bytes) };
  return {
    body: passing(body, hasher, path, begun),
    digest: () => hash.digest("hex"),
  };
}

async function* passing(
  body: AsyncIterable<Uint8Array>,
  hasher: Pick<Hasher, "update">,
  path: string,
  begun: number,
): AsyncGenerator<Uint8Array, void> {
  updateFromFile(hasher, path, begun);
  for await (const bytes of body) {
    hasher.update(bytes);
    yield bytes;
  }
}
