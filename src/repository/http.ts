/**
 * A repository behind HTTP or HTTPS (RFC 9110).
 *
 * HTTP/1.1 only; certificates are always verified. Bytes come as the server stores them: identity coding is asked for,
 * and a `Content-Encoding` is not undone where servers put one on `.gz` files, since an initrd must stay one. A broken
 * transfer goes on only under a strong entity tag. Not here: client certificates, several ranges.
 */
import type { GuestbootError } from "../base/errors.ts";
import { silent, type Progress } from "../base/progress.ts";
import { basicAuthorization } from "./http-authorization.ts";
import { codingOf, gunzipped, isRestOf } from "./http-body.ts";
import { Connections } from "./http-connections.ts";
import { brokenAnswer, refused } from "./http-errors.ts";
import type { HttpRequest, HttpResponse, RequestLimits } from "./http-message.ts";
import { sendRequest } from "./http-request.ts";
import { escapePath, type Credentials } from "./location.ts";
import type { ProxyChoice } from "./proxy.ts";
import type { FetchOptions, FetchResult, FileFacts, ReceivedPart, Repository, Validators } from "./repository.ts";
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
      await response.body.discard();
      response = await this.#send("GET", path, {}, signal);
      response.body.destroy();
    } else {
      await response.body.discard();
    }
    if (isMissing(response)) return null;
    if (response.status !== 200) throw this.#refused(response);
    return factsOf(response);
  }

  async fetch(path: string, { unless, rest, signal }: FetchOptions = {}): Promise<FetchResult> {
    const asked = { ...conditionsOf(unless), ...(rest === undefined ? {} : rangeOf(rest)) };
    const response = await this.#send("GET", path, asked, signal);
    if (response.status === 200) return { outcome: "content", ...this.#content(response, signal) };
    if (rest !== undefined && response.status === 206 && isRestOf(rest, response)) {
      return { outcome: "content", behind: rest.bytes, ...this.#content(response, signal, rest) };
    }
    if (rest !== undefined && [206, 412, 416].includes(response.status)) {
      // Not what was asked for, so its connection is of no use either.
      response.body.destroy();
      return this.fetch(path, { unless, signal });
    }
    await response.body.discard();
    if (isMissing(response)) return { outcome: "missing", url: this.addressOf(path) };
    if (response.status === 304 && unless !== undefined) return { outcome: "unchanged", url: response.url };
    throw this.#refused(response);
  }

  /** Ends all connections at once, so that nothing keeps the process from ending. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connections[Symbol.asyncDispose]();
  }

  async #send(method: "GET" | "HEAD", path: string, headers: HttpRequest["headers"], signal: AbortSignal | undefined) {
    const asked: HttpRequest = {
      method,
      url: new URL(this.addressOf(path)),
      headers: { "accept-encoding": "identity", "user-agent": "guestboot", ...headers },
      authorization: this.#authorization,
      signal,
    };
    return sendRequest((url) => this.#connections.to(url), asked, this.#options, this.#progress);
  }

  /** @param rest given when the answer is the rest behind it */
  #content(response: HttpResponse, signal: AbortSignal | undefined, rest?: ReceivedPart) {
    const sent = factsOf(response);
    const limits = this.#options;
    try {
      const whole = rest === undefined ? sent : { ...sent, size: rest.size };
      checkSize(whole, limits);
      const explain = (error: unknown, received: number) => brokenAnswer(sent.url, error, received, sent.size, limits);
      const body = checkedBody(response.body, { facts: sent, limits, signal, explain });
      if (codingOf(response) === "as is") return { facts: whole, body, lend: response.body.lend };
      return { facts: { ...whole, size: null }, body: gunzipped(sent.url, body, limits.maxFileSize) };
    } catch (error) {
      response.body.destroy();
      throw error;
    }
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

function rangeOf({ bytes, etag }: ReceivedPart): Record<string, string> {
  return { range: `bytes=${bytes}-`, "if-range": etag };
}

function conditionsOf(unless: Validators | undefined): Record<string, string> {
  const etag = plainHeader(unless?.etag ?? null);
  const lastModified = plainHeader(unless?.lastModified ?? null);
  return {
    ...(etag === null ? {} : { "if-none-match": etag }),
    ...(lastModified === null ? {} : { "if-modified-since": lastModified }),
  };
}
