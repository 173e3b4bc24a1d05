import * as fs from "node:fs";
import * as path from "node:path";
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { silent } from "../../src/base/progress.ts";
import { obtain, obtainText, type Freshness, type ObtainOptions, type Outcome } from "../../src/pipeline/obtain.ts";
import { openHttpRepository, type HttpOptions } from "../../src/repository/http.ts";
import { openStore } from "../../src/store/store.ts";
import { startFaultServer, type Behaviour, type FaultServer, type Routes } from "../../fixtures/http-server.ts";
import { temporaryFolder } from "../program.ts";

/** More than the store keeps of a transfer that broke off. */
const BODY = Buffer.alloc(3 * 1024 * 1024, "0123456789abcdef");
const OTHER = Buffer.alloc(3 * 1024 * 1024, "another build's bytes");
const HALF = BODY.length / 2;
const IMPATIENT: Partial<HttpOptions> = {
  headersTimeout: 500,
  bodyTimeout: 500,
  retryWaits: [10],
  maxRetryAfter: 2000,
};

let folder: ReturnType<typeof temporaryFolder>;
const closing: AsyncDisposable[] = [];
beforeEach(() => (folder = temporaryFolder()));
afterEach(async () => {
  for (const each of closing.splice(0)) await each[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

interface Setting {
  readonly server: FaultServer;
  readonly outcomes: Outcome[];
  readonly warnings: string[];
  readonly get: (freshness?: Partial<Freshness>, more?: Partial<ObtainOptions>) => ReturnType<typeof obtain>;
  readonly options: ObtainOptions;
}

async function serve(routes: Routes): Promise<Setting> {
  const server = await startFaultServer(routes);
  const repository = openHttpRepository(server.url, null, IMPATIENT);
  closing.push(repository, server);
  const outcomes: Outcome[] = [];
  const warnings: string[] = [];
  const options: ObtainOptions = {
    repository,
    store: openStore(path.join(folder.path, "cache")),
    progress: { ...silent, warn: (line) => warnings.push(line) },
    onOutcome: (outcome) => outcomes.push(outcome),
  };
  const get: Setting["get"] = (freshness, more = {}) =>
    obtain("linux", {
      ...options,
      ...(freshness && { freshness: { freshFor: 0, offline: false, since: Date.now(), ...freshness } }),
      ...more,
    });
  return { server, outcomes, warnings, get, options };
}

const whole = (body: Buffer, etag = '"1"'): Behaviour => ({
  does: "answer",
  headers: { etag, "content-length": `${body.length}` },
  body,
});
const unchanged: Behaviour = { does: "answer", status: 304, headers: { etag: '"1"' } };
/** RFC 9110, section 15.3.7. */
const rest = (body: Buffer, from: number, headers: Record<string, string> = {}): Behaviour => ({
  does: "answer",
  status: 206,
  headers: {
    etag: '"1"',
    "content-range": `bytes ${from}-${body.length - 1}/${body.length}`,
    "content-length": `${body.length - from}`,
    ...headers,
  },
  body: body.subarray(from),
});
/** The first half, then the end of the connection. */
const half = (etag = '"1"'): Behaviour => ({
  does: "truncate",
  body: BODY.subarray(0, HALF),
  announced: BODY.length,
  headers: { etag },
});
const sha256 = (bytes: Buffer) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

describe("a copy in the cache", () => {
  it("costs one conditional request a start when no time of freshness is set", async () => {
    const { server, get, outcomes } = await serve({ "/linux": [whole(BODY), unchanged] });
    await get({});
    // The next start begins later.
    await get({ since: Date.now() + 1000 });
    expect(outcomes).toEqual(["fetched", "unchanged"]);
    expect(server.requests.map(({ headers }) => headers["if-none-match"])).toEqual([undefined, '"1"']);
  });

  it("costs none within the time of freshness, nor does a file that is known to be missing", async () => {
    const { server, get, options, outcomes } = await serve({ "/linux": whole(BODY) });
    const freshness = { freshFor: 3600, offline: false, since: Date.now() + 60_000 };
    await get(freshness);
    await get(freshness);
    expect(await obtainText("Release", { ...options, freshness })).toBeNull();
    expect(await obtainText("Release", { ...options, freshness })).toBeNull();
    expect(outcomes).toEqual(["fetched", "fresh", "missing", "fresh"]);
    expect(server.requests.map(({ path: asked }) => asked)).toEqual(["/linux", "/Release"]);
  });

  it("is not fresh when its time lies in the future: a clock was wrong", async () => {
    const { server, get, options } = await serve({ "/linux": [whole(BODY), unchanged] });
    const stored = await get({});
    options.store.touch(stored?.key ?? "", new Date(Date.now() + 3_600_000));
    await get({ freshFor: 7200, since: 0 });
    expect(server.requests).toHaveLength(2);
  });

  it("is all that is used offline, and what it lacks is said", async () => {
    const { server, get, options } = await serve({ "/linux": whole(BODY) });
    await get({});
    expect((await get({ offline: true, since: Date.now() + 1000 }))?.digest).toBe(sha256(BODY));
    await expect(
      obtain("initrd", { ...options, freshness: { freshFor: 0, offline: true, since: 0 } }),
    ).rejects.toMatchObject({ code: "NOT_CACHED", message: expect.stringContaining(`${server.url}initrd`) as string });
    expect(server.requests).toHaveLength(1);
  });

  it.each<[string, Behaviour]>([
    ["answers 503", { does: "answer", status: 503 }],
    ["says nothing", { does: "stall" }],
    ["ends the connection", { does: "reset" }],
  ])("goes on when the server %s, and that is said", async (_what, behaviour) => {
    const { get, outcomes, warnings } = await serve({ "/linux": [whole(BODY), behaviour] });
    await get({});
    expect((await get({ since: Date.now() + 1000 }))?.digest).toBe(sha256(BODY));
    expect(outcomes).toEqual(["fetched", "server down"]);
    expect(warnings).toEqual([
      expect.stringMatching(/going on with the copy in the cache, which was current at \d{4}-/),
    ]);
  });

  it.each<[string, Behaviour, object]>([
    ["403", { does: "answer", status: 403 }, { code: "REPOSITORY_REFUSED" }],
    ["401", { does: "answer", status: 401 }, { code: "REPOSITORY_REFUSED" }],
  ])("is not used when the server means it: %s", async (_what, behaviour, error) => {
    const { get } = await serve({ "/linux": [whole(BODY), behaviour] });
    await get({});
    await expect(get({ since: Date.now() + 1000 })).rejects.toMatchObject(error);
  });

  it("is not used when the server has the file no longer", async () => {
    const { get } = await serve({ "/linux": [whole(BODY), { does: "answer", status: 404 }] });
    await get({});
    expect(await get({ since: Date.now() + 1000 })).toBeNull();
  });

  it("is not used when the index lists another digest, or it is of another build", async () => {
    const { server, get } = await serve({ "/linux": [whole(OTHER), whole(BODY), whole(BODY)] });
    await get({}, { build: "old" });
    expect((await get({ freshFor: 3600 }, { digest: sha256(BODY), build: "new" }))?.digest).toBe(sha256(BODY));
    await get({ freshFor: 3600 }, { build: "newer" });
    // Each time the file is asked for whatever is known of it.
    expect(server.requests.map(({ headers }) => headers["if-none-match"])).toEqual([undefined, undefined, undefined]);
  });

  it("that was damaged is thrown away and fetched once more, unasked whether it changed", async () => {
    const { server, get } = await serve({ "/linux": whole(BODY) });
    const stored = await get({});
    fs.chmodSync(stored?.path ?? "", 0o644);
    fs.writeFileSync(stored?.path ?? "", OTHER.subarray(0, BODY.length));
    const mended = await get({ freshFor: 3600, since: 0 });
    expect(fs.readFileSync(mended?.path ?? "").equals(BODY)).toBe(true);
    expect(server.requests.map(({ headers }) => headers["if-none-match"])).toEqual([undefined, undefined]);
  });

  it("is asked about once, however many ask in this process", async () => {
    const { server, get } = await serve({ "/linux": whole(BODY) });
    const all = await Promise.all(Array.from({ length: 8 }, () => get({ since: Date.now() - 1000 })));
    expect(new Set(all.map((file) => file?.digest))).toEqual(new Set([sha256(BODY)]));
    expect(server.requests).toHaveLength(1);
  });
});

describe("a transfer that breaks off", () => {
  it("goes on behind what came, asked for by its strong entity tag", async () => {
    const { server, get } = await serve({ "/linux": [half(), rest(BODY, HALF)] });
    expect((await get({}))?.digest).toBe(sha256(BODY));
    const [, second] = server.requests;
    expect(second?.headers).toMatchObject({ range: `bytes=${HALF}-`, "if-range": '"1"' });
  });

  it("goes on at the next start too", async () => {
    const { server, get } = await serve({ "/linux": [half(), { does: "answer", status: 403 }, rest(BODY, HALF)] });
    await expect(get({})).rejects.toMatchObject({ code: "REPOSITORY_REFUSED" });
    expect((await get({}))?.digest).toBe(sha256(BODY));
    expect(server.requests[2]?.headers["range"]).toBe(`bytes=${HALF}-`);
    expect(fs.readdirSync(path.join(folder.path, "cache/partial"))).toEqual([]);
    expect(fs.readdirSync(path.join(folder.path, "cache/tmp"))).toEqual([]);
  });

  it.each<[string, Behaviour]>([
    ["a weak entity tag", half('W/"1"')],
    ["no entity tag", { does: "truncate", body: BODY.subarray(0, HALF), announced: BODY.length }],
  ])("begins anew under %s", async (_what, broken) => {
    const { server, get } = await serve({ "/linux": [broken, whole(BODY)] });
    expect((await get({}))?.digest).toBe(sha256(BODY));
    expect(server.requests[1]?.headers["range"]).toBeUndefined();
  });

  it.each<[string, readonly Behaviour[], Buffer]>([
    ["a file that has changed meanwhile (200)", [whole(OTHER, '"2"')], OTHER],
    ["another file's rest under its own entity tag", [rest(OTHER, HALF, { etag: '"2"' }), whole(OTHER, '"2"')], OTHER],
    [
      "another range than asked for",
      [rest(BODY, HALF, { "content-range": `bytes 0-${BODY.length - 1}/${BODY.length}` }), whole(BODY)],
      BODY,
    ],
    [
      "a rest of a file of another size",
      [rest(BODY, HALF, { "content-range": `bytes ${HALF}-${BODY.length - 1}/${BODY.length + 1}` }), whole(BODY)],
      BODY,
    ],
    ["a rest without a range", [rest(BODY, HALF, { "content-range": "" }), whole(BODY)], BODY],
    ["416", [{ does: "answer", status: 416 }, whole(BODY)], BODY],
  ])("never goes on with %s", async (_what, answers, expected) => {
    const { get } = await serve({ "/linux": [half(), ...answers] });
    expect((await get({}))?.digest).toBe(sha256(expected));
  });

  it("is an error at last, and leaves the copy and nothing else that is used", async () => {
    const { get, options } = await serve({ "/linux": [whole(OTHER, '"0"'), half('W/"1"'), half('W/"1"')] });
    const stored = await get({});
    await expect(get({ since: Date.now() + 1000 })).rejects.toMatchObject({ code: "TRANSFER_TRUNCATED" });
    expect(options.store.find(stored?.key ?? "")?.digest).toBe(sha256(OTHER));
    expect(fs.readdirSync(path.join(folder.path, "cache/tmp"))).toEqual([]);
  });
});

describe("a server that does not do as it should", () => {
  it.each<[string, readonly Behaviour[]]>([
    ["500, then the file", [{ does: "answer", status: 500 }, whole(BODY)]],
    [
      "429 with Retry-After, then the file",
      [{ does: "answer", status: 429, headers: { "retry-after": "1" } }, whole(BODY)],
    ],
    ["a reset before its first byte, then the file", [{ does: "reset" }, whole(BODY)]],
    [
      "stalls in the middle, then the rest",
      [
        { does: "stall", body: BODY.subarray(0, HALF), announced: BODY.length, headers: { etag: '"1"' } },
        rest(BODY, HALF),
      ],
    ],
    [
      "a reset in the middle, then the whole file",
      [{ does: "reset", body: BODY.subarray(0, HALF), announced: BODY.length }, whole(BODY)],
    ],
    [
      "more bytes than announced: those behind are not the file's",
      [
        {
          does: "babble",
          bytes: Buffer.concat([
            Buffer.from(`HTTP/1.1 200 OK\r\ncontent-length: ${BODY.length}\r\nconnection: close\r\n\r\n`),
            BODY,
            Buffer.from("more"),
          ]),
        },
      ],
    ],
  ])("%s", async (_what, answers) => {
    const { get } = await serve({ "/linux": answers });
    expect((await get({}))?.digest).toBe(sha256(BODY));
  });

  it("that compresses a kernel unasked gives the kernel", async () => {
    const gzip: Behaviour = {
      does: "answer",
      headers: { "content-encoding": "gzip", etag: '"1"' },
      body: gzipSync(BODY),
    };
    const { get } = await serve({ "/linux": gzip });
    expect((await get({}))?.digest).toBe(sha256(BODY));
  });

  it("whose gzip is cut off, or has another coding, is refused", async () => {
    const cut: Behaviour = {
      does: "answer",
      headers: { "content-encoding": "gzip" },
      body: gzipSync(BODY).subarray(0, 900),
    };
    await expect((await serve({ "/linux": cut })).get({})).rejects.toMatchObject({ code: "TRANSFER_FAILED" });
    const brotli: Behaviour = { does: "answer", headers: { "content-encoding": "br" }, body: "x" };
    await expect((await serve({ "/linux": brotli })).get({})).rejects.toMatchObject({ code: "REPOSITORY_REFUSED" });
  });

  it("that says 'not modified' where nothing is known is refused", async () => {
    const { get } = await serve({ "/linux": unchanged });
    await expect(get({})).rejects.toMatchObject({ code: "REPOSITORY_REFUSED" });
  });

  it("that sends an index without end is stopped", async () => {
    const { options } = await serve({ "/Release": { does: "answer", body: Buffer.alloc(5 * 1024 * 1024) } });
    await expect(obtainText("Release", options)).rejects.toMatchObject({ code: "FILE_TOO_LARGE" });
  });
});
