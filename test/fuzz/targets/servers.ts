/**
 * What servers answer, byte for byte as the input has it, to the clients that really ask. Redirects are not followed
 * and data connections go to the server's own address, so that no input leads anywhere else than to the loopback.
 */
import type { AddressInfo, Server, Socket } from "node:net";
import { GuestbootError } from "../../../src/base/errors.ts";
import { openFtpRepository } from "../../../src/repository/ftp.ts";
import { openHttpRepository } from "../../../src/repository/http.ts";
import type { Repository } from "../../../src/repository/repository.ts";
import { bytesOf, drain, type FuzzTarget } from "../target.ts";

/** Milliseconds. Many inputs let a client wait; on the loopback no good answer takes so long. */
const WAIT = 500;
const IDLE = 25;
const PATIENCE = { connectTimeout: WAIT, headersTimeout: WAIT, bodyTimeout: WAIT, maxFileSize: 1 << 20 };

/** Bytes of memory that a body is received into. */
const LENT = 16;

/** Made once for a target, for as long as its process lives. */
async function listen(serve: (socket: Socket) => void): Promise<Server> {
  // Not at the top: most targets run where the network cannot be had.
  const { createServer } = await import("node:net");
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.unref();
  return server;
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

async function useRepository(repository: Repository): Promise<void> {
  await using open = repository;
  await open.look("file").catch(ignoreRefusal);
  const result = await open.fetch("file");
  if (result.outcome !== "content") return;
  const memory = new Uint8Array(LENT);
  result.lend?.(() => memory);
  await drain(result.body);
}

/** The second request is to be made, whatever came of the first. */
function ignoreRefusal(error: unknown): void {
  if (!(error instanceof GuestbootError)) throw error;
}

let answer: Uint8Array = new Uint8Array();
let http: Promise<Server> | null = null;

function answerHttp(socket: Socket): void {
  socket.once("data", () => socket.end(answer));
}

/** SIZE and MDTM, as the data server's file has them. */
const FILE = "213 16\r\n213 20220101000000\r\n";

let ftp: Promise<{ readonly control: Server; readonly data: Server }> | null = null;

async function ftpServers(): Promise<{ readonly control: Server; readonly data: Server }> {
  const data = await listen((socket) => socket.end("data of the file"));
  const control = await listen((socket) => {
    // A line to greet with, and one for each command; what only announces (RFC 959: 1yz) goes with what follows it.
    const lines = Buffer.from(answer)
      .toString("latin1")
      .replaceAll("%PORT%", String(portOf(data)))
      .split("\n");
    const say = (): void => {
      const line = lines.shift();
      if (line === undefined) socket.end();
      else socket.write(`${line}\n`, "latin1");
      if (line?.startsWith("1") === true) say();
    };
    say();
    socket.on("data", say);
    // A client that waits for more than the input has.
    socket.setTimeout(IDLE, () => socket.end());
  });
  return { control, data };
}

export const serverTargets: readonly FuzzTarget[] = [
  {
    name: "HTTP answer",
    needsNetwork: true,
    seeds: () =>
      [
        'HTTP/1.1 200 OK\r\nContent-Length: 4\r\nETag: "a"\r\nLast-Modified: Sat, 01 Jan 2022 00:00:00 GMT\r\n\r\nfile',
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfile\r\n0\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/x\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-3/4\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nfile",
      ].map(bytesOf),
    dictionary: [
      ..."200 206 304 401 407 416 429 503 chunked gzip identity close keep-alive bytes */ W/ , ;".split(" "),
      ..."Content-Length: Content-Range: Content-Encoding: Retry-After: Transfer-Encoding: Location: ETag:".split(" "),
      "\r\n",
      "HTTP/1.1 100 Continue\r\n\r\n",
    ],
    largest: 4096,
    run: async (input) => {
      answer = input;
      http ??= listen(answerHttp);
      const options = { ...PATIENCE, maxRedirects: 0, retryWaits: [] };
      await useRepository(openHttpRepository(`http://127.0.0.1:${portOf(await http)}/`, null, options));
    },
  },
  {
    name: "FTP answer",
    needsNetwork: true,
    seeds: () =>
      [
        `220 ready\r\n331 password\r\n230 in\r\n200 type\r\n200 utf8\r\n${FILE}${FILE}` +
          "229 Extended (|||%PORT%|)\r\n150 opening\r\n226 done\r\n221 bye\r\n",
        "220 ready\r\n230 in\r\n200 type\r\n500 utf8?\r\n550 no such file\r\n550 no such file\r\n",
      ].map(bytesOf),
    dictionary: ["229 x (|||%PORT%|)", "227 x (127,0,0,1,4,1)", "150 ", "226 ", "550 ", "213 ", "421 ", "-", "\r\n"],
    largest: 2048,
    run: async (input) => {
      answer = input;
      ftp ??= ftpServers();
      await useRepository(openFtpRepository(`ftp://127.0.0.1:${portOf((await ftp).control)}/`, null, PATIENCE));
    },
  },
];
