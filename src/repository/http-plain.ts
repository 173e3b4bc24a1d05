/**
 * Requests without TLS and to the server itself, by the runtime's own client (`node:http`). It is loaded in a tenth of
 * the time that undici takes, which a start feels that only asks whether its files are current; it reads an answer with
 * the same parser; and unlike undici it parses in step with its connection, so that the body of a large file can be
 * received past it (`http-plain-body.ts`).
 */
import type { Agent, IncomingMessage } from "node:http";
import { ConnectionEnded, TimedOut } from "./http-errors.ts";
import type { HttpAnswer, RequestLimits, SentRequest, Way } from "./http-message.ts";
import { afterWhatIsThere, ConnectionTaps, PlainBody } from "./http-plain-body.ts";

/** Milliseconds that a connection is kept without work: servers that close theirs after five seconds are common. */
const KEPT = 4000;

export class PlainClient implements Way, Disposable {
  readonly proxy = null;
  readonly #taps = new ConnectionTaps();
  readonly #agent: Agent;
  #isClosed = false;

  constructor() {
    const { Agent: HttpAgent } = process.getBuiltinModule("node:http");
    this.#agent = new HttpAgent({ keepAlive: true, timeout: KEPT });
    this.#agent.createConnection = (options) => this.#taps.connect(options);
  }

  /** @throws the system's errors, the parser's (`HPE_…`), `TimedOut`; the signal's */
  async send({ url, method, headers, signal }: SentRequest, limits: RequestLimits): Promise<HttpAnswer> {
    if (this.#isClosed) throw new Error("the connections to the server have been ended");
    const { request: makeRequest } = process.getBuiltinModule("node:http");
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const request = makeRequest(url, {
      agent: this.#agent,
      method,
      headers,
      ...(signal === undefined ? {} : { signal }),
    });
    let awaited: TimedOut["code"] | null = "CONNECT_TIMEOUT";
    const isAwaited = (code: TimedOut["code"]) => awaited === code;
    const endAfter = (milliseconds: number, code: TimedOut["code"]) =>
      setTimeout(() => afterWhatIsThere(() => isAwaited(code) && request.destroy(new TimedOut(code))), milliseconds);
    let timer = endAfter(limits.connectTimeout, "CONNECT_TIMEOUT");
    const whenConnected = () => {
      clearTimeout(timer);
      awaited = "HEADERS_TIMEOUT";
      timer = endAfter(limits.headersTimeout, "HEADERS_TIMEOUT");
    };
    let failure: Error | null = null;
    request.on("socket", (socket) => {
      if (socket.connecting) socket.once("connect", whenConnected);
      else whenConnected();
    });
    request.on("error", (error) => {
      // What comes after the answer's head says why its body breaks off.
      failure = error;
      reject(error);
    });
    // Not every end is an error: after an answer that changes the protocol, which nobody has asked for, nothing comes.
    request.on("close", () => reject(new ConnectionEnded()));
    request.on("response", (response) => {
      // A body that fails before anybody reads it must not end the process.
      response.on("error", () => undefined);
      resolve(response);
    });
    request.end();
    try {
      const response = await promise;
      const status = response.statusCode ?? 0;
      return {
        status,
        header: (name) => response.headersDistinct[name]?.[0] ?? null,
        body: new PlainBody(response, this.#taps.of(response.socket), {
          hasBody: method !== "HEAD" && status !== 204 && status !== 304,
          timeout: limits.bodyTimeout,
          failure: () => failure,
        }),
      };
    } finally {
      awaited = null;
      clearTimeout(timer);
    }
  }

  /** Ends all connections at once, also those that have work. */
  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#agent.destroy();
  }
}
