/**
 * An NFS export read by `nfs-cat` and `nfs-ls` of libnfs, which are NFS clients of their own: nothing is mounted, and
 * a server that hangs hangs a child that we end.
 *
 * They are black boxes with an address and an exit status, so what went wrong is read out of their words. They say
 * nothing of times: which version of a file is there the server is asked without them (nfs-validators.ts).
 */
import { GuestbootError } from "../base/errors.ts";
import { outputOf, ProgramFailure, textOf, type Command } from "./child.ts";
import { escapePath, type NfsLocation } from "./location.ts";
import { parseListing, type Listed } from "./nfs-listing.ts";
import { nfsValidator } from "./nfs-validators.ts";
import type { FetchOptions, FetchResult, FileFacts, Repository } from "./repository.ts";
import { brokenTransfer, checkedBody, checkSize, seconds, type TransferLimits } from "./transfer.ts";

/** Opens the same repository by way of the kernel. */
type Mount = () => Promise<Repository>;

export interface LibnfsPrograms {
  readonly cat: string;
  readonly ls: string;
}

type Listing = ReadonlyMap<string, Listed>;

/** Bytes; a folder of an installation tree has some thousands of files at most. */
const LONGEST_LISTING = 8 * 1024 ** 2;
const MOST_FOLDERS = 1000;

/** Version 4 needs one port; version 3 asks a portmapper for three. */
const VERSIONS = ["4", "3"];

export class NfsUserRepository implements Repository {
  readonly address: string;
  readonly #location: NfsLocation;
  readonly #programs: LibnfsPrograms;
  readonly #limits: TransferLimits;
  readonly #listings = new Map<string, Listing | null>();
  /** What follows the path in libnfs's addresses, once the server has been talked to. */
  #parameters: Promise<string> | null = null;
  readonly #mount: Mount;
  #mounted: Promise<Repository> | null = null;
  readonly #closing = new AbortController();

  /** @param mount for links to other folders, which libnfs's programs cannot follow */
  constructor(location: NfsLocation, programs: LibnfsPrograms, limits: TransferLimits, mount: Mount) {
    this.address = location.address;
    this.#location = location;
    this.#programs = programs;
    this.#limits = limits;
    this.#mount = mount;
  }

  addressOf(path: string): string {
    return this.address + escapePath(path);
  }

  async look(path: string, signal?: AbortSignal): Promise<FileFacts | null> {
    const found = await this.#find(path, signal);
    if (found === null) return null;
    if (found.size !== null) return found;
    // A link: only reading shows whether there is a file at its end.
    const pieces = await this.#begin(path, signal);
    if (pieces === "elsewhere") return (await this.#viaMount(found.url)).look(path, signal);
    await pieces?.return(undefined);
    return pieces === null ? null : found;
  }

  async fetch(path: string, options: FetchOptions = {}): Promise<FetchResult> {
    const { signal } = options;
    const facts = await this.#find(path, signal);
    const missing = { outcome: "missing", url: this.addressOf(path) } as const;
    if (facts === null) return missing;
    checkSize(facts, this.#limits);
    if (facts.etag !== null && facts.etag === options.unless?.etag) return { outcome: "unchanged", url: facts.url };
    const pieces = await this.#begin(path, signal);
    if (pieces === null) return missing;
    if (pieces === "elsewhere") return (await this.#viaMount(facts.url)).fetch(path, options);
    const explain = (error: unknown, received: number) =>
      brokenTransfer(facts.url, this.#reason(error, this.#limits.bodyTimeout), received, facts.size, error);
    return { outcome: "content", facts, body: checkedBody(pieces, { facts, limits: this.#limits, signal, explain }) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new GuestbootError("TRANSFER_FAILED", `${this.address}: the repository was closed meanwhile`));
    const mounted = await this.#mounted?.catch(() => null);
    await mounted?.[Symbol.asyncDispose]();
  }

  async #viaMount(url: string): Promise<Repository> {
    this.#mounted ??= this.#mount();
    try {
      return await this.#mounted;
    } catch (error) {
      this.#mounted = null;
      if (!(error instanceof GuestbootError)) throw error;
      const why = "a symbolic link leads to another folder, which takes a mount";
      throw new GuestbootError(error.code, `${url}: ${why}; ${error.message}`, { hint: error.hint, cause: error });
    }
  }

  /** What the listing of its folder says of a file; size null where it cannot say; null where there is no such file. */
  async #find(path: string, signal: AbortSignal | undefined): Promise<FileFacts | null> {
    const url = this.addressOf(path);
    checkPath(path, url);
    const segments = path.split("/").filter((segment) => segment !== "" && segment !== ".");
    const name = segments.pop();
    if (name === undefined || path.endsWith("/")) return null;
    const unknown: FileFacts = { url, size: null, etag: null, lastModified: null };
    const listing = await this.#list(segments.join("/"), url, signal);
    const listed = listing?.get(name);
    if (listed === undefined) return null;
    if (listed.kind === "file") {
      return { ...unknown, size: listed.size, etag: await this.#validator([...segments, name].join("/"), signal) };
    }
    if (listed.kind === "link") return unknown;
    if (listed.kind === "folder") return null;
    throw new GuestbootError("REPOSITORY_REFUSED", `${url}: it is neither a file nor a folder`);
  }

  /** Asked before the file is read: should it change in between, it only comes once more than needed. */
  async #validator(path: string, signal: AbortSignal | undefined): Promise<string | null> {
    const { server, path: root, options } = this.#location;
    const { ports } = parametersOf(options);
    const version = /^version=([34])&/.exec(await this.#connected(signal))?.[1];
    if (version !== "3" && version !== "4") return null;
    const file = { server, export: root, path, version, ...ports } as const;
    return nfsValidator(file, this.#limits.connectTimeout, this.#ending(signal));
  }

  async #list(folder: string, url: string, signal: AbortSignal | undefined): Promise<Listing | null> {
    const known = this.#listings.get(folder);
    if (known !== undefined) return known;
    const parameters = await this.#connected(signal);
    let listing: Listing | null;
    try {
      listing = parseListing(await textOf(this.#command("ls", folder, parameters, signal), LONGEST_LISTING));
    } catch (error) {
      listing = null;
      if (!isMissing(error)) throw this.#failed(error, url);
    }
    if (this.#listings.size < MOST_FOLDERS) this.#listings.set(folder, listing);
    return listing;
  }

  /**
   * The file's bytes, the first of them read already; null when the server says that it has no such file.
   * For nfs-cat the world ends at the file's own folder: "elsewhere" is a link that leads out of that.
   */
  async #begin(
    path: string,
    signal: AbortSignal | undefined,
  ): Promise<AsyncGenerator<Uint8Array> | "elsewhere" | null> {
    const parameters = await this.#connected(signal);
    const pieces = outputOf(this.#command("cat", path, parameters, signal));
    try {
      return startingWith(await pieces.next(), pieces);
    } catch (error) {
      if (isMissing(error)) return null;
      if (error instanceof ProgramFailure && error.message.includes("normalize real path")) return "elsewhere";
      throw this.#failed(error, this.addressOf(path));
    }
  }

  /** Lists the repository's own folder in the versions of NFS that may be meant; the first that works is kept. */
  async #connected(signal: AbortSignal | undefined): Promise<string> {
    this.#parameters ??= this.#connect(signal);
    try {
      return await this.#parameters;
    } catch (error) {
      this.#parameters = null;
      throw error;
    }
  }

  async #connect(signal: AbortSignal | undefined): Promise<string> {
    const { version, parameters } = parametersOf(this.#location.options);
    let first: unknown = null;
    for (const tried of version === null ? VERSIONS : [version]) {
      const full = `version=${tried}${parameters}&autoreconnect=0`;
      try {
        this.#listings.set("", parseListing(await textOf(this.#command("ls", "", full, signal), LONGEST_LISTING)));
        return full;
      } catch (error) {
        if (!(error instanceof ProgramFailure)) throw error;
        first ??= error;
      }
    }
    if (isMissing(first)) {
      throw new GuestbootError("INVALID_SOURCE", `${this.address}: the server exports no such folder`, {
        hint: `showmount -e ${this.#location.server}`,
        cause: first,
      });
    }
    throw this.#failed(first, this.address);
  }

  #command(program: keyof LibnfsPrograms, path: string, parameters: string, signal: AbortSignal | undefined): Command {
    const { server, path: root } = this.#location;
    const plain = path
      .split("/")
      .filter((segment) => segment !== "" && segment !== ".")
      .join("/");
    const address = `nfs://${server}${root.replace(/\/+$/, "")}/${plain}?${parameters}`;
    return {
      program: this.#programs[program],
      args: [address],
      timeout: this.#limits.headersTimeout,
      signal: this.#ending(signal),
    };
  }

  /** Ends what is under way when the caller ends it, or the repository is closed. */
  #ending(signal: AbortSignal | undefined): AbortSignal {
    const closing = this.#closing.signal;
    return signal === undefined ? closing : AbortSignal.any([closing, signal]);
  }

  #failed(error: unknown, url: string): GuestbootError {
    if (error instanceof GuestbootError) return error;
    const text = error instanceof Error ? error.message : String(error);
    const code = /ERR_(?:ACCES|PERM|WRONGSEC)|Insufficient ACCESS/.test(text)
      ? "REPOSITORY_REFUSED"
      : "REPOSITORY_UNREACHABLE";
    const hint =
      code === "REPOSITORY_REFUSED"
        ? "may this host and user read it? /etc/exports on the server says so"
        : `is an NFS server running on ${this.#location.server}?`;
    return new GuestbootError(code, `${url}: ${this.#reason(error, this.#limits.headersTimeout)}`, {
      hint,
      cause: error,
    });
  }

  #reason(error: unknown, timeout: number): string {
    if (error instanceof ProgramFailure && error.wasSilent) return `nothing came for ${seconds(timeout)}`;
    return wordsOf(error instanceof Error ? error.message : String(error));
  }
}

async function* startingWith(
  first: IteratorResult<Uint8Array, unknown>,
  rest: AsyncGenerator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    if (first.done === true) return;
    yield first.value;
    yield* rest;
  } finally {
    await rest.return(undefined);
  }
}

/** nfs(5)'s options as libnfs knows them; it has its own way for the others. */
function parametersOf(options: readonly string[]): {
  version: string | null;
  parameters: string;
  ports: { readonly port: number | null; readonly mountPort: number | null };
} {
  let version: string | null = null;
  let parameters = "";
  let [port, mountPort]: (number | null)[] = [null, null];
  for (const option of options) {
    const [name = "", value = ""] = option.split("=");
    if (name === "vers" || name === "nfsvers") version = value.startsWith("4") ? "4" : value;
    if (!/^\d{1,5}$/.test(value)) continue;
    if (name === "port") {
      parameters += `&nfsport=${value}`;
      port = Number(value);
    }
    if (name === "mountport") {
      parameters += `&mountport=${value}`;
      mountPort = Number(value);
    }
  }
  return { version, parameters, ports: { port: port ?? null, mountPort: mountPort ?? null } };
}

function checkPath(path: string, url: string): void {
  if (/[?\x00-\x1f\x7f]/.test(path)) {
    throw new GuestbootError("INVALID_SOURCE", `${url}: a file of that name cannot be asked for over NFS`);
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof ProgramFailure && /ERR_(?:NOENT|NOTDIR|ISDIR)\b/.test(error.message);
}

/** The reason out of libnfs's words, on one line: `NFS4ERR_ACCES` and what stands around it. */
function wordsOf(text: string): string {
  const known: Readonly<Record<string, string>> = {
    ACCES: "permission denied",
    ACCESS: "permission denied",
    PERM: "not permitted",
    STALE: "the file is gone from the server (stale file handle)",
    IO: "the server could not read its disk",
    WRONGSEC: "the server wants another kind of login (sec=)",
    DELAY: "the server is busy",
    GRACE: "the server has just started and is waiting for its earlier clients",
  };
  const name = /NFS[34]?ERR_([A-Z]+)|MNT3ERR_([A-Z]+)/.exec(text);
  const words = known[name?.[1] ?? name?.[2] ?? ""];
  if (words !== undefined) return words;
  if (text.includes("Insufficient ACCESS")) return "permission denied";
  if (text.includes("Can not resolv")) return "the server's name is not known";
  if (/service failed|connect|refused/i.test(text)) return "no NFS connection came about";
  const line = text.replace(/[\s\x00-\x1f\x7f-\x9f]+/g, " ").trim();
  if (line === "") return "the server ended the connection";
  return line.length > 200 ? `${line.slice(0, 200)}…` : line;
}
