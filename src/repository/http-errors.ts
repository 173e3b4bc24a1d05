/**
 * What goes wrong between us and a web server, in the words of the person who must mend it.
 */
import { GuestbootError } from "../base/errors.ts";
import { codeOf, explain, type Explanation, type Peer } from "./network-errors.ts";
import type { Proxy } from "./proxy.ts";
import { brokenTransfer, truncatedTransfer, type Timeouts } from "./transfer.ts";

/** Why we have given a request up. */
export class TimedOut extends Error {
  override readonly name = "TimedOut";
  readonly code: "CONNECT_TIMEOUT" | "HEADERS_TIMEOUT" | "BODY_TIMEOUT";

  constructor(code: TimedOut["code"]) {
    super("timed out");
    this.code = code;
  }
}

/** The server has ended the connection in good order, but before the end of its answer. */
export class ConnectionEnded extends Error {
  override readonly name = "ConnectionEnded";

  constructor() {
    super("the server ended the connection");
  }
}

/** No answer came. `tries` is how often it was asked. */
export function unreachable(
  url: string,
  error: unknown,
  tries: number,
  timeouts: Timeouts,
  proxy: Proxy | null,
): GuestbootError {
  const wanted = proxyRefusal(url, error, proxy);
  if (wanted !== null) return wanted;
  const { reason, hint } = explainHttp(error, url, timeouts, proxy);
  const often = tries > 1 ? ` (${tries} tries)` : "";
  return new GuestbootError("REPOSITORY_UNREACHABLE", `${url}: ${reason}${often}`, { hint, cause: error });
}

/** The connection failed after the answer had begun. `received` and `announced` are bytes of its body. */
export function brokenAnswer(
  url: string,
  error: unknown,
  received: number,
  announced: number | null,
  timeouts: Timeouts,
): GuestbootError {
  // In good order, only too early: RFC 9112, section 8 calls that incomplete.
  const ended =
    error instanceof ConnectionEnded ||
    codeOf(error) === "UND_ERR_RES_CONTENT_LENGTH_MISMATCH" ||
    (error instanceof Error && error.message === "other side closed");
  if (ended && announced !== null) return truncatedTransfer(url, received, announced);
  const reason = ended ? "the server ended the connection" : explainHttp(error, url, timeouts, null).reason;
  return brokenTransfer(url, reason, received, announced, error);
}

/** The status behind a refusal, for those who must tell a server in trouble from one that means it. */
export class AnsweredStatus extends Error {
  override readonly name = "AnsweredStatus";
  readonly status: number;

  constructor(status: number) {
    super(`status ${status}`);
    this.status = status;
  }
}

/** What of user and password has been on the way to the server that refused. */
export interface CredentialsUse {
  readonly sent: boolean;
  /** There are some, but not for that server. */
  readonly kept: boolean;
}

/** The server answered with a status that is no file. */
export function refused(url: string, status: number, credentials: CredentialsUse, proxy: Proxy | null): GuestbootError {
  const words = STATUS_WORDS[status];
  const answer = words === undefined ? `${status}` : `${status} (${words})`;
  const through = proxy === null ? "" : ` through the proxy ${proxy.address}`;
  return new GuestbootError("REPOSITORY_REFUSED", `${url}: the server answered ${answer}${through}`, {
    hint: refusalHint(status, credentials, proxy),
    cause: new AnsweredStatus(status),
  });
}

function refusalHint(status: number, credentials: CredentialsUse, proxy: Proxy | null): string | undefined {
  if (status === 407) return proxyHint(proxy);
  if (status === 401 || status === 403) {
    if (credentials.sent) return "the server does not take the user and password of the repository address";
    if (credentials.kept) {
      return "a redirect led to another server, and user and password are not sent there; name that server in the address";
    }
    if (proxy !== null && status === 401) return `is it the proxy that wants a user and password? ${proxyHint(proxy)}`;
    return status === 401 ? "put a user and password into the address: http://USER:PASSWORD@HOST/PATH" : undefined;
  }
  if (proxy !== null && status >= 500) return "the answer may be the proxy's own: can it reach that server?";
  if (status === 429 || status >= 500) return "the server is in trouble; try again later, or use another mirror";
  return undefined;
}

/** undici tells a proxy's own refusal only by its words. */
function proxyRefusal(url: string, error: unknown, proxy: Proxy | null): GuestbootError | null {
  if (proxy === null || !(error instanceof Error)) return null;
  const text = /^Proxy response \((\d{3})\)|^Proxy Authentication Required \((407)\)/.exec(error.message);
  const status = Number(text?.[1] ?? text?.[2] ?? 0);
  if (status === 0) return null;
  const words = STATUS_WORDS[status];
  return new GuestbootError(
    "REPOSITORY_REFUSED",
    `${url}: the proxy ${proxy.address} answered ${status}${words === undefined ? "" : ` (${words})`}`,
    { hint: status === 407 ? proxyHint(proxy) : "can the proxy reach that server, and may it?", cause: error },
  );
}

function proxyHint(proxy: Proxy | null): string {
  return proxy === null || proxy.credentials === null
    ? "put a user and password into the proxy's address: http://USER:PASSWORD@HOST:PORT"
    : "the proxy does not take the user and password of its address";
}

function explainHttp(error: unknown, url: string, timeouts: Timeouts, proxy: Proxy | null): Explanation {
  // With a proxy on the way, it is the only one that we talk to.
  const { hostname, host, protocol } = new URL(proxy?.address ?? url);
  const peer: Peer = { hostname, host, service: proxy === null ? "web server" : "proxy" };
  const explanation = explain(error, peer, timeouts);
  if (proxy === null || (protocol === "http:" && isCertificateError(error))) return explanation;
  return { ...explanation, reason: `the proxy ${proxy.address}: ${explanation.reason}` };
}

/** Over a plain proxy, only the server itself can have shown a certificate. */
function isCertificateError(error: unknown): boolean {
  return /CERT|ERR_TLS|ERR_SSL|EPROTO/.test(codeOf(error));
}

const STATUS_WORDS: Readonly<Record<number, string>> = {
  204: "no content",
  206: "a part of the file",
  304: "not modified, although nothing was known of the file",
  400: "bad request",
  401: "user and password wanted",
  403: "forbidden",
  404: "not found",
  407: "the proxy wants a user and password",
  429: "too many requests",
  500: "internal server error",
  502: "bad gateway",
  503: "service unavailable",
  504: "gateway timeout",
};
