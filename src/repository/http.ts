/**
 * A repository behind HTTP or HTTPS (RFC 9110), over undici.
 *
 * HTTP/1.1 only; certificates are always verified; bytes come as the server stores them: identity coding is asked for,
 * and a `Content-Encoding` is not undone, because servers label `.gz` files as encoded and an initrd must stay one.
 * Not here: ranges and continued transfers, client certificates.
 */
import type { GuestbootError } from "../base/errors.ts";
import { silent, type Progress } from "../base/progress.ts";
import { basicAuthorization, Connections } from "./http-connections.ts";
import { brokenAnswer, refused } from "./http-errors.ts";
import { discard, sendRequest, type HttpRequest, type HttpResponse, type RequestLimits } from "./http-request.ts";
import { escapePath, type Credentials } from "./location.ts";
import type { ProxyChoice } from "./proxy.ts";
import type { FetchOptions, FetchResult, FileFacts, Repository, Validators } from "./repository.ts";
import { checkedBody, checkSize, DEFAULT_LIMITS } from "./transfer.ts";

export interface HttpOptions extends RequestLimits {
  /** Certificates (PEM) of authorities that are trusted beside those that the runtime knows. */
  readonly certificateAuthorities: readonly string[];
  readonly proxyFor: ProxyChoice;
}

export const DEFAULT_HTTP_OPTIONS: HttpOptions = {
  ...DEFAULT_LIMITS,
  maxRedirects: 10,
  retryWaits: [250, 1000],
  maxRetryAfter: 10_000,
  certificateAuthorities: [],
  proxyFor: () => null,
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
  return new HttpRepository(address, credentials, { ...DEFAULT_HTTP_OPTIONS, ...given }, progress);
}

class HttpRepository implements Repository {
  readonly address: string;
  readonly #authorization: string | null;
  readonly #options: HttpOptions;
  readonly #progress: Progress;
  readonly #connections: Connections;

  constructor(address: string, credentials: Credentials | null, options: HttpOptions, progress: Progress) {
    this.address = address;
    this.#authorization = credentials === null ? null : basicAuthorization(credentials);
    this.#options = options;
    this.#progress = progress;
    this.#connections = new Connections(options);
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
    if (response.status === 200) return { outcome: "content", ...this.#content(response, signal) };
    discard(response);
    if (isMissing(response)) return { outcome: "missing", url: this.addressOf(path) };
    if (response.status === 304 && unless !== undefined) return { outcome: "unchanged", url: response.url };
    throw this.#refused(response);
  }

  /** Ends all connections at once, so that nothing keeps the process from ending. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connections[Symbol.asyncDispose]();
  }

  #send(method: "GET" | "HEAD", path: string, headers: HttpRequest["headers"], signal: AbortSignal | undefined) {
    const asked: HttpRequest = {
      method,
      url: new URL(this.addressOf(path)),
      headers: { "accept-encoding": "identity", "user-agent": "guestboot", ...headers },
      authorization: this.#authorization,
      signal,
    };
    return sendRequest((url) => this.#connections.to(url), asked, this.#options, this.#progress);
  }

  #content(response: HttpResponse, signal: AbortSignal | undefined) {
    const facts = factsOf(response);
    const limits = this.#options;
    try {
      checkSize(facts, limits);
    } catch (error) {
      response.body.destroy();
      throw error;
    }
    const explain = (error: unknown, received: number) => brokenAnswer(facts.url, error, received, facts.size, limits);
    return { facts, body: checkedBody(response.body, { facts, limits, signal, explain }) };
  }

  #refused(response: HttpResponse): GuestbootError {
    const credentials = { sent: response.credentialsSent, kept: this.#authorization !== null };
    return refused(response.url, response.status, credentials, response.proxy);
  }
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
