import { afterEach, describe, expect, it } from "vitest";
import { startFaultServer, type FaultServer, type Routes } from "../../fixtures/http-server.ts";
import { silent } from "../../src/base/progress.ts";
import { parseLocation } from "../../src/repository/location.ts";
import { openRepository, type RepositoryOptions } from "../../src/repository/open.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { startFaultyFtp } from "./ftp-faults.ts";
import { failureOf, textOf } from "./reading.ts";

let opened = new AsyncDisposableStack();
afterEach(async () => {
  await opened.disposeAsync();
  opened = new AsyncDisposableStack();
});

const HEADERS = { etag: '"abc"', "content-length": "8" };

async function serve(routes: Routes): Promise<FaultServer> {
  return opened.use(await startFaultServer(routes));
}

async function open(addresses: readonly string[], options: RepositoryOptions = {}): Promise<Repository> {
  const http = { retryWaits: [1], ...options.http };
  return opened.use(await openRepository(parseLocation(addresses.join(" ")), { ...options, http }));
}

async function deadAddress(): Promise<string> {
  const server = await startFaultServer({});
  await server[Symbol.asyncDispose]();
  return server.url;
}

describe("a repository on several mirrors", () => {
  it("is read from the first that answers, and from no other", async () => {
    const first = await serve({ "/file": { does: "answer", body: "a kernel" } });
    const second = await serve({ "/file": { does: "answer", body: "another " } });
    const repository = await open([first.url, second.url]);
    expect(await textOf(await repository.fetch("file"))).toBe("a kernel");
    expect(await repository.fetch("none")).toMatchObject({ outcome: "missing" });
    expect(second.requests).toEqual([]);
    expect(repository.address).toBe(first.url);
  });

  it("goes on to the next when one is down, and stays there", async () => {
    const dead = await deadAddress();
    const failing = await serve({ "/file": { does: "answer", status: 503 } });
    const good = await serve({
      "/file": { does: "answer", body: "a kernel", headers: HEADERS },
      "/other": { does: "answer", body: "a kernel", headers: HEADERS },
    });
    const warnings: string[] = [];
    const repository = await open([dead, failing.url, good.url], {
      progress: { ...silent, warn: (line) => warnings.push(line) },
    });
    expect(repository.addressOf("file")).toBe(`${dead}file`);
    expect(await textOf(await repository.fetch("file"))).toBe("a kernel");
    expect(repository.address).toBe(good.url);
    expect(repository.addressOf("other")).toBe(`${good.url}other`);
    expect(await repository.look("other")).toMatchObject({ etag: '"abc"' });
    // Not asked again and again, as the only server would be.
    expect(failing.requests).toHaveLength(1);
    expect(warnings).toHaveLength(2);
    expect(warnings[0]).toBe(`${dead}file: connection refused; trying the next mirror`);
  });

  it("does not tell one mirror what is known of another's file", async () => {
    const dead = await deadAddress();
    const good = await serve({ "/file": { does: "answer", body: "a kernel", headers: HEADERS } });
    const repository = await open([dead, good.url]);
    const result = await repository.fetch("file", { unless: { etag: '"abc"', lastModified: null } });
    expect(result).toMatchObject({ outcome: "content", facts: { url: `${good.url}file`, etag: null } });
    expect(good.requests[0]?.headers).not.toHaveProperty("if-none-match");
  });

  it("finds one mirror for files that are asked for side by side", async () => {
    const dead = await deadAddress();
    const good = await serve({
      "/vmlinuz": { does: "answer", body: "a kernel" },
      "/initrd": { does: "answer", body: "an initrd" },
    });
    const warnings: string[] = [];
    const repository = await open([dead, good.url], { progress: { ...silent, warn: (line) => warnings.push(line) } });
    const files = ["vmlinuz", "initrd"];
    expect(await Promise.all(files.map(async (file) => textOf(await repository.fetch(file))))).toEqual([
      "a kernel",
      "an initrd",
    ]);
    expect(warnings).toHaveLength(1);
  });

  it("that are all down says of each why, and no password", async () => {
    const dead = await deadAddress();
    const failing = await serve({ "/file": { does: "answer", status: 403 } });
    const addresses = [dead, failing.url].map((url) => url.replace("http://", "http://me:secret@"));
    const repository = await open(addresses);
    const failures = await Promise.all([failureOf(repository.fetch("file")), failureOf(repository.look("file"))]);
    for (const failure of failures) {
      expect(failure.code).toBe("REPOSITORY_UNREACHABLE");
      expect(failure.message).toMatch(/^none of 2 mirrors answers: .*connection refused; .*403 \(forbidden\)$/);
      expect(failure.message).not.toContain("secret");
    }
    expect(failing.requests).toHaveLength(1);
  });

  it("may be of several transports", async () => {
    const dead = await deadAddress();
    const ftp = opened.use(await startFaultyFtp());
    const repository = await open([dead, `${ftp.url}debian`]);
    expect(await textOf(await repository.fetch("file"))).toBe("a kernel");
    expect(repository.address).toBe(`${ftp.url}debian/`);
  });

  it("goes on with whoever waits when the search is called off", async () => {
    const mute = await serve({ "/file": { does: "stall" } });
    const good = await serve({ "/file": { does: "answer", body: "a kernel" } });
    const repository = await open([mute.url, good.url], { http: { headersTimeout: 400 } });
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error("enough")), 50);
    const first = repository.fetch("file", { signal: controller.signal });
    const second = repository.fetch("file").then(textOf);
    await expect(first).rejects.toThrow("enough");
    expect(await second).toBe("a kernel");
  });
});

describe("what a repository has said", () => {
  it("is remembered", async () => {
    const server = await serve({ "/file": { does: "answer", body: "a kernel" } });
    const repository = await open([server.url]);
    for (let times = 0; times < 3; times += 1) {
      expect(await repository.look("file")).toMatchObject({ size: 8 });
      expect(await repository.look("none")).toBeNull();
      expect(await repository.fetch("none")).toEqual({ outcome: "missing", url: `${server.url}none` });
    }
    expect(server.requests.map(({ method, path }) => `${method} ${path}`)).toEqual(["HEAD /file", "HEAD /none"]);
  });

  it("is not remembered when it was a failure", async () => {
    const server = await serve({
      "/file": [
        { does: "answer", status: 403 },
        { does: "answer", body: "a kernel" },
      ],
    });
    const repository = await open([server.url]);
    expect((await failureOf(repository.look("file"))).code).toBe("REPOSITORY_REFUSED");
    expect(await repository.look("file")).toMatchObject({ size: 8 });
  });
});
