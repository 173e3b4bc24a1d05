/**
 * A repository behind HTTP or HTTPS (RFC 9110), over undici.
 *
 * HTTP/1.1 only; certificates are always verified; bytes come as the server stores them: identity coding is asked for,
 * and a `Content-Encoding` is not undone, because servers label `.gz` files as encoded and an initrd must stay one.
 * Not here: proxies, ranges and continued transfers, client certificates.
 */
import Agent from "undici/lib/dispatcher/agent.js";
import { GuestbootError } from "../base/errors.ts";
import { silent, type Progress } from "../base/progress.ts";
import { brokenTransfer, refused, truncatedTransfer } from "./http-errors.ts";
import { discard, sendRequest, type HttpRequest, type HttpResponse, type RequestLimits } from "./http-request.ts";
import { escapePath, type Credentials } from "./location.ts";
import type { FetchOptions, FetchResult, FileFacts, Repository, Validators } from "./repository.ts";

export interface HttpOptions extends RequestLimits {
  /** Bytes; a larger file is refused, whether it is announced or just comes. */
  readonly maxFileSize: number;
  /** Certificates (PEM) of authorities that are trusted beside those that the runtime knows. */
  readonly certificateAuthorities: readonly string[];
}

export const DEFAULT_HTTP_OPTIONS: HttpOptions = {
  connectTimeout: 10_000,
  headersTimeout: 30_000,
  bodyTimeout: 30_000,
  maxRedirects: 10,
  retryWaits: [250, 1000],
  maxRetryAfter: 10_000,
  // Installer images are below 1 GB; nothing that a guest boots from is larger than this.
  maxFileSize: 4 * 1024 ** 3,
  certificateAuthorities: [],
};

/**
 * @param address ending in `/`, without user and password
 * @throws nothing yet; a server that is down is noticed at the first file
 */
export function openHttpRepository(
  address: string,
  credentials: Credentials | null,
  given: Partial<HttpOptions> = {},
  progress: Progress = silent,
): Repository {
  const options = { ...DEFAULT_HTTP_OPTIONS, ...given };
  return new HttpRepository(address, credentials, options, trustedAuthorities(options), progress);
}

class HttpRepository implements Repository {
  readonly address: string;
  readonly #authorization: string | null;
  readonly #options: HttpOptions;
  readonly #progress: Progress;
  readonly #agent: InstanceType<typeof Agent>;

  constructor(
    address: string,
    credentials: Credentials | null,
    options: HttpOptions,
    authorities: string[] | null,
    progress: Progress,
  ) {
    this.address = address;
    this.#authorization = credentials === null ? null : basicAuthorization(credentials);
    this.#options = options;
    this.#progress = progress;
    this.#agent = new Agent({
      // One file after another is asked for; HTTP/2 would only be more code that reads a stranger's bytes.
      allowH2: false,
      connect: {
        timeout: options.connectTimeout,
        rejectUnauthorized: true,
        ...(authorities === null ? {} : { ca: authorities }),
      },
    });
  }

  addressOf(path: string): string {
    return this.address + escapePath(path);
  }

  async look(path: string, signal?: AbortSignal): Promise<FileFacts | null> {
    let response = await this.#send("HEAD", path, {}, signal);
    if (response.status === 405 || response.status === 501) {
      discard(response);
      response = await this.#send("GET", path, {}, signal);
      response.body.destroy();
    } else {
      discard(response);
    }
    if (isMissing(response)) return null;
    if (response.status !== 200) throw this.#refused(response);
    return factsOf(response);
  }

  async fetch(path: string, { unless, signal }: FetchOptions = {}): Promise<FetchResult> {
    const response = await this.#send("GET", path, conditionsOf(unless), signal);
    if (response.status === 200) {
      const facts = factsOf(response);
      if (facts.size !== null && facts.size > this.#options.maxFileSize) {
        response.body.destroy();
        throw tooLarge(facts.url, this.#options.maxFileSize);
      }
      return { outcome: "content", facts, body: readBody(response, facts.size, this.#options, signal) };
    }
    discard(response);
    if (isMissing(response)) return { outcome: "missing", url: this.addressOf(path) };
    if (response.status === 304 && unless !== undefined) return { outcome: "unchanged", url: response.url };
    throw this.#refused(response);
  }

  /** Ends all connections at once, so that nothing keeps the process from ending. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy();
  }

  #send(method: "GET" | "HEAD", path: string, headers: HttpRequest["headers"], signal: AbortSignal | undefined) {
    const asked: HttpRequest = {
      method,
      url: new URL(this.addressOf(path)),
      headers: { "accept-encoding": "identity", "user-agent": "guestboot", ...headers },
      authorization: this.#authorization,
      signal,
    };
    return sendRequest(this.#agent, asked, this.#options, this.#progress);
  }

  #refused(response: HttpResponse): GuestbootError {
    return refused(response.url, response.status, response.credentialsSent, this.#authorization !== null);
  }
}

async function* readBody(
  response: HttpResponse,
  announced: number | null,
  options: HttpOptions,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  let received = 0;
  const chunks: AsyncIterable<Uint8Array> = response.body;
  try {
    for await (const chunk of chunks) {
      received += chunk.length;
      if (received > options.maxFileSize) throw tooLarge(response.url, options.maxFileSize);
      yield chunk;
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof GuestbootError) throw error;
    throw brokenTransfer(response.url, error, received, announced, options);
  }
  if (announced !== null && received < announced) throw truncatedTransfer(response.url, received, announced);
}

function isMissing(response: HttpResponse): boolean {
  return response.status === 404 || response.status === 410;
}

function factsOf(response: HttpResponse): FileFacts {
  const length = response.header("content-length") ?? "";
  return {
    url: response.url,
    size: /^\d{1,15}$/.test(length) ? Number(length) : null,
    etag: plainHeader(response.header("etag")),
    lastModified: plainHeader(response.header("last-modified")),
  };
}

/** A header value that can be stored and sent back as it is; a strange one counts as none. */
function plainHeader(value: string | null): string | null {
  return value !== null && /^[\x21-\x7e](?:[\x20-\x7e]{0,510}[\x21-\x7e])?$/.test(value) ? value : null;
}

function conditionsOf(unless: Validators | undefined): Record<string, string> {
  const etag = plainHeader(unless?.etag ?? null);
  const lastModified = plainHeader(unless?.lastModified ?? null);
  return {
    ...(etag === null ? {} : { "if-none-match": etag }),
    ...(lastModified === null ? {} : { "if-modified-since": lastModified }),
  };
}

function basicAuthorization({ user, password }: Credentials): string {
  return `Basic ${Buffer.from(`${user}:${password}`, "utf8").toString("base64")}`;
}

/** The runtime takes a list of authorities in place of its own, so its own go along. null: nothing to add. */
function trustedAuthorities({ certificateAuthorities }: HttpOptions): string[] | null {
  if (certificateAuthorities.length === 0) return null;
  const { getCACertificates } = process.getBuiltinModule("node:tls");
  return [...getCACertificates("default"), ...certificateAuthorities];
}

function tooLarge(url: string, limit: number): GuestbootError {
  return new GuestbootError("FILE_TOO_LARGE", `${url}: the file is larger than ${limit} bytes, the limit for a file`, {
    hint: "is the address that of an installation repository?",
  });
}
