/**
 * An overlay as one more member for the end of an initrd. The kernel unpacks members in order, so what stands in the
 * last one wins; the cost is the overlay's, whatever the initrd's size and compression.
 *
 * The member is compressed by a library in place of the platform's zlib, whose output differs from build to build: the
 * same overlay gives the same bytes on every machine. A small one is stored. Not here: a look at what the initrd holds
 * (links-in-the-way.ts). Where one file of it has several names (hard links) and the overlay one of them, the kernel
 * writes into that file, so that all names have the overlay's content; a repack changes the one name only.
 */
import { storeInGzip } from "../compress/gzip-stored.ts";
import type { Overlay } from "./overlay.ts";
import { packOverlay } from "./write-cpio.ts";

/** gzip's own. */
const LEVEL = 6;
/**
 * Bytes of an overlay's files. A smaller one is put into the member as it is (stored blocks, RFC 1951): deflating 64 KB
 * takes a process that does it once some 35 ms, a third of the whole patch, to make an initrd of many megabytes smaller
 * by a few kilobytes.
 */
const SMALL = 256 * 1024;

/**
 * The member's bytes, for the end of an initrd: padding first.
 * @param initrdSize bytes of the initrd so far
 * @throws GuestbootError as `packOverlay`
 */
export async function* appendedMember(
  overlay: Overlay,
  compression: "gzip" | "none",
  initrd: { readonly size: number; readonly endsInLz4: boolean },
): AsyncGenerator<Uint8Array, void> {
  // An LZ4 decompressor of the kernel knows its end only by four zeros (Linux 5.8).
  const padding = (-initrd.size & 3) + (initrd.endsInLz4 ? 4 : 0);
  if (padding > 0) yield new Uint8Array(padding);
  const archive = packOverlay(overlay);
  if (compression === "none") yield* archive;
  else if (sizeOf(overlay) <= SMALL) yield* storeInGzip(archive);
  else yield* gzipped(archive);
}

function sizeOf(overlay: Overlay): number {
  return overlay.reduce((sum, entry) => sum + (entry.kind === "file" ? entry.size : 0), 0);
}

/** In the same bytes everywhere: no name, no time, and a library's own deflate. */
async function* gzipped(chunks: Iterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  const { Deflate } = await import("pako");
  const ready: Uint8Array[] = [];
  const deflate = new Deflate({ level: LEVEL, gzip: true, chunkSize: 64 * 1024 });
  deflate.onData = (chunk: Uint8Array) => void ready.push(chunk);
  for (const chunk of chunks) {
    deflate.push(chunk, false);
    yield* ready.splice(0);
  }
  deflate.push(new Uint8Array(0), true);
  yield* ready;
}

/** Why an initrd cannot be given one more member, or null when it can. */
export type NeedsRepack = "kernel before 2.6" | "LZ4 before Linux 5.8" | null;

/**
 * Can this kernel take one more member? Archives that follow each other came with Linux 2.6.0. A member in LZ4's legacy
 * frame has no end of its own: kernels before 5.8 fail at what follows it ("lib/lz4: correctly handle zero-padding
 * around initrds", decompress_unlz4.c), so does one whose version nobody knows.
 *
 * @param kernelVersion "6.1.0-44-amd64"; null: not known
 */
export function whyRepack(kernelVersion: string | null, endsInLz4: boolean): NeedsRepack {
  const version = /^(\d{1,4})\.(\d{1,4})/.exec(kernelVersion ?? "");
  const number = version === null ? null : Number(version[1]) * 10_000 + Number(version[2]);
  if (number !== null && number < 20_006) return "kernel before 2.6";
  return endsInLz4 && (number === null || number < 50_008) ? "LZ4 before Linux 5.8" : null;
}
