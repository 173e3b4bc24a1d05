/**
 * Which kernels this host's Xen can unpack. Its domain builder, libxenguest, is built with or without each
 * decompressor; what it was built with shows in the names that it takes from their libraries.
 *
 * tools/libs/guest/xg_dom_bzimageloader.c of Xen. gzip is always there; lz4 came with Xen 4.4 and zstd with 4.15.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { isSystemError } from "../base/errors.ts";
import type { Compression } from "../compress/compression.ts";
import type { KernelImage } from "./kernel-image.ts";

/** Where Xen's libraries are: XCP-ng and XenServer, Debian, and Xen built by hand. */
const LIBRARY_FOLDERS = ["/usr/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib", "/usr/local/lib"] as const;
/** The libraries have about 1 MB. */
const LARGEST_LIBRARY = 64 * 1024 * 1024;

/** What the library holds when it has the decompressor: a function's name, or the words of its error. */
const TRACES: readonly (readonly [Compression, string])[] = [
  ["bzip2", "BZ2_bzDecompress"],
  ["lzma", "lzma_alone_decoder"],
  ["xz", "lzma_stream_decoder"],
  ["lzo", "lzo1x_decompress"],
  ["lz4", "LZ4 decompression error"],
  ["zstd", "ZSTD_decompress"],
];

/** Why a host may lack it. */
const SINCE: Readonly<Partial<Record<Compression, string>>> = { lz4: "4.4", zstd: "4.15" };

/**
 * null when no library was found: then this host has no Xen, or it is elsewhere. Of several, all must have it, since
 * the one that will be used cannot be told.
 */
export function readXenDecompressors(folders: readonly string[] = LIBRARY_FOLDERS): ReadonlySet<Compression> | null {
  let common: ReadonlySet<Compression> | null = null;
  for (const file of folders.flatMap(librariesIn)) {
    if (fs.statSync(file).size > LARGEST_LIBRARY) continue;
    const library = decompressorsOf(fs.readFileSync(file));
    common = common === null ? library : common.intersection(library);
  }
  return common;
}

/** @param library libxenguest's bytes */
export function decompressorsOf(library: Uint8Array): ReadonlySet<Compression> {
  const bytes = Buffer.from(library.buffer, library.byteOffset, library.byteLength);
  const found = TRACES.filter(([, trace]) => bytes.includes(trace)).map(([compression]) => compression);
  return new Set<Compression>(["gzip", ...found]);
}

/**
 * A sentence when Xen could not unpack the kernel, or null when it can or nothing speaks against it.
 * @param supported null: not known
 */
export function whyXenCannotUnpack(
  { payload }: Pick<KernelImage, "payload">,
  supported: ReadonlySet<Compression> | null,
): string | null {
  if (payload === null || supported?.has(payload) === true) return null;
  const since = SINCE[payload];
  if (supported === null) {
    return since === undefined
      ? null
      : `The kernel is packed with ${payload}: a host's Xen can unpack that from version ${since} on, if it was built so.`;
  }
  return `This host's Xen cannot unpack the kernel, which is packed with ${payload}: --decompress-kernel makes an image that it can load.`;
}

function librariesIn(folder: string): string[] {
  let names: string[];
  try {
    names = fs.readdirSync(folder);
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ENOTDIR", "EACCES")) return [];
    throw error;
  }
  // Each library once, by its real name: the others are links to it.
  const files = names.filter((name) => /^libxenguest\.so\.[0-9.]+$/.test(name)).map((name) => path.join(folder, name));
  return files.filter((file) => fs.lstatSync(file).isFile());
}
