/** HTTP against a server that misbehaves on demand. */
import { once } from "node:events";
import { createServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { type FaultServer, type Routes, startFaultServer } from "../../fixtures/http-server.ts";
import { GuestbootError } from "../../src/base/errors.ts";
import { silent } from "../../src/base/progress.ts";
import type { HttpOptions } from "../../src/repository/http.ts";
import { parseLocation } from "../../src/repository/location.ts";
import { openRepository } from "../../src/repository/open.ts";
import type { FetchResult, Repository } from "../../src/repository/repository.ts";

const QUICK: Partial<HttpOptions> = {
  connectTimeout: 300,
  headersTimeout: 300,
  bodyTimeout: 300,
  retryWaits: [1, 2],
};

let opened = new AsyncDisposableStack();
afterEach(async () => {
  await opened.disposeAsync();
  opened = new AsyncDisposableStack();
});

async function serve(routes: Routes): Promise<FaultServer> {
  return opened.use(await startFaultServer(routes));
}

async function open(address: string, options: Partial<HttpOptions> = {}): Promise<Repository> {
  return opened.use(await openRepository(parseLocation(address), { http: { ...QUICK, ...options } }));
}

async function bytesOf(result: FetchResult): Promise<string> {
  if (result.outcome !== "content") throw new Error(`the outcome was ${result.outcome}`);
  const parts: Uint8Array[] = [];
  for await (const part of result.body) parts.push(part);
  return Buffer.concat(parts).toString("latin1");
}

async function failureOf(work: Promise<unknown>): Promise<GuestbootError> {
  const failure = await work.then(
    () => new Error("it did not fail"),
    (error: unknown) => error,
  );
  if (failure instanceof GuestbootError) return failure;
  throw failure;
}

describe("a file that is there", () => {
  it("comes with what the server says of it", async () => {
    const headers = {
      etag: '"abc"',
      "last-modified": "Mon, 02 Jan 2006 15:04:05 GMT",
      "content-length": "5",
    };
    const server = await serve({ "/d/file": { does: "answer", body: "hello", headers } });
    const repository = await open(`${server.url}d`);
    const facts = {
      url: `${server.url}d/file`,
      size: 5,
      etag: '"abc"',
      lastModified: "Mon, 02 Jan 2006 15:04:05 GMT",
    };
    expect(await repository.look("file")).toEqual(facts);
    const result = await repository.fetch("file");
    expect(result).toMatchObject({ outcome: "content", facts });
    expect(await bytesOf(result)).toBe("hello");
    expect(server.requests.map(({ method }) => method)).toEqual(["HEAD", "GET"]);
    expect(server.requests[1]?.headers["accept-encoding"]).toBe("identity");
  });

  it("has no size when the server does not say one", async () => {
    const server = await serve({ "/file": { does: "answer", body: "hello", headers: {} } });
    const result = await (await open(server.url)).fetch("file");
    expect(result).toMatchObject({ facts: { size: null, etag: null, lastModified: null } });
    expect(await bytesOf(result)).toBe("hello");
  });

  it("is asked for by GET where the server knows no HEAD, and the GET ends after the headers", async () => {
    for (const status of [405, 501]) {
      const server = await serve({
        "/file": ({ method }) =>
          method === "HEAD" ? { does: "answer", status } : { does: "stall", body: "x", announced: 1_000_000 },
      });
      const repository = await open(server.url);
      expect(await repository.look("file")).toMatchObject({ size: 1_000_000 });
      expect(server.requests.map(({ method }) => method)).toEqual(["HEAD", "GET"]);
      await expect.poll(() => server.connections()).toBe(0);
    }
  });

  it("has no validators that could not be sent back", async () => {
    const headers = { etag: '"caf\u00e9"', "last-modified": "x".repeat(2000), "content-length": "1" };
    const server = await serve({ "/file": { does: "answer", body: "x", headers } });
    expect(await (await open(server.url)).look("file")).toMatchObject({ etag: null, lastModified: null });
  });

  it("is refused when it is larger than the limit, announced or not", async () => {
    const server = await serve({
      "/announced": { does: "answer", body: "x".repeat(100) },
      "/chunked": { does: "answer", body: "x".repeat(100), headers: {} },
    });
    const repository = await open(server.url, { maxFileSize: 99 });
    const announced = await failureOf(repository.fetch("announced"));
    expect(announced).toMatchObject({ code: "FILE_TOO_LARGE" });
    expect(announced.message).toContain(`${server.url}announced`);
    const chunked = await failureOf(repository.fetch("chunked").then(bytesOf));
    expect(chunked).toMatchObject({ code: "FILE_TOO_LARGE" });
  });
});

describe("an answer that is no file", () => {
  it.each([404, 410])("%i means that the repository has no such file", async (status) => {
    const server = await serve({ "/file": { does: "answer", status } });
    const repository = await open(server.url);
    expect(await repository.look("file")).toBeNull();
    expect(await repository.fetch("file")).toEqual({ outcome: "missing", url: `${server.url}file` });
  });

  it.each([400, 401, 403, 418, 204, 206, 304])("%i is a refusal that names URL and status", async (status) => {
    const server = await serve({ "/file": { does: "answer", status, headers: {} } });
    const failure = await failureOf((await open(server.url)).fetch("file"));
    expect(failure.code).toBe("REPOSITORY_REFUSED");
    expect(failure.message).toContain(`${server.url}file`);
    expect(failure.message).toContain(String(status));
    expect(server.requests).toHaveLength(1);
  });

  it("that is no HTTP is said so", async () => {
    const server = await serve({ "/file": { does: "babble", bytes: "220 ftp.example.org ready\r\n" } });
    const failure = await failureOf((await open(server.url)).fetch("file"));
    expect(failure.code).toBe("REPOSITORY_UNREACHABLE");
    expect(failure.message).toMatch(/does not speak proper HTTP/);
  });

  it("with headers without end is refused", async () => {
    const bytes = `HTTP/1.1 200 OK\r\n${"x: y\r\n".repeat(20_000)}`;
    const server = await serve({ "/file": { does: "babble", bytes } });
    const failure = await failureOf((await open(server.url)).fetch("file"));
    expect(failure.code).toBe("REPOSITORY_UNREACHABLE");
    expect(failure.message).toMatch(/headers are too large/);
  });
});

describe("a request that may be made again", () => {
  it.each([500, 502, 503, 504, 429])("is made again after %i", async (status) => {
    const server = await serve({
      "/file": [
        { does: "answer", status },
        { does: "answer", body: "hello" },
      ],
    });
    expect(await bytesOf(await (await open(server.url)).fetch("file"))).toBe("hello");
    expect(server.requests).toHaveLength(2);
  });

  it("is made again after a connection that broke before the answer, and this is said", async () => {
    const server = await serve({ "/file": [{ does: "reset" }, { does: "reset" }, { does: "answer", body: "hello" }] });
    const said: string[] = [];
    await using repository = await openRepository(parseLocation(server.url), {
      http: QUICK,
      progress: { ...silent, say: (line) => said.push(line) },
    });
    expect(await bytesOf(await repository.fetch("file"))).toBe("hello");
    expect(server.requests).toHaveLength(3);
    expect(said).toHaveLength(2);
    expect(said[0]).toMatch(/\/file: the server closed the connection.*trying again/);
  });

  it("fails after three tries with the server's last status", async () => {
    const server = await serve({ "/file": { does: "answer", status: 503 } });
    const failure = await failureOf((await open(server.url)).fetch("file"));
    expect(failure.code).toBe("REPOSITORY_REFUSED");
    expect(failure.message).toMatch(/503 \(service unavailable\)/);
    expect(server.requests).toHaveLength(3);
  });

  it("waits as long as Retry-After says", async () => {
    const server = await serve({
      "/file": [
        { does: "answer", status: 429, headers: { "retry-after": "1", "content-length": "0" } },
        { does: "answer", body: "hello" },
      ],
    });
    const start = performance.now();
    expect(await bytesOf(await (await open(server.url)).fetch("file"))).toBe("hello");
    expect(performance.now() - start).toBeGreaterThanOrEqual(990);
  });

  it.each(["3600", "Fri, 31 Dec 2999 23:59:59 GMT"])(
    "fails at once when Retry-After is too long: %s",
    async (value) => {
      const headers = { "retry-after": value, "content-length": "0" };
      const server = await serve({ "/file": { does: "answer", status: 429, headers } });
      const failure = await failureOf((await open(server.url)).fetch("file"));
      expect(failure.code).toBe("REPOSITORY_REFUSED");
      expect(failure.message).toMatch(/429.*left alone for \d+ seconds/);
      expect(server.requests).toHaveLength(1);
    },
  );

  it("is not made again once the body has begun", async () => {
    const server = await serve({ "/file": { does: "reset", body: "part", announced: 100 } });
    const failure = await failureOf((await open(server.url)).fetch("file").then(bytesOf));
    expect(failure.code).toBe("TRANSFER_FAILED");
    expect(failure.message).toContain("after 4 of 100 bytes");
    expect(server.requests).toHaveLength(1);
  });
});

describe("a server that does not answer", () => {
  it("refuses the connection", async () => {
    const server = await startFaultServer({});
    await server[Symbol.asyncDispose]();
    const failure = await failureOf((await open(server.url.replace("http://", "http://user:secret@"))).look("file"));
    expect(failure.code).toBe("REPOSITORY_UNREACHABLE");
    expect(failure.message).toBe(`${server.url}file: connection refused (3 tries)`);
  });

  it("has a name that nobody knows", async () => {
    const repository = await open("http://user:secret@nosuchhost.invalid/debian");
    const failure = await failureOf(repository.fetch("file"));
    expect(failure.code).toBe("REPOSITORY_UNREACHABLE");
    expect(failure.message).toMatch(
      /^http:\/\/nosuchhost\.invalid\/debian\/file: (name not known: |no name server answered for )nosuchhost\.invalid/,
    );
  });

  it("takes the request and says nothing", async () => {
    const server = await serve({ "/file": { does: "stall" } });
    const failure = await failureOf((await open(server.url)).fetch("file"));
    expect(failure.code).toBe("REPOSITORY_UNREACHABLE");
    expect(failure.message).toMatch(/no answer within 0\.3 seconds/);
    expect(server.requests).toHaveLength(1);
  });

  it("takes the connection and does not speak TLS", async () => {
    const mute = createServer((socket) => socket.on("error", () => undefined));
    mute.listen(0, "127.0.0.1");
    await once(mute, "listening");
    const address = mute.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    const repository = await open(`https://127.0.0.1:${address.port}`, { retryWaits: [] });
    const failure = await failureOf(repository.fetch("file"));
    expect(failure.message).toMatch(/no connection within 0\.3 seconds/);
    mute.close();
  });

  it("speaks HTTP where HTTPS was asked for", async () => {
    const server = await serve({});
    const failure = await failureOf((await open(server.url.replace("http:", "https:"))).fetch("file"));
    expect(failure.code).toBe("REPOSITORY_UNREACHABLE");
    expect(failure.message).toMatch(/no TLS connection/);
  });
});

describe("a transfer that does not come whole", () => {
  it("is truncated when the server ends it early", async () => {
    const server = await serve({ "/file": { does: "truncate", body: "part", announced: 10 } });
    const failure = await failureOf((await open(server.url)).fetch("file").then(bytesOf));
    expect(failure.code).toBe("TRANSFER_TRUNCATED");
    expect(failure.message).toBe(`${server.url}file: the server announced 10 bytes and ended the connection after 4`);
  });

  it("fails when chunked coding ends without its last chunk", async () => {
    const server = await serve({ "/file": { does: "truncate", body: "part", announced: null } });
    const failure = await failureOf((await open(server.url)).fetch("file").then(bytesOf));
    expect(failure.code).toBe("TRANSFER_FAILED");
    expect(failure.message).toContain(`${server.url}file: the transfer broke off after 4 bytes`);
  });

  it("fails when nothing comes for too long", async () => {
    const server = await serve({ "/file": { does: "stall", body: "part", announced: 10 } });
    const failure = await failureOf((await open(server.url)).fetch("file").then(bytesOf));
    expect(failure.code).toBe("TRANSFER_FAILED");
    expect(failure.message).toMatch(/after 4 of 10 bytes: nothing came for 0\.3 seconds/);
  });

  it("does not end the process when nobody reads it", async () => {
    const server = await serve({ "/file": { does: "reset", body: "part", announced: 10 } });
    expect(await (await open(server.url)).fetch("file")).toMatchObject({ outcome: "content" });
    await expect.poll(() => server.connections()).toBe(0);
  });
});

describe("a redirect", () => {
  it.each([301, 302, 303, 307, 308])("%i is followed, and the facts name where the bytes come from", async (status) => {
    const server = await serve({
      "/d/file": { does: "redirect", status, to: "../e/other?x=1#y" },
      "/e/other?x=1": { does: "answer", body: "hello" },
    });
    const repository = await open(`${server.url}d`);
    expect(await repository.look("file")).toMatchObject({ url: `${server.url}e/other?x=1` });
    expect(await bytesOf(await repository.fetch("file"))).toBe("hello");
  });

  it("is followed ten times and no more", async () => {
    const chain = Object.fromEntries(
      Array.from({ length: 11 }, (_, step) => [`/${step}`, { does: "redirect", to: `/${step + 1}` } as const]),
    );
    const server = await serve({ ...chain, "/11": { does: "answer", body: "hello" } });
    const repository = await open(server.url);
    expect(await bytesOf(await repository.fetch("1"))).toBe("hello");
    const failure = await failureOf(repository.fetch("0"));
    expect(failure.code).toBe("REDIRECT_REFUSED");
    expect(failure.message).toBe(`${server.url}0: more than 10 redirects`);
  });

  it.each(["ftp://host/file", "file:///etc/passwd", "http://", "javascript:0"])("to %s is refused", async (to) => {
    const server = await serve({ "/file": { does: "redirect", to } });
    const failure = await failureOf((await open(server.url)).fetch("file"));
    expect(failure.code).toBe("REDIRECT_REFUSED");
    expect(failure.message).toContain(`${server.url}file`);
  });

  it("does not carry user and password to another server, not even its own ones", async () => {
    const other = await serve({ "/file": { does: "answer", status: 401 } });
    const server = await serve({
      "/file": { does: "redirect", to: `${other.url.replace("http://", "http://planted:secret@")}file` },
    });
    const repository = await open(server.url.replace("http://", "http://user:pw@"));
    const failure = await failureOf(repository.fetch("file"));
    expect(server.requests[0]?.headers.authorization).toBe(`Basic ${btoa("user:pw")}`);
    expect(other.requests[0]?.headers).not.toHaveProperty("authorization");
    expect(failure.message).toContain(`${other.url}file`);
    expect(failure.message).not.toContain("secret");
    expect(failure.hint).toMatch(/redirect led to another server/);
  });

  it("on the same server keeps user and password", async () => {
    const server = await serve({
      "/file": { does: "redirect", to: "/other" },
      "/other": { does: "answer", body: "hello" },
    });
    await (await open(server.url.replace("http://", "http://user:pw@"))).fetch("file");
    expect(server.requests[1]?.headers.authorization).toBe(`Basic ${btoa("user:pw")}`);
  });
});

describe("an AbortSignal", () => {
  it("ends a request that waits for its answer", async () => {
    const server = await serve({ "/file": { does: "stall" } });
    const repository = await open(server.url, { headersTimeout: 30_000 });
    const reason = new GuestbootError("LOCK_TIMEOUT", "enough");
    const signal = abortLater(reason);
    expect(await failureOf(repository.fetch("file", { signal }))).toBe(reason);
  });

  it("ends the pause before another try", async () => {
    const server = await serve({ "/file": { does: "answer", status: 503 } });
    const repository = await open(server.url, { retryWaits: [30_000], maxRetryAfter: 60_000 });
    const reason = new GuestbootError("LOCK_TIMEOUT", "enough");
    expect(await failureOf(repository.look("file", abortLater(reason)))).toBe(reason);
    expect(server.requests).toHaveLength(1);
  });

  it("ends a transfer", async () => {
    const server = await serve({ "/file": { does: "stall", body: "part", announced: 10 } });
    const repository = await open(server.url, { bodyTimeout: 30_000 });
    const reason = new GuestbootError("LOCK_TIMEOUT", "enough");
    const signal = abortLater(reason);
    expect(await failureOf(repository.fetch("file", { signal }).then(bytesOf))).toBe(reason);
    await expect.poll(() => server.connections()).toBe(0);
  });

  it("that is aborted already lets nothing be sent", async () => {
    const server = await serve({});
    const repository = await open(server.url);
    await expect(repository.fetch("file", { signal: AbortSignal.abort() })).rejects.toThrow(/aborted/);
    expect(server.requests).toHaveLength(0);
  });
});

describe("closing a repository", () => {
  it("ends its connections at once, also those that have work", async () => {
    const server = await serve({ "/file": { does: "stall", body: "part", announced: 10 }, "/mute": { does: "stall" } });
    const repository = await open(server.url, { headersTimeout: 30_000, bodyTimeout: 30_000 });
    const reading = failureOf(repository.fetch("file").then(bytesOf));
    const waiting = failureOf(repository.look("mute"));
    await expect.poll(() => server.requests.length).toBe(2);
    await repository[Symbol.asyncDispose]();
    expect((await reading).code).toBe("TRANSFER_FAILED");
    expect((await waiting).code).toBe("REPOSITORY_UNREACHABLE");
    await expect.poll(() => server.connections()).toBe(0);
  });

  it("happens when a reader stops in the middle", async () => {
    const server = await serve({ "/file": { does: "stall", body: "part", announced: 10 } });
    const result = await (await open(server.url)).fetch("file");
    if (result.outcome !== "content") throw new Error(result.outcome);
    for await (const part of result.body) {
      expect(Buffer.from(part).toString()).toBe("part");
      break;
    }
    await expect.poll(() => server.connections()).toBe(0);
  });
});

function abortLater(reason: unknown): AbortSignal {
  const controller = new AbortController();
  setTimeout(() => controller.abort(reason), 100);
  return controller.signal;
}
