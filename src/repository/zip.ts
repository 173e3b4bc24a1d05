/**
 * A zip of an installation tree as a repository, for hosts without a network
 * (https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT).
 *
 * Stored and deflated entries; zip64. Not here: encryption, symbolic links, other compressions, archives in several
 * parts. The archive comes from somewhere, so nothing in it is believed: its list of names is checked as a whole
 * (`zip-directory.ts`), and an entry's bytes against its size and checksum.
 */
import { stat } from "node:fs/promises";
import type { Readable } from "node:stream";
import type { Entry, ZipFile } from "yauzl";
import { GuestbootError, isSystemError, systemReason } from "../base/errors.ts";
import { escapePath } from "./location.ts";
import type { FetchOptions, FetchResult, FileFacts, Repository } from "./repository.ts";
import {
  brokenTransfer,
  checkedBody,
  checkSize,
  DEFAULT_LIMITS,
  isUnchanged,
  truncatedTransfer,
  type TransferLimits,
} from "./transfer.ts";
import { checkEntry, openZip, readDirectory } from "./zip-directory.ts";

export interface OpenedZip {
  readonly zip: ZipFile;
  /** When the archive was changed last, in milliseconds since 1970. */
  readonly changed: number;
}

async function openFile(archive: string): Promise<OpenedZip> {
  const { mtimeMs } = await stat(archive);
  return { zip: await openZip(archive), changed: mtimeMs };
}

/**
 * @param archive the zip file's path
 * @param address of the repository as it is shown, ending in `/`
 * @param open for an archive that is no file
 * @throws REPOSITORY_UNREACHABLE when it cannot be read; INVALID_SOURCE when it is no zip that can be trusted
 */
export async function openZipRepository(
  archive: string,
  address: string,
  given: Partial<TransferLimits> = {},
  open: (archive: string) => Promise<OpenedZip> = openFile,
): Promise<Repository> {
  const { zip, changed } = await open(archive).catch((error: unknown) => {
    throw isSystemError(error) ? unreadable(address, archive, error) : damaged(address, error);
  });
  // Its errors reach whoever waits for it; one that comes when nobody does must not end the process.
  zip.on("error", () => undefined);
  try {
    return new ZipRepository(zip, await readDirectory(zip, address), address, changed, {
      ...DEFAULT_LIMITS,
      ...given,
    });
  } catch (error) {
    zip.close();
    throw error instanceof GuestbootError ? error : damaged(address, error);
  }
}

class ZipRepository implements Repository {
  readonly address: string;
  readonly #zip: ZipFile;
  readonly #entries: ReadonlyMap<string, Entry>;
  readonly #changed: number;
  readonly #limits: TransferLimits;

  constructor(
    zip: ZipFile,
    entries: ReadonlyMap<string, Entry>,
    address: string,
    changed: number,
    limits: TransferLimits,
  ) {
    this.#zip = zip;
    this.#entries = entries;
    this.address = address;
    this.#changed = changed;
    this.#limits = limits;
  }

  addressOf(path: string): string {
    return this.address + escapePath(path);
  }

  look(path: string, signal?: AbortSignal): Promise<FileFacts | null> {
    return Promise.try(() => {
      signal?.throwIfAborted();
      return this.#find(path)?.facts ?? null;
    });
  }

  async fetch(path: string, { unless, signal }: FetchOptions = {}): Promise<FetchResult> {
    signal?.throwIfAborted();
    const url = this.addressOf(path);
    const found = this.#find(path);
    if (found === null) return { outcome: "missing", url };
    const { entry, facts } = found;
    checkSize(facts, this.#limits);
    if (isUnchanged(unless, facts)) return { outcome: "unchanged", url };
    const explain = (error: unknown, received: number) => explainBroken(url, error, received, entry);
    const stream = await this.#openEntry(entry, url);
    const incoming = { facts, limits: this.#limits, signal, explain };
    return { outcome: "content", facts, body: checkedBody(checksummed(stream, entry, url), incoming) };
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#zip.close();
    return Promise.resolve();
  }

  #find(path: string): { entry: Entry; facts: FileFacts } | null {
    const url = this.addressOf(path);
    const name = path
      .split("/")
      .filter((segment) => segment !== "" && segment !== ".")
      .join("/");
    const entry = path.endsWith("/") ? undefined : this.#entries.get(name);
    if (entry === undefined) return null;
    checkEntry(entry, url);
    const { crc32, uncompressedSize } = entry;
    const etag = `"${crc32.toString(16)}-${uncompressedSize.toString(16)}-${Math.round(this.#changed).toString(16)}"`;
    return { entry, facts: { url, size: uncompressedSize, etag, lastModified: null } };
  }

  async #openEntry(entry: Entry, url: string): Promise<Readable> {
    try {
      const local = await this.#zip.readLocalFileHeaderPromise(entry);
      // Two names for the same bytes would mean that whoever looked at the archive with another program saw other files.
      if (!local.fileName.equals(entry.fileNameRaw)) {
        throw new GuestbootError("INVALID_SOURCE", `${url}: the zip names this file differently in its two places`);
      }
      const stream = await this.#zip.openReadStreamPromise(entry);
      // It begins before anybody reads it; a failure must not end the process.
      stream.on("error", () => undefined);
      return stream;
    } catch (error) {
      throw error instanceof GuestbootError ? error : damaged(url, error);
    }
  }
}

async function* checksummed(stream: Readable, entry: Entry, url: string): AsyncGenerator<Uint8Array> {
  const { crc32 } = process.getBuiltinModule("node:zlib");
  let checksum = 0;
  const chunks: AsyncIterable<Uint8Array> = stream;
  for await (const chunk of chunks) {
    checksum = crc32(chunk, checksum);
    yield chunk;
  }
  if (checksum === entry.crc32) return;
  throw new GuestbootError("TRANSFER_FAILED", `${url}: the file in the zip is damaged (its checksum is another)`, {
    hint: "unzip -t shows which files are; copy the zip again",
  });
}

function explainBroken(url: string, error: unknown, received: number, entry: Entry): GuestbootError {
  const reason = systemReason(error);
  if (reason.startsWith("not enough bytes")) return truncatedTransfer(url, received, entry.uncompressedSize);
  if (reason.startsWith("too many bytes")) {
    return new GuestbootError(
      "TRANSFER_FAILED",
      `${url}: the file in the zip is larger than the ${entry.uncompressedSize} bytes that the zip says`,
      { cause: error },
    );
  }
  return brokenTransfer(url, `the zip is damaged (${reason})`, received, entry.uncompressedSize, error);
}

function unreadable(address: string, archive: string, error: unknown): GuestbootError {
  const code = isSystemError(error, "EACCES", "EPERM") ? "REPOSITORY_REFUSED" : "REPOSITORY_UNREACHABLE";
  return new GuestbootError(code, `${address}: ${systemReason(error)}`, { hint: `ls -l ${archive}`, cause: error });
}

function damaged(address: string, error: unknown): GuestbootError {
  return new GuestbootError("INVALID_SOURCE", `${address}: the zip cannot be used: ${systemReason(error)}`, {
    hint: "unzip -t shows whether it is whole; copy it again if not",
    cause: error,
  });
}
