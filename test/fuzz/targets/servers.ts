/**
 * What servers answer, byte for byte as the input has it, to the clients that really ask, over connections in memory.
 * One redirect is followed, to a second server that always answers in the same way.
 */
import { GuestbootError } from "../../../src/base/errors.ts";
import { openFtpRepository } from "../../../src/repository/ftp.ts";
import { openHttpRepository } from "../../../src/repository/http.ts";
import type { FetchOptions, Repository } from "../../../src/repository/repository.ts";
import * as memoryNet from "../memory-net.ts";
import { serveAt, type Socket } from "../memory-net.ts";
import { bytesOf, drain, type FuzzTarget } from "../target.ts";

/** Milliseconds, for what waits in spite of all. */
const WAIT = 500;
const PATIENCE = { connectTimeout: WAIT, headersTimeout: WAIT, bodyTimeout: WAIT, maxFileSize: 1 << 20 };

const HTTP_PORT = 80;
const FTP_PORT = 21;
const FTP_DATA_PORT = 1025;

/** Bytes of memory that a body is received into. */
const LENT = 16;

async function useRepository(repository: Repository, options: FetchOptions = {}): Promise<void> {
  await using open = repository;
  await open.look("file").catch(ignoreRefusal);
  const result = await open.fetch("file", options);
  if (result.outcome !== "content") return;
  const memory = new Uint8Array(LENT);
  result.lend?.(() => memory);
  await drain(result.body);
}

/** Once for all inputs: a hundred thousand wrappers around each other end with the stack. */
let isWithoutNetwork = false;

/** Our own code asks the runtime for its modules; packages get the other network by the build. */
function withoutNetwork(): void {
  if (isWithoutNetwork) return;
  isWithoutNetwork = true;
  const real = process.getBuiltinModule.bind(process);
  const found = (id: string): unknown => (id === "node:net" ? memoryNet : real(id));
  Object.defineProperty(process, "getBuiltinModule", { value: found, configurable: true });
}

const HTTP_ANSWERS = [
  'HTTP/1.1 200 OK\r\nContent-Length: 4\r\nETag: "a"\r\nLast-Modified: Sat, 01 Jan 2022 00:00:00 GMT\r\n\r\nfile',
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfile\r\n0\r\n\r\n",
  "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
  "HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/x\r\nContent-Length: 0\r\n\r\n",
  'HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 4-7/8\r\nETag: "a"\r\nContent-Length: 4\r\n\r\nfile',
];

const HTTP_WORDS = [
  ..."200 206 304 401 407 416 429 503 chunked gzip identity close keep-alive bytes */ W/ , ;".split(" "),
  ..."Content-Length: Content-Range: Content-Encoding: Retry-After: Transfer-Encoding: Location: ETag:".split(" "),
  "\r\n",
  "HTTP/1.1 100 Continue\r\n\r\n",
];

const HTTP_OPTIONS = { ...PATIENCE, maxRedirects: 1, retryWaits: [] };
const HALF = { bytes: 4, size: 8, etag: '"a"' };
const REDIRECTED_PORT = 1;
const REDIRECTED = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfile";

/** The second request is to be made, whatever came of the first. */
function ignoreRefusal(error: unknown): void {
  if (!(error instanceof GuestbootError)) throw error;
}

/** SIZE and MDTM, as the data server's file has them. */
const FILE = "213 16\r\n213 20220101000000\r\n";

/** Turns of the event loop after which a client that has said nothing waits: its own work takes one. */
const PATIENT_TURNS = 3;

/** A line to greet with, and one for each command; what only announces (RFC 959: 1yz) goes with what follows it. */
function answerFtp(control: Socket, answer: Uint8Array): void {
  const lines = Buffer.from(answer).toString("latin1").replaceAll("%PORT%", String(FTP_DATA_PORT)).split("\n");
  let said = 0;
  const say = (): void => {
    const line = lines[said];
    if (line === undefined || control.destroyed) {
      control.end();
      return;
    }
    said++;
    control.write(`${line}\n`, "latin1");
    if (line.startsWith("1")) say();
    else goOnUnlessAsked(said, PATIENT_TURNS);
  };
  // A client that waits for more than it has got: the rest of an answer of several lines, or the end.
  const goOnUnlessAsked = (before: number, turns: number): void => {
    if (said !== before || control.destroyed) return;
    if (turns === 0) say();
    else setImmediate(() => goOnUnlessAsked(before, turns - 1));
  };
  control.on("data", say);
  say();
}

export const serverTargets: readonly FuzzTarget[] = [
  {
    name: "HTTP answer",
    seeds: () => HTTP_ANSWERS.map(bytesOf),
    dictionary: HTTP_WORDS,
    largest: 4096,
    run: async (input) => {
      withoutNetwork();
      serveAt(HTTP_PORT, (socket) => socket.once("data", () => socket.end(input)));
      serveAt(REDIRECTED_PORT, (socket) => socket.once("data", () => socket.end(REDIRECTED)));
      // Who answers with a part was asked for the rest.
      const options = Buffer.from(input).includes(" 206 ") ? { rest: HALF } : {};
      await useRepository(openHttpRepository("http://127.0.0.1/", null, HTTP_OPTIONS), options);
    },
  },
  {
    name: "FTP answer",
    seeds: () =>
      [
        `220 ready\r\n331 password\r\n230 in\r\n200 type\r\n200 utf8\r\n${FILE}${FILE}` +
          "229 Extended (|||%PORT%|)\r\n150 opening\r\n226 done\r\n221 bye\r\n",
        "220 ready\r\n230 in\r\n200 type\r\n500 utf8?\r\n550 no such file\r\n550 no such file\r\n",
      ].map(bytesOf),
    dictionary: ["229 x (|||%PORT%|)", "227 x (127,0,0,1,4,1)", "150 ", "226 ", "550 ", "213 ", "421 ", "-", "\r\n"],
    largest: 2048,
    run: async (input) => {
      serveAt(FTP_PORT, (control) => answerFtp(control, input));
      serveAt(FTP_DATA_PORT, (data) => data.end("data of the file"));
      await useRepository(openFtpRepository("ftp://127.0.0.1/", null, PATIENCE));
    },
  },
];
