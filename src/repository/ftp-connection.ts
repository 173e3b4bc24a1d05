/**
 * One control connection to an FTP server, and the words for what goes wrong on it.
 */
import { Client, FTPError } from "basic-ftp";
import { GuestbootError } from "../base/errors.ts";
import type { Credentials } from "./location.ts";
import { codeOf, explain, type Explanation } from "./network-errors.ts";
import { brokenTransfer, seconds, truncatedTransfer, type TransferLimits } from "./transfer.ts";

export interface FtpServer {
  readonly hostname: string;
  readonly port: number;
  /** As it is shown: with the port where it is not the usual one. */
  readonly host: string;
  readonly credentials: Credentials | null;
}

export interface FtpAsked {
  /** What the connection is made for, for errors. */
  readonly url: string;
  readonly limits: TransferLimits;
  readonly signal: AbortSignal | undefined;
}

/** Bytes; null and milliseconds: where the server does not say. */
export interface FtpFile {
  readonly size: number | null;
  readonly changed: number | null;
}

/**
 * Connects, logs in and sets binary mode.
 * @throws REPOSITORY_UNREACHABLE; REPOSITORY_REFUSED for a login that is not taken; the signal's reason
 */
export async function connectFtp(server: FtpServer, { url, limits, signal }: FtpAsked): Promise<FtpConnection> {
  signal?.throwIfAborted();
  const connection = new FtpConnection(server, limits);
  const abort = () => connection.close(signal?.reason);
  signal?.addEventListener("abort", abort);
  try {
    await connection.login(url);
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

export class FtpConnection {
  readonly #server: FtpServer;
  readonly #limits: TransferLimits;
  readonly #client: Client;
  /** Why we have closed it: what a person or a limit of ours has asked for goes before what the server then says. */
  #closedBecause: Error | undefined = undefined;
  readonly #ended = Promise.withResolvers<never>();

  constructor(server: FtpServer, limits: TransferLimits) {
    this.#server = server;
    this.#limits = limits;
    // The client's own limit is for the silence between two pieces, on either connection.
    this.#client = new Client(limits.bodyTimeout);
    this.#ended.promise.catch(() => undefined);
  }

  get isClosed(): boolean {
    return this.#client.closed;
  }

  /** @param reason what those who wait are told: a signal's, or a limit of ours */
  close(reason?: unknown): void {
    if (reason !== undefined) this.#closedBecause ??= reason instanceof Error ? reason : new Error("called off");
    this.#ended.reject(this.#closedBecause ?? new Error("closed"));
    this.#client.close();
  }

  async login(url: string): Promise<void> {
    const { hostname, port, credentials } = this.#server;
    const { connectTimeout, headersTimeout } = this.#limits;
    await this.#within(connectTimeout, "no connection", url, () => this.#client.connect(hostname, port));
    await this.#within(headersTimeout, "no answer", url, async () => {
      // RFC 1635: anonymous servers want something that looks like an address of mail.
      await this.#client.login(credentials?.user ?? "anonymous", credentials?.password ?? "guestboot@");
      await this.#client.send("TYPE I");
      await this.#client.sendIgnoringError("OPTS UTF8 ON");
    });
  }

  /** What the server says of a file; null when it has no such file. */
  async about(path: string, url: string): Promise<FtpFile | null> {
    return this.#within(this.#limits.headersTimeout, "no answer", url, async () => {
      const size = await this.#optional(this.#client.size(path));
      if (size === "missing") return null;
      const changed = await this.#optional(this.#client.lastMod(path));
      return {
        size: typeof size === "number" && Number.isSafeInteger(size) && size >= 0 ? size : null,
        changed: changed instanceof Date && !Number.isNaN(changed.getTime()) ? changed.getTime() : null,
      };
    });
  }

  /**
   * The file's bytes, once the server has begun to send them; null when it has no such file.
   * @param isThere the server knows its size, so a refusal is none for lack of the file
   */
  async retrieve(path: string, url: string, isThere: boolean): Promise<AsyncIterable<Uint8Array> | null> {
    const { PassThrough } = process.getBuiltinModule("node:stream");
    const stream = new PassThrough({ highWaterMark: 256 * 1024 });
    stream.on("error", () => undefined);
    const sent = this.#client.downloadTo(stream, path);
    sent.catch((error: unknown) => stream.destroy(error instanceof Error ? error : undefined));
    const begun = new Promise((resolve) => stream.once("readable", resolve).once("end", resolve));
    try {
      await this.#within(this.#limits.headersTimeout, "no answer", url, async () => {
        await Promise.race([begun, sent]);
        // The end without a byte: an empty file, or a refusal that is still on its way to us.
        if (stream.readableLength === 0) await sent;
      });
    } catch (error) {
      stream.destroy();
      if (!isThere && isMissing(error)) return null;
      throw error;
    }
    return piecesOf(stream, sent);
  }

  /** The words for a transfer that did not end well. */
  broken(error: unknown, url: string, received: number, announced: number | null): GuestbootError {
    if (this.#closedBecause instanceof GuestbootError) return this.#closedBecause;
    const text = error instanceof Error ? error.message : "";
    const ended =
      /FIN packet|closed connection unexpectedly|^Client is closed/.test(text) || codeOf(error) === "ECONNRESET";
    if (ended && announced !== null && received < announced) return truncatedTransfer(url, received, announced);
    return brokenTransfer(url, this.#explain(error).reason, received, announced, error);
  }

  /** An answer that a server need not give: undefined where it does not know the question. */
  async #optional<T>(answer: Promise<T>): Promise<T | "missing" | undefined> {
    try {
      return await answer;
    } catch (error) {
      if (!(error instanceof FTPError)) {
        // Words that are not understood are an answer, too.
        if (error instanceof Error && error.message.startsWith("Can't parse response")) return undefined;
        throw error;
      }
      if (isMissing(error)) return "missing";
      if ([500, 501, 502, 504].includes(error.code)) return undefined;
      throw error;
    }
  }

  /** Ends the connection when the work takes too long: a server may drip words without ever being silent. */
  async #within<T>(timeout: number, what: string, url: string, work: () => Promise<T>): Promise<T> {
    const late = () => {
      this.close(new GuestbootError("REPOSITORY_UNREACHABLE", `${url}: ${what} within ${seconds(timeout)}`));
    };
    const timer = setTimeout(late, timeout);
    try {
      return await Promise.race([work(), this.#ended.promise]);
    } catch (error) {
      const because = this.#closedBecause;
      if (because === undefined) throw this.#failed(error, url);
      throw because;
    } finally {
      clearTimeout(timer);
    }
  }

  #failed(error: unknown, url: string): GuestbootError {
    const { reason, hint } = this.#explain(error);
    const code = error instanceof FTPError ? "REPOSITORY_REFUSED" : "REPOSITORY_UNREACHABLE";
    return new GuestbootError(code, `${url}: ${reason}`, {
      hint,
      cause: this.#isTelling(error) ? undefined : error,
    });
  }

  #explain(error: unknown): Explanation {
    if (error instanceof FTPError) {
      return { reason: `the server answered ${this.#shown(error.message)}`, ...this.#hintFor(error.code) };
    }
    const text = error instanceof Error ? error.message : String(error);
    if (/^Timeout/.test(text)) return { reason: `nothing came for ${seconds(this.#limits.bodyTimeout)}` };
    if (/FIN packet|closed connection unexpectedly/.test(text)) return { reason: "the server closed the connection" };
    const { hostname, host } = this.#server;
    const explained = explain(error, { hostname, host, service: "FTP server" }, this.#limits);
    return { ...explained, reason: this.#shown(explained.reason) };
  }

  #hintFor(code: number): Pick<Explanation, "hint"> {
    if (code === 530) {
      return this.#server.credentials === null
        ? { hint: "put a user and password into the address: ftp://USER:PASSWORD@HOST/PATH" }
        : { hint: "the server does not take the user and password of the repository address" };
    }
    if (code === 550) return { hint: "may this user read the file on the server?" };
    if (code < 500) return { hint: "the server is in trouble; try again later, or use another mirror" };
    return {};
  }

  /** Does it hold the password? A server may repeat it. */
  #isTelling(error: unknown): boolean {
    const password = this.#server.credentials?.password ?? "";
    return password !== "" && error instanceof Error && error.message.includes(password);
  }

  /** A server's words on one line, without a password that it may repeat. */
  #shown(text: string): string {
    const password = this.#server.credentials?.password ?? "";
    const safe = password === "" ? text : text.replaceAll(password, "…");
    const line = safe.replace(/[\s\x00-\x1f\x7f-\x9f]+/g, " ").trim();
    return line.length > 200 ? `${line.slice(0, 200)}…` : line;
  }
}

/** RFC 959 has one code for "no such file" and "no access"; the words tell them apart, if anything does. */
function isMissing(error: unknown): boolean {
  const refusal = error instanceof GuestbootError ? error.cause : error;
  return refusal instanceof FTPError && refusal.code === 550 && !/permission|denied|not allowed/i.test(refusal.message);
}

/** RFC 959, section 4.2.2: 421 ends the connection; at a login it means that there are too many already. */
export function isFull(error: unknown): boolean {
  return error instanceof GuestbootError && error.cause instanceof FTPError && error.cause.code === 421;
}

async function* piecesOf(stream: AsyncIterable<Uint8Array>, sent: Promise<unknown>): AsyncGenerator<Uint8Array> {
  yield* stream;
  // The data have ended; only now the server says whether that was all.
  await sent;
}
