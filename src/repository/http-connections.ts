/**
 * The connections of one repository to its servers: plain ones by the runtime's own client, and by undici what that
 * cannot do or would do with more of our code (TLS under our rules, proxies).
 */
import type { Way } from "./http-message.ts";
import { PlainClient } from "./http-plain.ts";
import type { ConnectionOptions, UndiciClient } from "./http-undici.ts";

export class Connections implements AsyncDisposable {
  readonly #options: ConnectionOptions;
  #plain: PlainClient | null = null;
  #undici: Promise<UndiciClient> | null = null;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  async to(url: URL): Promise<Way> {
    const proxy = this.#options.proxyFor(url);
    if (proxy === null && url.protocol === "http:") return (this.#plain ??= new PlainClient());
    this.#undici ??= this.#loadUndici();
    return await (await this.#undici).to(proxy);
  }

  /** Ends all connections at once, so that nothing keeps the process from ending. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#plain?.[Symbol.dispose]();
    if (this.#undici !== null) await (await this.#undici)[Symbol.asyncDispose]();
  }

  /** Loading it takes longer than all else in a start that finds its files in the cache. */
  async #loadUndici(): Promise<UndiciClient> {
    const { UndiciClient: Client } = await import("./http-undici.ts");
    return new Client(this.#options);
  }
}
