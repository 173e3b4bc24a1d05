/**
 * A repository on an installation medium: the guest's CD device or an ISO file, read directly and not mounted. A
 * hybrid image is read as the CD that it is; its partition table is of no interest here.
 */
import * as fs from "node:fs";
import type { ByteSource } from "../base/byte-source.ts";
import { GuestbootError, isSystemError, systemReason } from "../base/errors.ts";
import { openDisk, type OpenDisk } from "../disk/open-disk.ts";
import type { FilesystemNode, GuestFilesystem } from "../filesystem/filesystem.ts";
import { guestFilesystem } from "../filesystem/guest-filesystem.ts";
import { openIso9660 } from "../filesystem/iso9660/iso-driver.ts";
import { hasIsoMagic } from "../filesystem/iso9660/volume-descriptor.ts";
import { escapePath } from "./location.ts";
import type { FetchOptions, FetchResult, FileFacts, Repository, Validators } from "./repository.ts";

/** Bytes that are read at a time; between two reads others have their turn, signals among them. */
const PIECE = 256 * 1024;

const INSERT_MEDIUM =
  "insert the installation medium (xe vm-cd-insert vm=NAME cd-name=ISO), or set other-config:install-repository to " +
  "the http:// address of the same repository";

/**
 * @param path a block device or a file
 * @throws REPOSITORY_UNREACHABLE when there is no medium or it cannot be read; INVALID_SOURCE when it holds no
 *   ISO 9660 filesystem; FILESYSTEM_DAMAGED
 */
export async function openIsoRepository(path: string): Promise<Repository> {
  const isFile = await isRegularFile(path);
  const escaped = path.split("/").map(encodeURIComponent).join("/");
  const address = isFile ? `file://${escaped}/` : `cdrom:${escaped}/`;
  const disk = opened(path, isFile);
  try {
    // Only a file's times say whether it is another one than before: in a device there may be any medium.
    const validators = isFile ? validatorsOf(fs.statSync(path, { bigint: true })) : NO_VALIDATORS;
    const filesystem = filesystemOn(path, disk.source);
    return new IsoRepository(address, disk, filesystem, validators);
  } catch (error) {
    disk[Symbol.dispose]();
    throw error;
  }
}

class IsoRepository implements Repository {
  readonly address: string;
  readonly #disk: OpenDisk;
  readonly #filesystem: GuestFilesystem;
  readonly #validators: Validators;
  #isClosed = false;

  constructor(address: string, disk: OpenDisk, filesystem: GuestFilesystem, validators: Validators) {
    this.address = address;
    this.#disk = disk;
    this.#filesystem = filesystem;
    this.#validators = validators;
  }

  addressOf(path: string): string {
    return this.address + escapePath(path);
  }

  async look(path: string, signal?: AbortSignal): Promise<FileFacts | null> {
    signal?.throwIfAborted();
    const node = this.#find(path);
    return Promise.resolve(node === null ? null : this.#factsOf(path, node));
  }

  async fetch(path: string, { unless, signal }: FetchOptions = {}): Promise<FetchResult> {
    signal?.throwIfAborted();
    const url = this.addressOf(path);
    const node = this.#find(path);
    if (node === null) return Promise.resolve({ outcome: "missing", url });
    if (unless !== undefined && unless.etag !== null && unless.etag === this.#validators.etag) {
      return { outcome: "unchanged", url };
    }
    const content = this.#naming(url, () => this.#filesystem.open(`/${path}`));
    return { outcome: "content", facts: this.#factsOf(path, node), body: this.#body(url, content, signal) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#disk[Symbol.dispose]();
    return Promise.resolve();
  }

  /** null for a folder, too: that is no file which could be fetched. */
  #find(path: string): FilesystemNode | null {
    const node = this.#naming(this.addressOf(path), () => this.#filesystem.find(`/${path}`));
    return node?.kind === "file" ? node : null;
  }

  #factsOf(path: string, node: FilesystemNode): FileFacts {
    return { url: this.addressOf(path), size: node.size, ...this.#validators };
  }

  async *#body(url: string, content: ByteSource, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < content.size; at += PIECE) {
      await new Promise((resolve) => setImmediate(resolve));
      signal?.throwIfAborted();
      yield this.#piece(url, content, at);
    }
  }

  #piece(url: string, content: ByteSource, at: number): Uint8Array {
    try {
      this.#refuseClosed();
      return content.read(at, Math.min(PIECE, content.size - at));
    } catch (error) {
      throw brokenOff(url, at, content.size, error);
    }
  }

  /** Errors of the filesystem know no address. */
  #naming<T>(url: string, work: () => T): T {
    this.#refuseClosed();
    try {
      return work();
    } catch (error) {
      if (!(error instanceof GuestbootError)) throw error;
      throw new GuestbootError(error.code, `${url}: ${error.message}`, { hint: error.hint, cause: error });
    }
  }

  /** The number of a closed descriptor may be another file's by now. */
  #refuseClosed(): void {
    if (this.#isClosed) throw new GuestbootError("INTERNAL", `the repository ${this.address} has been closed`);
  }
}

const NO_VALIDATORS: Validators = { etag: null, lastModified: null };

function validatorsOf({ size, mtimeNs, mtime }: fs.BigIntStats): Validators {
  return { etag: `"${size.toString(16)}-${mtimeNs.toString(16)}"`, lastModified: mtime.toUTCString() };
}

async function isRegularFile(path: string): Promise<boolean> {
  try {
    return (await fs.promises.stat(path)).isFile();
  } catch (error) {
    throw unreachable(path, systemReason(error), error);
  }
}

function opened(path: string, isFile: boolean): OpenDisk {
  try {
    return openDisk(path);
  } catch (error) {
    if (!(error instanceof GuestbootError)) throw error;
    // Some back ends show a drive without a disc as a device of no size; of others the kernel says so.
    const isEmpty = isSystemError(error.cause, "ENOMEDIUM") || (!isFile && error.message.includes("is empty"));
    throw unreachable(path, isEmpty ? "there is no medium in it" : error.message, error);
  }
}

function filesystemOn(path: string, source: ByteSource): GuestFilesystem {
  try {
    if (hasIsoMagic(source)) return guestFilesystem(openIso9660(source));
  } catch (error) {
    if (!(error instanceof GuestbootError)) throw error;
    if (error.code === "DISK_UNREADABLE") throw unreachable(path, error.message, error);
    throw new GuestbootError(error.code, `${path}: ${error.message}`, { hint: error.hint, cause: error });
  }
  throw new GuestbootError("INVALID_SOURCE", `${path} is no installation medium: it holds no ISO 9660 filesystem`, {
    hint: INSERT_MEDIUM,
    args: [path],
  });
}

function unreachable(path: string, reason: string, cause: unknown): GuestbootError {
  const message = `the installation medium in ${path} cannot be read: ${reason}`;
  return new GuestbootError("REPOSITORY_UNREACHABLE", message, { hint: INSERT_MEDIUM, cause });
}

function brokenOff(url: string, read: number, size: number, error: unknown): unknown {
  if (!(error instanceof GuestbootError)) return error;
  const message = `${url}: the transfer broke off after ${read} of ${size} bytes: ${error.message}`;
  return new GuestbootError("TRANSFER_FAILED", message, {
    hint: "the medium or its image may be damaged, or was taken out: compare it with its checksum",
    cause: error,
  });
}
