/** Bodies over HTTP that are received into memory of whoever takes them. */
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { randomBytes } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { startFaultServer, type Behaviour } from "../../fixtures/http-server.ts";
import { GuestbootError } from "../../src/base/errors.ts";
import { openHttpRepository } from "../../src/repository/http.ts";
import type { FetchResult } from "../../src/repository/repository.ts";

const BODY = randomBytes(3_000_000);
const QUICK = { connectTimeout: 300, headersTimeout: 300, bodyTimeout: 300, retryWaits: [] };

let opened = new AsyncDisposableStack();
afterEach(async () => {
  await opened.disposeAsync();
  opened = new AsyncDisposableStack();
});

type Content = Extract<FetchResult, { outcome: "content" }>;

async function fetchFrom(url: string, signal?: AbortSignal): Promise<Content> {
  const repository = opened.use(openHttpRepository(url, null, QUICK));
  const result = await repository.fetch("file", { signal });
  if (result.outcome !== "content") throw new Error(`the outcome was ${result.outcome}`);
  return result;
}

async function serve(behaviour: Behaviour): Promise<string> {
  return opened.use(await startFaultServer({ "/file": behaviour })).url;
}

/** @param sizes of the memory that is lent, one after the other, again and again; 0: none */
async function receive({ body, lend }: Content, sizes: readonly number[]) {
  const parts: Buffer[] = [];
  let lent = new Uint8Array();
  let asked = 0;
  let inPlace = 0;
  lend?.(() => (lent = new Uint8Array(sizes[asked++ % sizes.length] ?? 0)));
  for await (const bytes of body) {
    if (bytes.buffer === lent.buffer) inPlace += bytes.length;
    parts.push(Buffer.from(bytes));
  }
  return { bytes: Buffer.concat(parts), inPlace };
}

async function failureOf(work: Promise<unknown>): Promise<GuestbootError> {
  const failure: unknown = await work.then(
    () => new Error("it did not fail"),
    (error: unknown) => error,
  );
  if (failure instanceof GuestbootError) return failure;
  throw failure;
}

describe("a body for which memory is lent", () => {
  it.each([[[1_000_000]], [[100_003]], [[7, 70_000, 1]], [[0, 5000]], [[0]]])("comes whole into %j", async (sizes) => {
    const { bytes } = await receive(await fetchFrom(await serve({ does: "answer", body: BODY })), sizes);
    expect(bytes.equals(BODY)).toBe(true);
  });

  it("lies in that memory, most of it", async () => {
    const content = await fetchFrom(await serve({ does: "answer", body: BODY }));
    expect((await receive(content, [1_000_000])).inPlace).toBeGreaterThan(BODY.length / 2);
  });

  it("ends where its announced length ends", async () => {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      const head = `HTTP/1.1 200 OK\r\nContent-Length: ${BODY.length - 9}\r\n\r\n`;
      socket.once("data", () => socket.end(Buffer.concat([Buffer.from(head), BODY])));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    opened.defer(() => void server.close());
    const content = await fetchFrom(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    expect((await receive(content, [1_000_000])).bytes.equals(BODY.subarray(0, -9))).toBe(true);
  });

  it("of unknown length comes without it", async () => {
    const content = await fetchFrom(await serve({ does: "answer", body: BODY, headers: {} }));
    const { bytes, inPlace } = await receive(content, [1_000_000]);
    expect(bytes.equals(BODY)).toBe(true);
    expect(inPlace).toBe(0);
  });

  it.each<[string, Behaviour]>([
    ["truncated", { does: "truncate", body: BODY, announced: BODY.length + 5 }],
    ["reset", { does: "reset", body: BODY, announced: BODY.length + 5 }],
    ["stalled", { does: "stall", body: BODY, announced: BODY.length + 5 }],
  ])("that is %s fails as it does without", async (_fault, behaviour) => {
    const url = await serve(behaviour);
    const lent = await failureOf(fetchFrom(url).then((content) => receive(content, [100_000])));
    const plain = await failureOf(
      fetchFrom(url).then(({ body, facts }) => receive({ outcome: "content", body, facts }, [])),
    );
    // How much has come before a reset is chance: it takes along what was not read yet.
    const withoutCount = ({ message }: GuestbootError) => message.replace(/after \d+/, "after some");
    expect(lent.code).toBe(plain.code);
    expect(withoutCount(lent)).toBe(withoutCount(plain));
  });

  it("waits as long as its reader does not ask for more", async () => {
    const { body, lend } = await fetchFrom(await serve({ does: "answer", body: BODY }));
    let asked = 0;
    lend?.(() => new Uint8Array(((asked += 1), 100_000)));
    const bytes = body[Symbol.asyncIterator]();
    while (asked === 0) await bytes.next();
    for (let turns = 0; turns < 200; turns += 1) await turn();
    expect(asked).toBe(1);
    await bytes.return?.();
  });

  it("ends with the signal, and its connection with it", async () => {
    const server = opened.use(
      await startFaultServer({ "/file": { does: "stall", body: BODY, announced: BODY.length + 5 } }),
    );
    const controller = new AbortController();
    const content = await fetchFrom(server.url, controller.signal);
    const reason = new GuestbootError("LOCK_TIMEOUT", "enough");
    setTimeout(() => controller.abort(reason), 50);
    expect(await failureOf(receive(content, [100_000]))).toBe(reason);
    await expect.poll(() => server.connections()).toBe(0);
  });
});

describe("a server that changes the protocol unasked", () => {
  it("has given no answer", async () => {
    const url = await serve({
      does: "babble",
      bytes: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    });
    expect(await failureOf(fetchFrom(url))).toMatchObject({
      code: "REPOSITORY_UNREACHABLE",
      message: `${url}file: the server ended the connection`,
    });
  });
});
