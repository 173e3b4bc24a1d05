/**
 * One HTTP request to xapi: over the host's own socket, or over TLS to another host. `node:http` and not undici, which
 * takes ten times as long to load; there are no redirects, no proxies and no kept connections here.
 */
import type { Socket } from "node:net";
import { GuestbootError, systemReason } from "../../base/errors.ts";

export type XapiAddress =
  | { readonly kind: "socket"; readonly path: string }
  | { readonly kind: "tls"; readonly host: string; readonly port: number; readonly trust: TlsTrust };

/** Whose certificate is believed. */
export interface TlsTrust {
  /** PEM text of the authorities; null: those that the runtime brings. */
  readonly ca: string | null;
  /** SHA-256 of the certificates themselves, 64 lower-case hexadecimal digits each. Where there are some, only they count. */
  readonly fingerprints: readonly string[];
}

export interface HttpPost {
  readonly path: string;
  readonly contentType: string;
  readonly body: string;
  readonly timeoutSeconds: number;
}

export interface HttpAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** The largest answer, in bytes: a VM's record has some ten kilobytes. */
const LARGEST_ANSWER = 16 * 1024 * 1024;

/** @throws TOOLSTACK_UNREACHABLE when there is no answer in time, or the other side is not the one that is trusted */
export async function post(address: XapiAddress, request: HttpPost): Promise<HttpAnswer> {
  const http = process.getBuiltinModule("node:http");
  const name = nameOf(address);
  const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
  let socket: Socket | null = null;
  const timer = setTimeout(() => {
    const reason = new Error(`no answer in ${request.timeoutSeconds} s`);
    reject(reason);
    socket?.destroy(reason);
  }, request.timeoutSeconds * 1000);
  try {
    const connected = address.kind === "socket" ? null : connectTls(address, (made) => (socket = made));
    const connection = connected === null ? null : await Promise.race([connected, promise]);
    if (connection !== null && !("write" in connection)) throw new TypeError("answered before it was asked");
    const sent = http.request({
      method: "POST",
      path: request.path,
      headers: {
        Host: address.kind === "socket" ? "localhost" : address.host,
        "Content-Type": request.contentType,
        "Content-Length": Buffer.byteLength(request.body),
        Connection: "close",
      },
      // Without an agent of its own, a request takes the connection that it is given.
      ...(connection === null ? { agent: false } : { createConnection: () => connection }),
      ...(address.kind === "socket" ? { socketPath: address.path } : {}),
    });
    sent.on("socket", (made) => (socket = made));
    sent.on("error", reject);
    sent.on("response", (response) => {
      const parts: Buffer[] = [];
      let size = 0;
      response.on("data", (part: Buffer) => {
        size += part.length;
        if (size > LARGEST_ANSWER) response.destroy(new Error(`the answer is longer than ${LARGEST_ANSWER} bytes`));
        else parts.push(part);
      });
      response.on("error", reject);
      response.on("aborted", () => reject(new Error("the answer is cut off")));
      response.on("end", () => {
        if (!response.complete) reject(new Error("the answer is cut off"));
        const { statusCode, headers } = response;
        resolve({
          status: statusCode ?? 0,
          contentType: headers["content-type"] ?? "",
          body: Buffer.concat(parts).toString("utf8"),
        });
      });
    });
    sent.end(request.body);
    return await promise;
  } catch (error) {
    if (error instanceof GuestbootError) throw error;
    throw new GuestbootError("TOOLSTACK_UNREACHABLE", `xapi at ${name} does not answer: ${systemReason(error)}`, {
      cause: error,
      hint:
        address.kind === "socket"
          ? "is the toolstack up? systemctl status xapi; xe-toolstack-restart restarts it"
          : "is [xapi] url in /etc/guestboot.conf right, and its certificate the one that ca or fingerprint names?",
    });
  } finally {
    clearTimeout(timer);
    promise.catch(() => undefined);
  }
}

export function nameOf(address: XapiAddress): string {
  return address.kind === "socket" ? address.path : `https://${address.host}:${address.port}`;
}

/**
 * A connection to the one that is trusted. Nothing is sent before that is known: the first thing to be sent is the
 * password.
 */
async function connectTls(
  { host, port, trust }: Extract<XapiAddress, { kind: "tls" }>,
  made: (socket: Socket) => void,
): Promise<Socket> {
  const tls = process.getBuiltinModule("node:tls");
  const { isIP } = process.getBuiltinModule("node:net");
  const isPinned = trust.fingerprints.length > 0;
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = tls.connect({
    host,
    port,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(trust.ca === null ? {} : { ca: trust.ca }),
    rejectUnauthorized: !isPinned,
  });
  made(socket);
  socket.on("error", reject);
  socket.once("secureConnect", () => {
    const fingerprint = socket.getPeerCertificate().fingerprint256.replaceAll(":", "").toLowerCase();
    if (!isPinned || trust.fingerprints.includes(fingerprint)) resolve(socket);
    else socket.destroy(new Error(`its certificate has the fingerprint ${fingerprint}, which is not the one pinned`));
  });
  return promise;
}
