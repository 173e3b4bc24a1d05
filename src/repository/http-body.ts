/**
 * What stands between a web server's answer and a file: a rest that must be the right one, a coding that nobody asked
 * for. Web pages in a file's place are noticed for all transports alike, elsewhere.
 */
import { GuestbootError, isSystemError } from "../base/errors.ts";
import { quote } from "../base/printable.ts";
import type { HttpResponse } from "./http-message.ts";
import type { ReceivedPart } from "./repository.ts";
import { brokenTransfer, tooLarge } from "./transfer.ts";

/**
 * Is this the rest that was asked for (RFC 9110, section 15.3.7), of the same file, to its end? A server that ignores
 * `If-Range`, or a cache on the way that mixes two files, is known by the entity tag and the length.
 */
export function isRestOf({ bytes, size, etag }: ReceivedPart, response: HttpResponse): boolean {
  const [, first, last, whole] =
    /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(response.header("content-range") ?? "") ?? [];
  const length = response.header("content-length");
  return (
    Number(first) === bytes &&
    Number(last) === size - 1 &&
    Number(whole) === size &&
    response.header("etag") === etag &&
    (length === null || Number(length) === size - bytes)
  );
}

/** `as is`: the bytes are the file. `gzip`: it was compressed on the way, although we asked for it as it is. */
export type Coding = "as is" | "gzip";

/**
 * Servers label `.gz` files as encoded, and an initrd must stay one; but a kernel that comes as gzip was compressed
 * for us. @throws REPOSITORY_REFUSED for another coding
 */
export function codingOf(response: HttpResponse): Coding {
  const coding = (response.header("content-encoding") ?? "identity").trim().toLowerCase();
  if (coding === "identity" || coding === "") return "as is";
  const name = new URL(response.url).pathname;
  const isGzip = coding === "gzip" || coding === "x-gzip";
  if (isGzip) return /\.(?:t?gz|img)$/i.test(name) || /initrd|initramfs/i.test(name) ? "as is" : "gzip";
  if (/\.(?:t?xz|t?bz2|zst|lzma|br|Z)$/i.test(name)) return "as is";
  throw new GuestbootError(
    "REPOSITORY_REFUSED",
    `${response.url}: the server sent the file in the coding ${quote(coding)}, although it was asked for as it is`,
    { hint: "switch compression off for these files on the server or the proxy on the way, or use another mirror" },
  );
}

/** Undoes gzip. @param limit bytes of what comes out @throws FILE_TOO_LARGE, TRANSFER_FAILED; what `chunks` throws */
export async function* gunzipped(
  url: string,
  chunks: AsyncIterable<Uint8Array>,
  limit: number,
): AsyncGenerator<Uint8Array> {
  const { createGunzip } = process.getBuiltinModule("node:zlib");
  const { Readable } = process.getBuiltinModule("node:stream");
  const source = Readable.from(chunks);
  const gunzip = createGunzip();
  // pipe() does not hand on a failure of the source.
  source.on("error", (error) => gunzip.destroy(error));
  source.pipe(gunzip);
  let size = 0;
  try {
    for await (const chunk of gunzip as AsyncIterable<Uint8Array>) {
      size += chunk.length;
      if (size > limit) throw tooLarge(url, limit);
      yield chunk;
    }
  } catch (error) {
    if (!isSystemError(error) || !error.code?.startsWith("Z_")) throw error;
    throw brokenTransfer(url, "what came is no whole gzip", size, null, error);
  } finally {
    source.destroy();
    gunzip.destroy();
  }
}
