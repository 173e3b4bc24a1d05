/**
 * What keeps two machines from talking, in the words of the person who must mend it.
 */
import { isSystemError, systemReason } from "../base/errors.ts";
import { seconds, type Timeouts } from "./transfer.ts";

/** Whom we talked to when it failed. */
export interface Peer {
  /** The name that was looked up. */
  readonly hostname: string;
  /** With the port, where it is not the usual one. */
  readonly host: string;
  /** What should be running there: "web server", "FTP server". */
  readonly service: string;
}

export interface Explanation {
  readonly reason: string;
  readonly hint?: string;
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
  "CONNECT_TIMEOUT",
];

export function isTransient(error: unknown): boolean {
  return TRANSIENT.includes(codeOf(error));
}

const UNTRUSTED = "the server's certificate must come from an authority that this host trusts";
const CLOCK = "compare this host's clock (type: date) with the certificate's dates";

export function explain(error: unknown, peer: Peer, timeouts: Timeouts): Explanation {
  const code = codeOf(error);
  switch (code) {
    case "ENOTFOUND":
      return { reason: `name not known: ${peer.hostname}`, hint: `check the name, and that this host can resolve it` };
    case "EAI_AGAIN":
      return { reason: `no name server answered for ${peer.hostname}`, hint: "check /etc/resolv.conf and the network" };
    case "ECONNREFUSED":
      return { reason: "connection refused", hint: `is a ${peer.service} running on ${peer.host}?` };
    case "ECONNRESET":
    case "EPIPE":
    case "UND_ERR_SOCKET":
    case "UND_ERR_PRX_CONN":
      return { reason: "the server closed the connection without an answer" };
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return { reason: "no route to the server", hint: "check the network of this host" };
    case "EACCES":
      return {
        reason: "no connection: permission denied",
        hint: "a start connects to the ports of its repository, its answer file and its proxies, to 80 and to 443: if a server sends on to another, name that one in the address, or its port in redirect-ports, in a section [repository] of /etc/guestboot.conf",
      };
    case "EMFILE":
    case "ENFILE":
      return { reason: "too many open files on this host for one more connection", hint: "ulimit -n" };
    case "ETIMEDOUT":
    case "UND_ERR_CONNECT_TIMEOUT":
    case "CONNECT_TIMEOUT":
      return {
        reason: `no connection within ${seconds(timeouts.connectTimeout)}`,
        hint: "a firewall may be in the way",
      };
    case "UND_ERR_HEADERS_TIMEOUT":
    case "HEADERS_TIMEOUT":
      return { reason: `no answer within ${seconds(timeouts.headersTimeout)}` };
    case "UND_ERR_BODY_TIMEOUT":
    case "BODY_TIMEOUT":
      return { reason: `nothing came for ${seconds(timeouts.bodyTimeout)}` };
    case "UND_ERR_HEADERS_OVERFLOW":
    case "HPE_HEADER_OVERFLOW":
      return { reason: "the answer's headers are too large" };
    case "ERR_TLS_CERT_ALTNAME_INVALID":
    case "UND_ERR_PRX_TLS":
      return {
        reason: `the certificate is for another host than ${peer.hostname}`,
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
  const reason = connectReason(error) ?? systemReason(error);
  // The parser's own words say what it stumbled over.
  if (code.startsWith("HPE_") || (error instanceof Error && error.name === "HTTPParserError")) {
    return { reason: `what answers there does not speak proper HTTP: ${reason}` };
  }
  return { reason };
}

/** "connect ENOBUFS 127.0.0.1:80 - Local (undefined:undefined)" is how the runtime puts what the system refused. */
function connectReason(error: unknown): string | null {
  if (!isSystemError(error) || error.syscall !== "connect" || typeof error.errno !== "number") return null;
  return `no connection: ${process.getBuiltinModule("node:util").getSystemErrorMessage(error.errno)}`;
}

/** The code of the error or, where several addresses of a host were tried, of the first. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  if ("code" in error && typeof error.code === "string") return error.code;
  const inner: unknown = error instanceof AggregateError ? error.errors[0] : error.cause;
  return inner === undefined ? "" : codeOf(inner);
}
