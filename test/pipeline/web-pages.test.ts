import { afterEach, describe, expect, it } from "vitest";
import { startFaultServer, type FaultServer, type Routes } from "../../fixtures/http-server.ts";
import { withoutWebPages, type CheckedRepository } from "../../src/pipeline/web-pages.ts";
import { parseLocation } from "../../src/repository/location.ts";
import { openRepository } from "../../src/repository/open.ts";
import { textOf } from "../repository/reading.ts";

let opened = new AsyncDisposableStack();
afterEach(async () => {
  await opened.disposeAsync();
  opened = new AsyncDisposableStack();
});

const KERNEL = "MZ a kernel".padEnd(5000, "x");
const PAGE = "<!DOCTYPE html><html><head><title>404 Not Found</title></head></html>";
const LISTING = "<html><head><title>Index of /k</title></head></html>";

async function open(routes: Routes): Promise<{ repository: CheckedRepository; server: FaultServer }> {
  const server = opened.use(await startFaultServer(routes));
  const repository = withoutWebPages(await openRepository(parseLocation(server.url), { http: { retryWaits: [] } }));
  return { repository: opened.use(repository), server };
}

describe("a repository on a server that answers with pages", () => {
  it("gives files whole, and their facts", async () => {
    const { repository } = await open({ "/vmlinuz": { does: "answer", body: KERNEL }, "/empty": { does: "answer" } });
    const result = await repository.fetch("vmlinuz");
    expect(result).toMatchObject({ outcome: "content", facts: { size: 5000 } });
    expect(await textOf(result)).toBe(KERNEL);
    expect(await textOf(await repository.fetch("empty"))).toBe("");
    expect(repository.remark("vmlinuz")).toBeNull();
  });

  it.each([
    ["an error page", PAGE, 'a web page ("404 Not Found")'],
    ["the listing of a folder", LISTING, "a directory listing"],
    ["a page with blanks before it", `\n\n  ${PAGE}`, 'a web page ("404 Not Found")'],
  ])("has no file where it sends %s, and says what it sends", async (_what, body, words) => {
    const { repository } = await open({ "/vmlinuz": { does: "answer", body } });
    expect(await repository.fetch("vmlinuz")).toMatchObject({ outcome: "missing" });
    expect(repository.remark("vmlinuz")).toBe(words);
  });

  it("tells pages from files without a download, where the server answers for anything", async () => {
    const server = opened.use(
      await startFaultServer(
        new Proxy<Record<string, Routes[string]>>(
          { "/vmlinuz": { does: "answer", body: KERNEL } },
          { get: (routes, path: string) => routes[path] ?? { does: "answer", body: PAGE } },
        ),
      ),
    );
    const repository = opened.use(withoutWebPages(await openRepository(parseLocation(server.url))));
    expect(await repository.look("vmlinuz")).toMatchObject({ size: 5000 });
    expect(await repository.look("initrd")).toBeNull();
    expect(repository.remark("initrd")).toMatch(/a web page/);
  });

  it("is asked no more than once for what cannot be there", async () => {
    const { repository, server } = await open({
      "/a": { does: "answer", body: KERNEL },
      "/b": { does: "answer", body: KERNEL },
    });
    expect([await repository.look("a"), await repository.look("b"), await repository.look("c")]).toMatchObject([
      { size: 5000 },
      { size: 5000 },
      null,
    ]);
    expect(server.requests.map(({ method, path }) => `${method} ${path.replace(/-.*/, "")}`)).toEqual([
      "HEAD /a",
      "HEAD /.guestboot",
      "HEAD /b",
      "HEAD /c",
    ]);
  });

  it("has no file where the server leads to a folder", async () => {
    const { repository } = await open({
      "/vmlinuz": { does: "redirect", to: "/vmlinuz/" },
      "/vmlinuz/": { does: "answer", body: LISTING },
    });
    expect(await repository.look("vmlinuz")).toBeNull();
    expect(repository.remark("vmlinuz")).toBe("a folder");
  });

  it("takes XML where XML is wanted", async () => {
    const { repository } = await open({
      "/repodata/repomd.xml": { does: "answer", body: '<?xml version="1.0"?><x/>' },
    });
    expect(await repository.fetch("repodata/repomd.xml")).toMatchObject({ outcome: "content" });
  });

  it("lets go of a transfer that nobody reads to its end", async () => {
    const { repository, server } = await open({ "/vmlinuz": { does: "stall", body: KERNEL, announced: 9999 } });
    const result = await repository.fetch("vmlinuz");
    if (result.outcome !== "content") throw new Error(result.outcome);
    await result.body[Symbol.asyncIterator]().return?.();
    await expect.poll(() => server.connections(), { timeout: 20_000 }).toBe(0);
  });
});
