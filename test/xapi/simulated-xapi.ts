/**
 * A simulated xapi: XenAPI's semantics (simulated-database.ts) over HTTP, on a Unix socket as on the host itself, or
 * over TLS as from elsewhere. `/jsonrpc` speaks JSON-RPC 2.0, every other path XML-RPC.
 */
import * as http from "node:http";
import * as https from "node:https";
import type { AddressInfo } from "node:net";
import { carryOut, Failure, makeDatabase, type Call, type Database } from "./simulated-database.ts";
import { readXmlCall, writeXmlAnswer } from "./simulated-wire.ts";

export interface SimulatedXapi extends AsyncDisposable {
  readonly database: Database;
  /** 0 on a socket. */
  readonly port: number;
}

export interface SimulatedXapiOptions {
  readonly database?: Database;
  /** Where to listen; without it, on a free port of the loopback. */
  readonly socket?: string;
  /** With these, over TLS. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** A host of before JSON-RPC: every path is XML-RPC's. */
  readonly xmlOnly?: boolean;
}

export async function startSimulatedXapi(options: SimulatedXapiOptions = {}): Promise<SimulatedXapi> {
  const database = options.database ?? makeDatabase();
  const listener = (request: http.IncomingMessage, response: http.ServerResponse) => {
    answer(database, request, response, options).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else response.writeHead(500, { "Content-Type": "text/html" }).end(`<html>${String(error)}</html>`);
    });
  };
  const server = options.tls === undefined ? http.createServer(listener) : https.createServer(options.tls, listener);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    if (options.socket === undefined) server.listen(0, "127.0.0.1", resolve);
    else server.listen(options.socket, resolve);
  });
  const address = server.address();
  return {
    database,
    port: isPort(address) ? address.port : 0,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(
  database: Database,
  request: http.IncomingMessage,
  response: http.ServerResponse,
  { socket, xmlOnly = false }: SimulatedXapiOptions,
): Promise<void> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(Buffer.from(part as Uint8Array));
  const body = Buffer.concat(parts).toString("utf8");
  const isLocal = socket !== undefined;
  if (request.url?.startsWith("/jsonrpc") === true && !xmlOnly) {
    const { id, method, params } = JSON.parse(body) as { id: unknown; method: string; params?: unknown[] };
    const done = await outcome(database, { method, params: params ?? [] }, isLocal);
    const result =
      "value" in done
        ? { result: done.value }
        : { error: { code: 1, message: done.failure[0], data: done.failure.slice(1) } };
    response
      .writeHead(200, { "Content-Type": "application/json" })
      .end(JSON.stringify({ jsonrpc: "2.0", id, ...result }));
    return;
  }
  if (!body.startsWith("<")) {
    // As hosts of before JSON-RPC answer it: a fault, in XML, and all is well to HTTP.
    const fault = "<methodResponse><fault><value>not a method call</value></fault></methodResponse>";
    response.writeHead(200, { "Content-Type": "text/xml" }).end(fault);
    return;
  }
  const done = await outcome(database, readXmlCall(body), isLocal);
  response.writeHead(200, { "Content-Type": "text/xml" }).end(writeXmlAnswer(done));
}

async function outcome(database: Database, call: Call, isLocal: boolean) {
  try {
    return { value: await carryOut(database, call, isLocal) };
  } catch (error) {
    if (error instanceof Failure) return { failure: error.description };
    throw error;
  }
}

function isPort(address: string | AddressInfo | null): address is AddressInfo {
  return typeof address === "object" && address !== null;
}
