/**
 * Requests by undici: over TLS, and through proxies.
 */
import type { Dispatcher } from "undici";
import request from "undici/lib/api/api-request.js";
import Agent from "undici/lib/dispatcher/agent.js";
import { basicAuthorization } from "./http-authorization.ts";
import {
  DISCARDED,
  type HttpAnswer,
  type HttpBody,
  type RequestLimits,
  type SentRequest,
  type Way,
} from "./http-message.ts";
import type { Proxy, ProxyChoice } from "./proxy.ts";

/** Bytes that wait for whoever reads a body: fewer and larger pieces cost less than undici's own 64 KiB. */
const BODY_BUFFER = 256 * 1024;

export interface ConnectionOptions {
  /** Milliseconds. */
  readonly connectTimeout: number;
  readonly certificateAuthorities: readonly string[];
  readonly proxyFor: ProxyChoice;
}

export class UndiciClient implements AsyncDisposable {
  readonly #options: ConnectionOptions;
  /** By the proxy's address, "" for none. */
  readonly #dispatchers = new Map<string, Promise<Dispatcher>>();

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** @param proxy null: to the server directly */
  async to(proxy: Proxy | null): Promise<Way> {
    const key = proxy?.address ?? "";
    const made =
      this.#dispatchers.get(key) ?? (proxy === null ? Promise.resolve(this.#direct()) : this.#through(proxy));
    this.#dispatchers.set(key, made);
    const dispatcher = await made;
    return { proxy, send: (asked, limits) => send(dispatcher, asked, limits) };
  }

  /** Ends all connections at once, so that nothing keeps the process from ending. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const dispatcher of this.#dispatchers.values()) await (await dispatcher).destroy();
  }

  #direct(): Dispatcher {
    // One file after another is asked for; HTTP/2 would only be more code that reads a stranger's bytes.
    return new Agent({ allowH2: false, connect: { timeout: this.#options.connectTimeout, ...this.#trust() } });
  }

  async #through(proxy: Proxy): Promise<Dispatcher> {
    // Loaded only here: most hosts have no proxy.
    const [{ default: ProxyAgent }, { default: Pool }, { default: connect }] = await Promise.all([
      import("undici/lib/dispatcher/proxy-agent.js"),
      import("undici/lib/dispatcher/pool.js"),
      import("undici/lib/api/api-connect.js"),
    ]);
    return new ProxyAgent({
      // Tunnels are asked for by `connect`, which dispatchers get only where all of undici is loaded.
      clientFactory: (origin, options) => Object.assign(new Pool(origin, options), { connect }),
      uri: proxy.address,
      ...(proxy.credentials === null ? {} : { token: basicAuthorization(proxy.credentials) }),
      allowH2: false,
      connectTimeout: this.#options.connectTimeout,
      requestTls: this.#trust(),
      proxyTls: this.#trust(),
    });
  }

  #trust(): { rejectUnauthorized: true; ca?: string[] } {
    const authorities = trustedAuthorities(this.#options.certificateAuthorities);
    return { rejectUnauthorized: true, ...(authorities === null ? {} : { ca: authorities }) };
  }
}

async function send(dispatcher: Dispatcher, asked: SentRequest, limits: RequestLimits): Promise<HttpAnswer> {
  const { url, method, headers: sent, signal } = asked;
  const { statusCode, headers, body } = await request.call(dispatcher, {
    origin: url.origin,
    path: url.pathname + url.search,
    method,
    headers: sent,
    headersTimeout: limits.headersTimeout,
    bodyTimeout: limits.bodyTimeout,
    highWaterMark: BODY_BUFFER,
    signal: signal ?? null,
  });
  // A body that fails before anybody reads it must not end the process.
  body.on("error", () => undefined);
  return {
    status: statusCode,
    header(name) {
      const value = headers[name];
      return (Array.isArray(value) ? value[0] : value) ?? null;
    },
    body: bodyOf(body),
  };
}

function bodyOf(body: Dispatcher.ResponseData["body"]): HttpBody {
  return {
    [Symbol.asyncIterator]: () => body[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>,
    destroy: () => void body.destroy(),
    discard() {
      body.dump({ limit: DISCARDED }).catch(() => undefined);
      return Promise.resolve();
    },
  };
}

/** The runtime takes a list of authorities in place of its own, so its own go along. null: nothing to add. */
function trustedAuthorities(given: readonly string[]): string[] | null {
  if (given.length === 0) return null;
  const { getCACertificates } = process.getBuiltinModule("node:tls");
  return [...getCACertificates("default"), ...given];
}
