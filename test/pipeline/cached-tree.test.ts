import { afterEach, beforeEach, describe, expect, it } from "vitest";
import * as path from "node:path";
import { createHash } from "node:crypto";
import { startFaultServer, type Behaviour, type FaultServer, type Routes } from "../../fixtures/http-server.ts";
import { silent } from "../../src/base/progress.ts";
import { openCachedTree } from "../../src/pipeline/cached-tree.ts";
import type { Freshness } from "../../src/pipeline/obtain.ts";
import { verifyFiles } from "../../src/pipeline/verify-files.ts";
import type { Proof, ProvedTree } from "../../src/pipeline/trust-chain.ts";
import { withoutWebPages } from "../../src/pipeline/web-pages.ts";
import { openHttpRepository } from "../../src/repository/http.ts";
import { openStore, type StoredFile } from "../../src/store/store.ts";
import { temporaryFolder } from "../program.ts";

const IMAGES = "dists/bookworm/main/installer-amd64/current/images/";
const KERNEL = `${IMAGES}netboot/xen/vmlinuz`;
const INITRD = `${IMAGES}netboot/xen/initrd.gz`;
const hex = (bytes: string) => createHash("sha256").update(bytes).digest("hex");
const listOf = (kernel: string, initrd: string) =>
  `${hex(kernel)}  ./netboot/xen/vmlinuz\n${hex(initrd)}  ./netboot/xen/initrd.gz\n`;
const file = (body: string): Behaviour => ({ does: "answer", headers: { etag: `"${hex(body).slice(0, 8)}"` }, body });
const DOWN: Behaviour = { does: "answer", status: 503 };
const unchanged = (body: string): Behaviour => ({
  does: "answer",
  status: 304,
  headers: { etag: `"${hex(body).slice(0, 8)}"` },
});

let folder: ReturnType<typeof temporaryFolder>;
const closing: AsyncDisposable[] = [];
beforeEach(() => (folder = temporaryFolder()));
afterEach(async () => {
  for (const each of closing.splice(0)) await each[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

async function serve(routes: Routes) {
  const server: FaultServer = await startFaultServer(routes);
  const repository = withoutWebPages(openHttpRepository(server.url, null, { retryWaits: [] }));
  closing.push(repository, server);
  const store = openStore(path.join(folder.path, "cache"));
  const tree = (freshness: Partial<Freshness> = {}) => {
    const opened = openCachedTree({
      repository,
      store,
      progress: silent,
      // Every tree is that of another start, so that all of them ask.
      freshness: { freshFor: 0, offline: false, since: Date.now() + 60_000, ...freshness },
    });
    // What vouches for the lists is not looked at here.
    const look = (file: string) => opened.look(file, (list) => opened.readText(list));
    const checkOneTime = (files: readonly StoredFile[]) => opened.checkOneTime(files);
    return { look, checkOneTime };
  };
  return { server, store, tree };
}

describe("a tree whose images are listed", () => {
  it("never gives a kernel of the cache that is another build's than the list says now, though the server calls it unchanged", async () => {
    const { server, tree } = await serve({
      [`/${IMAGES}SHA256SUMS`]: [file(listOf("old kernel", "old initrd")), file(listOf("new kernel", "new initrd"))],
      [`/${KERNEL}`]: [file("old kernel"), file("new kernel")],
      [`/${INITRD}`]: [file("old initrd"), file("new initrd")],
    });
    const first = tree();
    expect((await first.look(KERNEL))?.digest).toBe(`sha256:${hex("old kernel")}`);
    expect((await first.look(INITRD))?.digest).toBe(`sha256:${hex("old initrd")}`);
    const second = tree();
    expect((await second.look(KERNEL))?.digest).toBe(`sha256:${hex("new kernel")}`);
    expect((await second.look(INITRD))?.digest).toBe(`sha256:${hex("new initrd")}`);
    // Without a condition: the copy in the cache is of no use, whatever its validators are.
    const kernels = server.requests.filter(({ path: asked }) => asked === `/${KERNEL}`);
    expect(kernels.map(({ headers }) => headers["if-none-match"])).toEqual([undefined, undefined]);
  });

  it("asks for the list once, and about the files with a condition, while they are what it lists", async () => {
    const list = listOf("kernel", "initrd");
    const { server, tree } = await serve({
      [`/${IMAGES}SHA256SUMS`]: [file(list), unchanged(list)],
      [`/${KERNEL}`]: [file("kernel"), unchanged("kernel")],
      [`/${INITRD}`]: [file("initrd"), unchanged("initrd")],
    });
    for (const each of [tree(), tree()]) await Promise.all([each.look(KERNEL), each.look(INITRD)]);
    expect(server.requests).toHaveLength(6);
    expect(server.requests.filter(({ headers }) => headers["if-none-match"] !== undefined)).toHaveLength(3);
  });
});

describe("a server that goes away in the middle of a start", () => {
  it("gives no new kernel beside an initrd of the cache that may be older", async () => {
    const { tree } = await serve({
      "/vmlinuz": [file("old kernel"), file("new kernel")],
      "/initrd.gz": [file("old initrd"), DOWN],
    });
    const before = tree();
    await before.look("vmlinuz");
    await before.look("initrd.gz");
    const now = tree();
    const found = [await now.look("vmlinuz"), await now.look("initrd.gz")].filter((each) => each !== null);
    expect(found).toHaveLength(2);
    expect(() => now.checkOneTime(found)).toThrow(expect.objectContaining({ code: "REPOSITORY_UNREACHABLE" }) as Error);
  });

  it("does no harm where all files are the cache's", async () => {
    const { tree } = await serve({ "/vmlinuz": [file("kernel"), DOWN], "/initrd.gz": [file("initrd"), DOWN] });
    const before = tree();
    await before.look("vmlinuz");
    await before.look("initrd.gz");
    const now = tree();
    const found = [await now.look("vmlinuz"), await now.look("initrd.gz")].filter((each) => each !== null);
    expect(() => now.checkOneTime(found)).not.toThrow();
  });
});

describe("a stale copy that the server calls unchanged", () => {
  const proof = (name: string, body: string): Proof => ({
    path: name,
    checksum: `sha256:${hex(body)}`,
    level: "signed",
    by: "Release",
  });
  const proved = (kernel: string): ProvedTree => ({
    trust: "signed",
    by: "Release",
    kernel: proof("vmlinuz", kernel),
    ramdisks: [],
    warnings: [],
  });

  it("is thrown away and fetched once more, and the cache knows the new one as signed", async () => {
    const { server, store, tree } = await serve({ "/vmlinuz": [file("old"), unchanged("old"), file("new")] });
    await tree().look("vmlinuz");
    const now = tree();
    const since = new Date(Date.now() + 1);
    await new Promise((resolve) => setTimeout(resolve, 5));
    const kernel = await now.look("vmlinuz");
    if (kernel === null) throw new Error("it was there");
    const again = (name: string) => now.look(name);
    const found = { candidate: null as never, kernel, ramdisks: [] };
    const verified = await verifyFiles(found, proved("new"), { store, since, again });
    expect(verified.kernel.digest).toBe(`sha256:${hex("new")}`);
    expect(server.requests.map(({ headers }) => headers["if-none-match"] !== undefined)).toEqual([false, true, false]);
    expect(store.find(verified.kernel.key)?.trust).toBe("signed");
  });

  it("is an error when what comes then does not fit either, and the cache holds neither", async () => {
    const { store, tree } = await serve({ "/vmlinuz": [file("old"), unchanged("old"), file("forged")] });
    await tree().look("vmlinuz");
    const now = tree();
    await new Promise((resolve) => setTimeout(resolve, 5));
    const kernel = await now.look("vmlinuz");
    if (kernel === null) throw new Error("it was there");
    const again = (name: string) => now.look(name);
    const found = { candidate: null as never, kernel, ramdisks: [] };
    await expect(verifyFiles(found, proved("new"), { store, since: new Date(), again })).rejects.toMatchObject({
      code: "DIGEST_MISMATCH",
      message: expect.stringMatching(/expected sha256:[0-9a-f]{64}, found sha256:[0-9a-f]{64}/) as string,
    });
    expect(store.find(kernel.key)).toBeNull();
  });
});

describe("a web page in a file's place", () => {
  it("is no file, and no copy of it stays", async () => {
    const page = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>hotel</body></html>";
    const { store, tree } = await serve({
      "/vmlinuz": { does: "answer", headers: { "content-type": "text/html" }, body: page },
    });
    expect(await tree().look("vmlinuz")).toBeNull();
    expect(store.list()).toEqual([]);
  });
});
