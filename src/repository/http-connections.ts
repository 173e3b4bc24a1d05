/**
 * The connections of one repository to its servers: directly, or through a proxy.
 */
import type { Dispatcher } from "undici";
import Agent from "undici/lib/dispatcher/agent.js";
import { basicAuthorization } from "./http-authorization.ts";
import type { Way } from "./http-message.ts";
import type { Proxy, ProxyChoice } from "./proxy.ts";

export interface ConnectionOptions {
  /** Milliseconds. */
  readonly connectTimeout: number;
  readonly certificateAuthorities: readonly string[];
  readonly proxyFor: ProxyChoice;
}

export class Connections implements AsyncDisposable {
  readonly #options: ConnectionOptions;
  /** By the proxy's address, "" for none. */
  readonly #dispatchers = new Map<string, Promise<Dispatcher>>();

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  async to(url: URL): Promise<Way> {
    const proxy = this.#options.proxyFor(url);
    const key = proxy?.address ?? "";
    const known = this.#dispatchers.get(key);
    if (known !== undefined) return { dispatcher: await known, proxy };
    const made = proxy === null ? Promise.resolve(this.#direct()) : this.#through(proxy);
    this.#dispatchers.set(key, made);
    return { dispatcher: await made, proxy };
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

/** The runtime takes a list of authorities in place of its own, so its own go along. null: nothing to add. */
function trustedAuthorities(given: readonly string[]): string[] | null {
  if (given.length === 0) return null;
  const { getCACertificates } = process.getBuiltinModule("node:tls");
  return [...getCACertificates("default"), ...given];
}
