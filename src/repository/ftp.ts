/**
 * A repository behind FTP (RFC 959, RFC 3659), over basic-ftp: binary, passive, anonymously or with a user.
 *
 * A server says nothing of a file that ends early, so what comes is compared with what SIZE announced. Not here: TLS
 * (`ftps://`), active mode, data connections to other hosts than the server.
 */
import { GuestbootError } from "../base/errors.ts";
import { connectFtp, isFull, type FtpConnection, type FtpServer } from "./ftp-connection.ts";
import { escapePath, type Credentials } from "./location.ts";
import type { FetchOptions, FetchResult, FileFacts, Repository } from "./repository.ts";
import { checkedBody, checkSize, DEFAULT_LIMITS, isUnchanged, validatorsOf, type TransferLimits } from "./transfer.ts";

/**
 * @param address `ftp://HOST[:PORT]/PATH/`, without user and password. The path is relative to the folder in which the
 *   login ends; `%2F` at its beginning makes it absolute (RFC 1738, section 3.2.2)
 * @throws INVALID_SOURCE for a path that FTP cannot carry; a server that is down is noticed at the first file
 */
export function openFtpRepository(
  address: string,
  credentials: Credentials | null,
  given: Partial<TransferLimits> = {},
): Repository {
  const url = new URL(address);
  const server: FtpServer = {
    hostname: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? 21 : Number(url.port),
    host: url.host,
    credentials,
  };
  return new FtpRepository(address, pathOf(url, address), server, { ...DEFAULT_LIMITS, ...given });
}

class FtpRepository implements Repository {
  readonly address: string;
  readonly #root: string;
  readonly #server: FtpServer;
  readonly #limits: TransferLimits;
  /** Connections that wait for work. A connection does one thing at a time, so files side by side take several. */
  readonly #idle: FtpConnection[] = [];
  readonly #open = new Set<FtpConnection>();
  #connecting = 0;
  #isClosed = false;
  /** Those who wait for a connection. */
  readonly #queue: (() => void)[] = [];
  /** Looks go one after the other over one connection: some servers allow few from one host. */
  #looks: Promise<unknown> = Promise.resolve();

  constructor(address: string, root: string, server: FtpServer, limits: TransferLimits) {
    this.address = address;
    this.#root = root;
    this.#server = server;
    this.#limits = limits;
  }

  addressOf(path: string): string {
    return this.address + escapePath(path);
  }

  async look(path: string, signal?: AbortSignal): Promise<FileFacts | null> {
    const looked = this.#looks.then(async () => {
      using borrowed = await this.#borrow(path, signal);
      const facts = await this.#factsOf(borrowed.connection, path);
      borrowed.giveBack();
      return facts;
    });
    this.#looks = looked.catch(() => undefined);
    return looked;
  }

  async fetch(path: string, { unless, signal }: FetchOptions = {}): Promise<FetchResult> {
    using stack = new DisposableStack();
    const borrowed = stack.use(await this.#borrow(path, signal));
    const { connection } = borrowed;
    const url = this.addressOf(path);
    const facts = await this.#factsOf(connection, path);
    if (facts === null || isUnchanged(unless, facts)) {
      borrowed.giveBack();
      return { outcome: facts === null ? "missing" : "unchanged", url };
    }
    checkSize(facts, this.#limits);
    const chunks = await connection.retrieve(this.#remote(path), url, facts.size !== null);
    if (chunks === null) {
      borrowed.giveBack();
      return { outcome: "missing", url };
    }
    const lent = stack.move();
    const body = async function* () {
      try {
        yield* chunks;
        borrowed.giveBack();
      } finally {
        lent.dispose();
      }
    };
    const explain = (error: unknown, received: number) => connection.broken(error, url, received, facts.size);
    return { outcome: "content", facts, body: checkedBody(body(), { facts, limits: this.#limits, signal, explain }) };
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const connection of this.#open) connection.close(this.#closed());
    this.#open.clear();
    return Promise.resolve();
  }

  #closed(): GuestbootError {
    return new GuestbootError("TRANSFER_FAILED", `${this.address}: the repository was closed meanwhile`);
  }

  /** A connection for one file, which is closed at the end unless it is given back. */
  async #borrow(path: string, signal: AbortSignal | undefined) {
    signal?.throwIfAborted();
    const url = this.addressOf(path);
    const connection = await this.#connected(url, signal);
    if (this.#isClosed) {
      connection.close();
      throw this.#closed();
    }
    this.#open.add(connection);
    const abort = () => connection.close(signal?.reason);
    signal?.addEventListener("abort", abort);
    let isUsable = false;
    return {
      connection,
      giveBack: () => (isUsable = true),
      [Symbol.dispose]: () => {
        signal?.removeEventListener("abort", abort);
        if (isUsable && !connection.isClosed && this.#open.has(connection)) this.#idle.push(connection);
        else {
          connection.close();
          this.#open.delete(connection);
        }
        this.#queue.shift()?.();
      },
    };
  }

  async #connected(url: string, signal: AbortSignal | undefined): Promise<FtpConnection> {
    for (;;) {
      const waiting = this.#waiting();
      if (waiting !== undefined) return waiting;
      this.#connecting += 1;
      try {
        return await connectFtp(this.#server, { url, limits: this.#limits, signal });
      } catch (error) {
        // A server may take fewer connections than we have files: then one waits for the other.
        const isOurs = this.#open.size > 0 || this.#connecting > 1;
        if (!isFull(error) || !isOurs) {
          this.#queue.shift()?.();
          throw error;
        }
      } finally {
        this.#connecting -= 1;
      }
      if (this.#idle.length > 0) continue;
      const { promise, resolve } = Promise.withResolvers<undefined>();
      const goOn = () => resolve(undefined);
      this.#queue.push(goOn);
      signal?.addEventListener("abort", goOn, { once: true });
      await promise;
      signal?.throwIfAborted();
    }
  }

  /** One that the server has not closed meanwhile. */
  #waiting(): FtpConnection | undefined {
    let connection = this.#idle.pop();
    while (connection?.isClosed === true) connection = this.#idle.pop();
    return connection;
  }

  async #factsOf(connection: FtpConnection, path: string): Promise<FileFacts | null> {
    const url = this.addressOf(path);
    if (path.endsWith("/") || path === "") return null;
    const about = await connection.about(this.#remote(path), url);
    if (about === null) return null;
    const { size, changed } = about;
    const validators =
      size === null || changed === null ? { etag: null, lastModified: null } : validatorsOf(size, changed);
    return { url, size, ...validators };
  }

  #remote(path: string): string {
    return checkedPath(this.#root + decodeURIComponent(escapePath(path)), this.addressOf(path));
  }
}

function pathOf(url: URL, address: string): string {
  try {
    return checkedPath(decodeURIComponent(url.pathname.slice(1)), address);
  } catch (error) {
    if (error instanceof GuestbootError) throw error;
    throw new GuestbootError("INVALID_SOURCE", `${address}: its path holds a % that begins no escape`, {
      cause: error,
    });
  }
}

/** A line break would begin another command, and `..` would lead out of the repository. */
function checkedPath(path: string, address: string): string {
  if (/[\x00-\x1f\x7f]/.test(path)) {
    throw new GuestbootError(
      "INVALID_SOURCE",
      `${address}: its path holds a control character, which FTP cannot carry`,
    );
  }
  if (path.split("/").includes("..")) {
    throw new GuestbootError("INVALID_SOURCE", `${address}: its path does not stay below the repository`);
  }
  return path;
}
