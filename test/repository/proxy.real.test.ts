/** HTTP and HTTPS through Debian's tinyproxy, from Debian's nginx; and a CA file of a repository's own. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { startNginx, type NginxOptions } from "../../fixtures/nginx.ts";
import { parseLocation } from "../../src/repository/location.ts";
import { openRepository, type RepositoryOptions } from "../../src/repository/open.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { temporaryFolder } from "../program.ts";
import { failureOf, textOf } from "./reading.ts";
import { startTinyproxy, type Tinyproxy } from "./tinyproxy.ts";

const folder = temporaryFolder();
afterAll(() => folder[Symbol.dispose]());
const root = path.join(folder.path, "mirror");
const tls = { certificate: path.join(folder.path, "cert.pem"), key: path.join(folder.path, "key.pem") };

let opened = new AsyncDisposableStack();
afterEach(async () => {
  await opened.disposeAsync();
  opened = new AsyncDisposableStack();
});

beforeAll(() => {
  fs.mkdirSync(root);
  fs.writeFileSync(path.join(root, "vmlinuz"), "a kernel");
  const names = "subjectAltName=IP:127.0.0.1";
  const made = ["-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test", "-addext", names];
  execFileSync("openssl", ["req", "-x509", ...made, "-keyout", tls.key, "-out", tls.certificate], { stdio: "ignore" });
});

async function serve(options: Omit<NginxOptions, "root"> = {}) {
  return opened.use(await startNginx({ root, ...options }));
}

async function proxy(lines: readonly string[] = []): Promise<Tinyproxy> {
  return opened.use(await startTinyproxy(lines));
}

async function open(address: string, options: RepositoryOptions): Promise<Repository> {
  return opened.use(await openRepository(parseLocation(address), { http: { retryWaits: [] }, ...options }));
}

describe("a repository behind a proxy", () => {
  it("over http is asked for by its full address", async () => {
    const server = await serve();
    const way = await proxy();
    const repository = await open(server.url, { proxy: `http://${way.host}` });
    expect(await repository.look("vmlinuz")).toMatchObject({ url: `${server.url}vmlinuz`, size: 8 });
    expect(await textOf(await repository.fetch("vmlinuz"))).toBe("a kernel");
    expect(way.requests()).toContain(`GET ${server.url}vmlinuz HTTP/1.1`);
    expect(await repository.fetch("none")).toMatchObject({ outcome: "missing" });
  });

  it("over https is reached through a tunnel, and its certificate is checked", async () => {
    const server = await serve({ tls });
    const way = await proxy();
    const options = { environment: { https_proxy: `http://${way.host}/` } };
    const repository = await open(server.url, { ...options, caFile: tls.certificate });
    expect(await textOf(await repository.fetch("vmlinuz"))).toBe("a kernel");
    expect(way.requests()).toEqual([`CONNECT 127.0.0.1:${server.port} HTTP/1.1`]);
    const failure = await failureOf((await open(server.url, options)).fetch("vmlinuz"));
    expect(failure.code).toBe("REPOSITORY_UNREACHABLE");
    expect(failure.message).toBe(`${server.url}vmlinuz: self-signed certificate`);
  });

  it("wants a user and password of the proxy, which the server never sees", async () => {
    const server = await serve();
    const way = await proxy(["BasicAuth me right"]);
    const right = await open(server.url, { proxy: `http://me:r%69ght@${way.host}` });
    expect(await textOf(await right.fetch("vmlinuz"))).toBe("a kernel");
    const secure = await serve({ tls });
    const tunnelled = await open(secure.url, { proxy: `http://me:r%69ght@${way.host}`, caFile: tls.certificate });
    expect(await textOf(await tunnelled.fetch("vmlinuz"))).toBe("a kernel");
    for (const { url } of [server, secure]) {
      const failure = await failureOf((await open(url, { proxy: `http://me:secret@${way.host}` })).fetch("vmlinuz"));
      expect(failure.code).toBe("REPOSITORY_REFUSED");
      // tinyproxy says 401 and 407 to wrong passwords, which in the first case may as well be the server's answer.
      expect(failure.message).toMatch(/vmlinuz: the .*answered 40[17]/);
      expect(failure.message).toContain(`the proxy http://${way.host}/`);
      expect(failure.message).not.toContain("secret");
    }
    const without = await failureOf((await open(server.url, { proxy: `http://${way.host}` })).look("vmlinuz"));
    expect(without.hint).toMatch(/http:\/\/USER:PASSWORD@HOST:PORT/);
  });

  it("goes through the one that the host's settings name for it", async () => {
    const server = await serve();
    const way = await proxy();
    const settings = [{ name: "127.0.0.1", caFile: null, proxy: `http://${way.host}` }];
    expect(await textOf(await (await open(server.url, { settings })).fetch("vmlinuz"))).toBe("a kernel");
    expect(way.requests()).toContain(`GET ${server.url}vmlinuz HTTP/1.1`);
  });

  it("is reached directly where no_proxy says so", async () => {
    const server = await serve();
    const way = await proxy();
    const environment = { http_proxy: way.host, no_proxy: "localhost, 127.0.0.1" };
    expect(await textOf(await (await open(server.url, { environment })).fetch("vmlinuz"))).toBe("a kernel");
    expect(way.requests()).toEqual([]);
  });

  it("that is down is what the error names", async () => {
    const server = await serve();
    const failure = await failureOf((await open(server.url, { proxy: "http://127.0.0.1:9" })).fetch("vmlinuz"));
    expect(failure.code).toBe("REPOSITORY_UNREACHABLE");
    expect(failure.message).toBe(`${server.url}vmlinuz: the proxy http://127.0.0.1:9/: connection refused`);
    expect(failure.hint).toBe("is a proxy running on 127.0.0.1:9?");
  });

  it("that the proxy cannot reach is said to be answered by the proxy", async () => {
    const way = await proxy();
    for (const address of ["http://127.0.0.1:9/", "https://127.0.0.1:9/"]) {
      const failure = await failureOf((await open(address, { proxy: `http://${way.host}` })).fetch("vmlinuz"));
      expect(failure.code).toBe("REPOSITORY_REFUSED");
      expect(failure.message).toMatch(/proxy http:\/\/127/);
    }
  });
});

describe("a repository with a CA file of its own", () => {
  it("is trusted by it", async () => {
    const server = await serve({ tls });
    expect(await textOf(await (await open(server.url, { caFile: tls.certificate })).fetch("vmlinuz"))).toBe("a kernel");
  });

  it("is trusted by the file that the host's settings name for it, and for no other", async () => {
    const server = await serve({ tls });
    const settings = (name: string) => [{ name, caFile: tls.certificate, proxy: null }];
    for (const name of ["127.0.0.1", `127.0.0.1:${server.port}`, server.url]) {
      const repository = await open(server.url, { settings: settings(name) });
      expect(await textOf(await repository.fetch("vmlinuz"))).toBe("a kernel");
    }
    const other = await open(server.url, { settings: settings("127.0.0.1:1") });
    expect((await failureOf(other.fetch("vmlinuz"))).message).toMatch(/self-signed certificate/);
  });

  it("says what is wrong with the file", async () => {
    const file = path.join(folder.path, "ca.pem");
    const failure = async () => failureOf(open("https://127.0.0.1/", { caFile: file }));
    expect((await failure()).message).toMatch(/ca\.pem cannot be used: no such file/);
    fs.writeFileSync(file, "hello");
    expect((await failure()).message).toMatch(/holds no certificate/);
    fs.writeFileSync(file, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    expect(await failure()).toMatchObject({ code: "SETTINGS_INVALID" });
    expect((await failure()).message).toMatch(/certificate 1 is damaged/);
  });
});
