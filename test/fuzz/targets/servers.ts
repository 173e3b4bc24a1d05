/**
 * What servers answer, byte for byte as the input has it, to the clients that really ask, over connections in memory.
 * One redirect is followed, to a second server that always answers in the same way.
 */
import { openFtpRepository } from "../../../src/repository/ftp.ts";
import { openHttpRepository } from "../../../src/repository/http.ts";
import { nfsValidator } from "../../../src/repository/nfs-validators.ts";
import type { FetchOptions, Repository } from "../../../src/repository/repository.ts";
import { ACCEPTED, ATTRIBUTES, BITMAP, record, words } from "../../repository/nfs-replies.ts";
import * as memoryNet from "../memory-net.ts";
import { serveAt, type Socket } from "../memory-net.ts";
import { bytesOf, drain, ignoreRefusal, type FuzzTarget } from "../target.ts";

/** Milliseconds, for what waits in spite of all. */
const WAIT = 500;
const PATIENCE = { connectTimeout: WAIT, headersTimeout: WAIT, bodyTimeout: WAIT, maxFileSize: 1 << 20 };

const HTTP_PORT = 80;
const PROXY_PORT = 3128;
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

const PROXY_ANSWERS = [
  "HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n",
  "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
];

const HTTP_ORIGIN = "http://127.0.0.1/";
const PROXY = { address: `http://127.0.0.1:${PROXY_PORT}/`, credentials: null };

/** A server that has one answer to whatever is asked. */
const answering =
  (answer: Uint8Array | string) =>
  (socket: Socket): void =>
    void socket.once("data", () => socket.end(answer));

/** Who answers with a part was asked for the rest. */
const fetchOptionsFor = (input: Uint8Array): FetchOptions =>
  Buffer.from(input).includes(" 206 ") ? { rest: HALF } : {};

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

const PORTMAPPER_PORT = 111;
const NFS_PORT = 2049;
const NFS_FILE = { server: "127.0.0.1", export: "/", path: "file", port: null, mountPort: null } as const;
const LAST_FRAGMENT = 0x8000_0000;

const rpcReply = (xid: number, ...results: readonly number[]): Buffer =>
  record(words(xid, ...ACCEPTED.slice(1), ...results));

/** What RFC 1813 has of a regular file: fattr3. */
const FATTR3 = [1, 0o644, 1, 0, 0, 0, 42, ...Array.from({ length: 14 }, (_, index) => index)];
/** An opaque of four bytes. */
const HANDLE = [4, 0x6861_6e64];

const NFS_ANSWERS = [
  rpcReply(1, 0, 0, 3, 24, 0, 15, 0, 9, 0, ...BITMAP, ...ATTRIBUTES),
  Buffer.concat([
    rpcReply(1, NFS_PORT),
    rpcReply(1, NFS_PORT),
    rpcReply(1, 0, ...HANDLE, 1, 1),
    rpcReply(1, 0, ...HANDLE),
    rpcReply(2, 0, ...FATTR3),
  ]),
];

/** Each call, on whatever connection, gets the next record of the answers; behind the last the connection ends. */
function answerRpc(answers: Uint8Array): (socket: Socket) => void {
  let at = 0;
  return (socket) => {
    socket.on("data", () => {
      const start = at;
      for (let isLast = false; !isLast && at + 4 <= answers.length;) {
        const mark = Buffer.from(answers.buffer, answers.byteOffset + at, 4).readUInt32BE();
        isLast = mark >= LAST_FRAGMENT;
        at += 4 + (mark % LAST_FRAGMENT);
      }
      socket.write(answers.subarray(start, at));
      if (answers.length - at < 4) socket.end();
    });
  };
}

export const serverTargets: readonly FuzzTarget[] = [
  {
    name: "HTTP answer",
    seeds: () => HTTP_ANSWERS.map(bytesOf),
    dictionary: HTTP_WORDS,
    largest: 4096,
    run: async (input) => {
      withoutNetwork();
      serveAt(HTTP_PORT, answering(input));
      serveAt(REDIRECTED_PORT, answering(REDIRECTED));
      await useRepository(openHttpRepository(HTTP_ORIGIN, null, HTTP_OPTIONS), fetchOptionsFor(input));
    },
  },
  {
    // Plain connections have a client of our own; what goes through proxies, and over TLS, goes by undici.
    name: "proxy's answer",
    seeds: () => [...HTTP_ANSWERS, ...PROXY_ANSWERS].map(bytesOf),
    dictionary: [...HTTP_WORDS, "Proxy-Authenticate: Basic"],
    largest: 4096,
    run: async (input) => {
      withoutNetwork();
      serveAt(PROXY_PORT, answering(input));
      const options = { ...HTTP_OPTIONS, proxyFor: () => PROXY };
      await useRepository(openHttpRepository(HTTP_ORIGIN, null, options), fetchOptionsFor(input));
      // A tunnel, with no server at its other end that speaks TLS.
      await useRepository(openHttpRepository("https://127.0.0.1/", null, options)).catch(ignoreRefusal);
    },
  },
  {
    name: "NFS answer",
    seeds: () => NFS_ANSWERS,
    largest: 2048,
    run: async (input) => {
      withoutNetwork();
      const { signal } = new AbortController();
      for (const version of ["4", "3"] as const) {
        const answer = answerRpc(input);
        for (const port of [PORTMAPPER_PORT, NFS_PORT]) serveAt(port, answer);
        await nfsValidator({ ...NFS_FILE, version }, WAIT, signal);
      }
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
