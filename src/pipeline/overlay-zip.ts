/**
 * An overlay from a zip archive. Its list of files is checked as a repository's is; what it holds is unpacked into
 * memory, so its size has a bound. Folders that the zip does not list are made for the files in them. Not here:
 * symbolic links, devices, owners; a cpio archive carries those.
 */
import type { Entry, ZipFile } from "yauzl";
import { memorySource } from "../base/byte-source.ts";
import { GuestbootError, isSystemError, systemReason } from "../base/errors.ts";
import type { Overlay, OverlayEntry } from "../initrd/overlay.ts";
import { checkEntry, openZip, readDirectory } from "../repository/zip-directory.ts";

/** All files together, in bytes. */
const MOST_EXPANDED = 64 * 1024 * 1024;
const MODE_BITS = 0o7777;

/**
 * @param open for an archive that is no file
 * @throws GuestbootError OVERLAY_INVALID, INVALID_SOURCE, BUDGET_EXCEEDED
 */
export async function overlayFromZip(
  file: string,
  open: (file: string) => Promise<ZipFile> = openZip,
): Promise<Overlay> {
  try {
    const zip = await open(file);
    zip.on("error", () => undefined);
    try {
      return await readOverlay(zip, file);
    } finally {
      zip.close();
    }
  } catch (error) {
    if (error instanceof GuestbootError) throw error;
    const reason = isSystemError(error) || error instanceof Error ? systemReason(error) : String(error);
    throw new GuestbootError("OVERLAY_INVALID", `${file}: the zip cannot be used: ${reason}`, {
      cause: error,
      hint: "unzip -t shows whether it is whole",
    });
  }
}

async function readOverlay(zip: ZipFile, file: string): Promise<Overlay> {
  const entries = [...(await readDirectory(zip, file))].sort(([one], [other]) => (one < other ? -1 : 1));
  let left = MOST_EXPANDED;
  const overlay = new Map<string, OverlayEntry>();
  for (const [path, entry] of entries) {
    checkEntry(entry, `${file}: ${path}`);
    left -= entry.uncompressedSize;
    if (left < 0) {
      throw new GuestbootError("BUDGET_EXCEEDED", `${file} holds more than ${MOST_EXPANDED / 1024 ** 2} MiB`, {
        hint: "unpack it and name the folder",
      });
    }
    // Local time zones must not make other bytes of the same zip.
    const mtime = Math.floor(entry.getLastModDate({ timezone: "UTC" }).getTime() / 1000);
    const common = { uid: 0, gid: 0, mtime: Math.max(mtime, 0) };
    for (let end = path.indexOf("/"); end !== -1; end = path.indexOf("/", end + 1)) {
      const folder = path.slice(0, end);
      if (overlay.has(folder)) continue;
      overlay.set(folder, { ...common, path: folder, kind: "directory", mode: 0o755, size: 0, content: null });
    }
    const bytes = await contentOf(zip, entry, `${file}: ${path}`);
    const mode = (entry.externalFileAttributes >>> 16) & MODE_BITS;
    const content = memorySource(bytes, path);
    overlay.set(path, { ...common, path, kind: "file", mode: mode === 0 ? 0o644 : mode, size: bytes.length, content });
  }
  return [...overlay.values()];
}

async function contentOf(zip: ZipFile, entry: Entry, what: string): Promise<Uint8Array> {
  const stream: AsyncIterable<Uint8Array> = await zip.openReadStreamPromise(entry);
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  const { crc32 } = process.getBuiltinModule("node:zlib");
  if (crc32(bytes) === entry.crc32) return bytes;
  throw new GuestbootError("OVERLAY_INVALID", `${what}: the file in the zip is damaged (its checksum is another)`, {
    hint: "unzip -t shows which files are; copy the zip again",
  });
}
