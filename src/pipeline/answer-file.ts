/**
 * An answer file on its way into an initrd: read from the host or from its address, and made an overlay.
 */
import * as fs from "node:fs";
import { memorySource } from "../base/byte-source.ts";
import { GuestbootError, isSystemError, systemReason } from "../base/errors.ts";
import { answerPlace, type AnswerFile } from "../distro/answer-file.ts";
import type { Installer } from "../distro/catalog.ts";
import type { Overlay } from "../initrd/overlay.ts";
import { parseLocation } from "../repository/location.ts";
import { openRepository, type RepositoryOptions } from "../repository/open.ts";

/** Such files have some kilobytes. */
const LARGEST = 4 * 1024 * 1024;

/**
 * The file's bytes.
 * @throws GuestbootError OVERLAY_INVALID, FILE_TOO_LARGE, INVALID_SOURCE when it is not there; and what the transport
 *   throws
 */
export async function readAnswerFile(
  { from }: AnswerFile,
  options: RepositoryOptions,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  if (!/^(?:https?|ftp|nfs):/i.test(from)) return readFromHost(from.replace(/^file:\/\/(?=\/)/i, ""));
  const cut = from.lastIndexOf("/") + 1;
  await using repository = await openRepository(parseLocation(from.slice(0, cut)), options);
  const name = decoded(from.slice(cut));
  const result = await repository.fetch(name, { signal });
  if (result.outcome !== "content") {
    throw new GuestbootError("INVALID_SOURCE", `there is no answer file ${repository.addressOf(name)}`, {
      hint: "check its address",
      args: [repository.addressOf(name)],
    });
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of result.body) {
    size += chunk.length;
    if (size > LARGEST) throw tooLarge(repository.addressOf(name));
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

export interface PlacedAnswer {
  /** To be laid over the ramdisk; none where the installer fetches the file by itself. */
  readonly overlays: readonly Overlay[];
  /** For the kernel command line. */
  readonly arguments: string;
}

/**
 * The answer file put where that installer looks.
 * @param what names family and release in errors
 * @throws GuestbootError as `answerPlace` and `readAnswerFile`
 */
export async function placeAnswer(
  answer: AnswerFile,
  installer: Installer | null,
  what: string,
  options: RepositoryOptions,
  signal?: AbortSignal,
): Promise<PlacedAnswer> {
  const place = answerPlace(installer, answer.kind, answer.from, what);
  if (place.file === null) return { overlays: [], arguments: place.arguments };
  const bytes = await readAnswerFile(answer, options, signal);
  return { overlays: [answerOverlay(bytes, place.file)], arguments: place.arguments };
}

/** The file as an overlay: only root reads it, since it may hold passwords; without a time, so that it stays the same. */
export function answerOverlay(bytes: Uint8Array, file: string): Overlay {
  const common = { uid: 0, gid: 0, mtime: 0 };
  return [{ ...common, path: file, kind: "file", mode: 0o600, size: bytes.length, content: memorySource(bytes, file) }];
}

function readFromHost(file: string): Uint8Array {
  try {
    const stats = fs.statSync(file);
    if (!stats.isFile()) throw new GuestbootError("OVERLAY_INVALID", `${file} is no file`);
    if (stats.size > LARGEST) throw tooLarge(file);
    return fs.readFileSync(file);
  } catch (error) {
    if (error instanceof GuestbootError || !isSystemError(error)) throw error;
    throw new GuestbootError("OVERLAY_INVALID", `the answer file ${file} cannot be read: ${systemReason(error)}`, {
      cause: error,
      hint: `ls -l ${file}`,
    });
  }
}

function tooLarge(what: string): GuestbootError {
  return new GuestbootError("FILE_TOO_LARGE", `${what}: an answer file of more than ${LARGEST / 1024 ** 2} MiB`);
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
