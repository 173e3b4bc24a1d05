/**
 * A request to a web server and its answer, as the files about HTTP hand them to each other.
 */
import type { Lend } from "../base/lent-memory.ts";
import type { Proxy } from "./proxy.ts";
import type { TransferLimits } from "./transfer.ts";

/** How patient we are, and with what. Times in milliseconds. */
export interface RequestLimits extends TransferLimits {
  readonly maxRedirects: number;
  /** The pauses between the tries of one request; one more try than pauses. */
  readonly retryWaits: readonly number[];
  /** The longest pause that a server's `Retry-After` may ask for; asked for more, the request fails at once. */
  readonly maxRetryAfter: number;
}

/** The connections that a request goes over. */
export interface Way {
  /** @throws what kept an answer from coming */
  send(request: SentRequest, limits: RequestLimits): Promise<HttpAnswer>;
  /** null: to the server directly. */
  readonly proxy: Proxy | null;
}

export interface HttpRequest {
  readonly method: "GET" | "HEAD";
  /** Without user and password. */
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent to `url`'s own origin only. */
  readonly authorization: string | null;
  readonly signal: AbortSignal | undefined;
}

/** Its headers are all that are sent, but for those that a connection needs. */
export type SentRequest = Omit<HttpRequest, "authorization">;

export interface HttpAnswer {
  readonly status: number;
  /** The header, its first value where it came twice; null when it did not come. */
  header(name: string): string | null;
  readonly body: HttpBody;
}

/** A body that fails before anybody reads it does no harm. Who stops reading in the middle ends the connection. */
export interface HttpBody extends AsyncIterable<Uint8Array> {
  /** Ends the connection, unless all has come. */
  destroy(): void;
  /**
   * Lets the rest go, so that the connection can be used again where at most `DISCARDED` bytes are left, or is closed.
   * Waits for nothing that is not there yet.
   */
  discard(): Promise<void>;
  /** Where the bytes can be received into memory that is lent. */
  readonly lend?: Lend | undefined;
}

/** Bytes that are rather received than a new connection made. */
export const DISCARDED = 16_384;

export interface HttpResponse extends HttpAnswer {
  /** Where the answer came from, after redirects. */
  readonly url: string;
  readonly credentialsSent: boolean;
  readonly proxy: Proxy | null;
}
