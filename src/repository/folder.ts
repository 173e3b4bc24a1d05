/**
 * A repository in a folder of this host: an unpacked tree, or a mounted one. Its files' sizes and times of last change
 * tell their versions apart. Links are followed only where they stay inside, because a tree is what somebody unpacked.
 */
import { open, realpath, stat, type FileHandle } from "node:fs/promises";
import { constants } from "node:fs";
import { join } from "node:path";
import { GuestbootError, isSystemError, systemReason } from "../base/errors.ts";
import { escapePath } from "./location.ts";
import type { FetchOptions, FetchResult, FileFacts, Repository } from "./repository.ts";
import {
  brokenTransfer,
  checkedBody,
  checkSize,
  DEFAULT_LIMITS,
  isUnchanged,
  validatorsOf,
  type TransferLimits,
} from "./transfer.ts";

/** Bytes that are read at a time. */
const PIECE = 256 * 1024;

/**
 * @param folder absolute
 * @param address of the repository as it is shown, ending in `/`
 * @throws REPOSITORY_UNREACHABLE when there is no such folder; REPOSITORY_REFUSED when it may not be read
 */
export async function openFolderRepository(
  folder: string,
  address: string,
  given: Partial<TransferLimits> = {},
): Promise<Repository> {
  try {
    const root = await realpath(folder);
    if (!(await stat(root)).isDirectory()) {
      throw new GuestbootError("REPOSITORY_UNREACHABLE", `${address}: it is not a folder`, { hint: `ls -l ${folder}` });
    }
    return new FolderRepository(root, address, { ...DEFAULT_LIMITS, ...given });
  } catch (error) {
    if (error instanceof GuestbootError) throw error;
    if (isSystemError(error, "EACCES", "EPERM")) throw refused(address, systemReason(error), error);
    throw new GuestbootError("REPOSITORY_UNREACHABLE", `${address}: ${systemReason(error)}`, {
      hint: `ls -ld ${folder}`,
      cause: error,
    });
  }
}

class FolderRepository implements Repository {
  readonly address: string;
  readonly #root: string;
  readonly #limits: TransferLimits;
  readonly #open = new Set<FileHandle>();

  constructor(root: string, address: string, limits: TransferLimits) {
    this.#root = root;
    this.address = address;
    this.#limits = limits;
  }

  addressOf(path: string): string {
    return this.address + escapePath(path);
  }

  async look(path: string, signal?: AbortSignal): Promise<FileFacts | null> {
    const found = await this.#openFile(path, signal);
    if (found === null) return null;
    await this.#close(found.handle);
    return found.facts;
  }

  async fetch(path: string, { unless, signal }: FetchOptions = {}): Promise<FetchResult> {
    const found = await this.#openFile(path, signal);
    const url = this.addressOf(path);
    if (found === null) return { outcome: "missing", url };
    const { handle, facts } = found;
    try {
      checkSize(facts, this.#limits);
    } catch (error) {
      await this.#close(handle);
      throw error;
    }
    if (isUnchanged(unless, facts)) {
      await this.#close(handle);
      return { outcome: "unchanged", url };
    }
    const explain = (error: unknown, received: number) =>
      brokenTransfer(url, systemReason(error), received, facts.size, error);
    const incoming = { facts, limits: this.#limits, signal, explain };
    return { outcome: "content", facts, body: checkedBody(this.#pieces(handle, facts.size ?? 0), incoming) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#open].map((handle) => this.#close(handle)));
  }

  async #openFile(path: string, signal?: AbortSignal): Promise<{ handle: FileHandle; facts: FileFacts } | null> {
    signal?.throwIfAborted();
    const url = this.addressOf(path);
    let handle: FileHandle | null = null;
    try {
      const real = await realpath(join(this.#root, path));
      if (!`${real}/`.startsWith(this.#root === "/" ? "/" : `${this.#root}/`)) {
        throw new GuestbootError("REPOSITORY_REFUSED", `${url}: a symbolic link leads out of the repository`, {
          hint: "put a copy of the file there in place of the link",
        });
      }
      // Not to wait for the other end of a named pipe, and not to be led elsewhere after the look above.
      handle = await open(real, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
      this.#open.add(handle);
      const status = await handle.stat();
      if (!status.isFile()) {
        await this.#close(handle);
        if (status.isDirectory()) return null;
        throw refused(url, "it is neither a file nor a folder");
      }
      return { handle, facts: { url, size: status.size, ...validatorsOf(status.size, status.mtimeMs) } };
    } catch (error) {
      if (handle !== null) await this.#close(handle);
      if (error instanceof GuestbootError) throw error;
      if (isSystemError(error, "ENOENT", "ENOTDIR", "ENAMETOOLONG")) return null;
      if (isSystemError(error, "EACCES", "EPERM", "ELOOP", "ENXIO")) throw refused(url, systemReason(error), error);
      throw new GuestbootError("REPOSITORY_UNREACHABLE", `${url}: ${systemReason(error)}`, { cause: error });
    }
  }

  /** No more than `size` bytes: a file that grows meanwhile is somebody's unfinished business. */
  async *#pieces(handle: FileHandle, size: number): AsyncGenerator<Uint8Array> {
    try {
      for (let at = 0; at < size;) {
        const buffer = new Uint8Array(Math.min(PIECE, size - at));
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
        if (bytesRead === 0) return;
        yield buffer.subarray(0, bytesRead);
        at += bytesRead;
      }
    } finally {
      await this.#close(handle);
    }
  }

  async #close(handle: FileHandle): Promise<void> {
    if (this.#open.delete(handle)) await handle.close();
  }
}

function refused(url: string, reason: string, cause?: unknown): GuestbootError {
  return new GuestbootError("REPOSITORY_REFUSED", `${url}: ${reason}`, { hint: "ls -lL shows who may read it", cause });
}
