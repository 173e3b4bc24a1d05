/**
 * What goes wrong between us and a web server, in the words of the person who must mend it.
 */
import { GuestbootError, systemReason } from "../base/errors.ts";

/** The limits of time that a message may have to name, in milliseconds. */
export interface Timeouts {
  readonly connectTimeout: number;
  readonly headersTimeout: number;
  readonly bodyTimeout: number;
}

/** Connection errors after which the same request may well succeed. A host's name or certificate does not change. */
const TRANSIENT = [
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EAI_AGAIN",
  "UND_ERR_SOCKET",
  "UND_ERR_CONNECT_TIMEOUT",
];

export function isTransient(error: unknown): boolean {
  return TRANSIENT.includes(codeOf(error));
}

/** No answer came. `tries` is how often it was asked. */
export function unreachable(url: string, error: unknown, tries: number, timeouts: Timeouts): GuestbootError {
  const { reason, hint } = explain(error, new URL(url), timeouts);
  const often = tries > 1 ? ` (${tries} tries)` : "";
  return new GuestbootError("REPOSITORY_UNREACHABLE", `${url}: ${reason}${often}`, { hint, cause: error });
}

/** The connection failed after the answer had begun. `received` and `announced` are bytes of its body. */
export function brokenTransfer(
  url: string,
  error: unknown,
  received: number,
  announced: number | null,
  timeouts: Timeouts,
): GuestbootError {
  // The server ended the connection in good order, only too early: RFC 9112, section 8 calls that incomplete.
  const ended =
    codeOf(error) === "UND_ERR_RES_CONTENT_LENGTH_MISMATCH" ||
    (error instanceof Error && error.message === "other side closed");
  if (ended && announced !== null) return truncatedTransfer(url, received, announced);
  const of = announced === null ? "" : ` of ${announced}`;
  const reason = ended ? "the server ended the connection" : explain(error, new URL(url), timeouts).reason;
  return new GuestbootError(
    "TRANSFER_FAILED",
    `${url}: the transfer broke off after ${received}${of} bytes: ${reason}`,
    {
      hint: "start again; if it stays so, look at the server and at proxies on the way",
      cause: error,
    },
  );
}

export function truncatedTransfer(url: string, received: number, announced: number): GuestbootError {
  return new GuestbootError(
    "TRANSFER_TRUNCATED",
    `${url}: the server announced ${announced} bytes and ended the connection after ${received}`,
    { hint: "start again; if it stays so, the file on the server or a proxy on the way is damaged" },
  );
}

/** The server answered with a status that is no file. */
export function refused(
  url: string,
  status: number,
  credentialsSent: boolean,
  credentialsKept: boolean,
): GuestbootError {
  const words = STATUS_WORDS[status];
  const answer = words === undefined ? `${status}` : `${status} (${words})`;
  return new GuestbootError("REPOSITORY_REFUSED", `${url}: the server answered ${answer}`, {
    hint: refusalHint(status, credentialsSent, credentialsKept),
  });
}

function refusalHint(status: number, credentialsSent: boolean, credentialsKept: boolean): string | undefined {
  if (status === 401 || status === 403) {
    if (credentialsSent) return "the server does not take the user and password of the repository address";
    if (credentialsKept) {
      return "a redirect led to another server, and user and password are not sent there; name that server in the address";
    }
    return status === 401 ? "put a user and password into the address: http://USER:PASSWORD@HOST/PATH" : undefined;
  }
  if (status === 429 || status >= 500) return "the server is in trouble; try again later, or use another mirror";
  return undefined;
}

const STATUS_WORDS: Readonly<Record<number, string>> = {
  204: "no content",
  206: "a part of the file",
  304: "not modified, although nothing was known of the file",
  400: "bad request",
  401: "user and password wanted",
  403: "forbidden",
  407: "the proxy wants a user and password",
  429: "too many requests",
  500: "internal server error",
  502: "bad gateway",
  503: "service unavailable",
  504: "gateway timeout",
};

const UNTRUSTED = "the server's certificate must come from an authority that this host trusts";
const CLOCK = "compare this host's clock (type: date) with the certificate's dates";

function explain(error: unknown, url: URL, timeouts: Timeouts): { reason: string; hint?: string } {
  const code = codeOf(error);
  switch (code) {
    case "ENOTFOUND":
      return { reason: `name not known: ${url.hostname}`, hint: `check the name, and that this host can resolve it` };
    case "EAI_AGAIN":
      return { reason: `no name server answered for ${url.hostname}`, hint: "check /etc/resolv.conf and the network" };
    case "ECONNREFUSED":
      return { reason: "connection refused", hint: `is a web server running on ${url.host}?` };
    case "ECONNRESET":
    case "EPIPE":
    case "UND_ERR_SOCKET":
      return { reason: "the server closed the connection without an answer" };
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return { reason: "no route to the server", hint: "check the network of this host" };
    case "ETIMEDOUT":
    case "UND_ERR_CONNECT_TIMEOUT":
      return {
        reason: `no connection within ${seconds(timeouts.connectTimeout)}`,
        hint: "a firewall may be in the way",
      };
    case "UND_ERR_HEADERS_TIMEOUT":
      return { reason: `no answer within ${seconds(timeouts.headersTimeout)}` };
    case "UND_ERR_BODY_TIMEOUT":
      return { reason: `nothing came for ${seconds(timeouts.bodyTimeout)}` };
    case "UND_ERR_HEADERS_OVERFLOW":
      return { reason: "the answer's headers are too large" };
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return {
        reason: `the certificate is for another host than ${url.hostname}`,
        hint: "check the name in the address",
      };
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
    case "SELF_SIGNED_CERT_IN_CHAIN":
      return { reason: "self-signed certificate", hint: UNTRUSTED };
    case "UNABLE_TO_GET_ISSUER_CERT":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
      return { reason: "the certificate comes from an authority that this host does not know", hint: UNTRUSTED };
    case "CERT_HAS_EXPIRED":
      return { reason: "the certificate has expired", hint: CLOCK };
    case "CERT_NOT_YET_VALID":
      return { reason: "the certificate is not valid yet", hint: CLOCK };
  }
  if (code === "EPROTO" || code.startsWith("ERR_SSL_") || code.startsWith("ERR_TLS_")) {
    return { reason: `no TLS connection came about (${code})`, hint: "is it an http:// server, or a very old one?" };
  }
  const reason = systemReason(error);
  // The parser's own words say what it stumbled over.
  if (error instanceof Error && error.name === "HTTPParserError") {
    return { reason: `what answers there does not speak proper HTTP: ${reason}` };
  }
  return { reason };
}

/** The code of the error or, where several addresses of a host were tried, of the first. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  if ("code" in error && typeof error.code === "string") return error.code;
  const inner: unknown = error instanceof AggregateError ? error.errors[0] : error.cause;
  return inner === undefined ? "" : codeOf(inner);
}

function seconds(milliseconds: number): string {
  const count = milliseconds / 1000;
  return `${count} ${count === 1 ? "second" : "seconds"}`;
}
