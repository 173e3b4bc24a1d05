/**
 * A request to a web server and its answer, as the files about HTTP hand them to each other.
 */
import type { Dispatcher } from "undici";
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
  readonly dispatcher: Dispatcher;
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

export interface HttpResponse {
  /** Where the answer came from, after redirects. */
  readonly url: string;
  readonly status: number;
  readonly credentialsSent: boolean;
  readonly proxy: Proxy | null;
  /** The header, its first value where it came twice; null when it did not come. */
  header(name: string): string | null;
  readonly body: Dispatcher.ResponseData["body"];
}

/** Lets the rest of an answer go, so that its connection can be used again where little is left, or is closed. */
export function discard(response: HttpResponse): void {
  response.body.dump({ limit: 16_384 }).catch(() => undefined);
}
