/** HTTP and HTTPS against Debian's nginx. */
import { execFileSync } from "node:child_process";
import { mkdtempDisposableSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type NginxOptions, startNginx } from "../../fixtures/nginx.ts";
import type { HttpOptions } from "../../src/repository/http.ts";
import { parseLocation } from "../../src/repository/location.ts";
import { openRepository } from "../../src/repository/open.ts";
import type { FetchResult, Repository } from "../../src/repository/repository.ts";

const folder = mkdtempDisposableSync(join(tmpdir(), "guestboot-test-"));
afterAll(() => folder.remove());
const root = join(folder.path, "mirror");
const image = gzipSync(Buffer.alloc(3_000_000, "an initrd that is larger than any buffer on the way "));
const CHANGED = new Date("2023-06-10T11:12:13Z");

let opened = new AsyncDisposableStack();
afterEach(async () => {
  await opened.disposeAsync();
  opened = new AsyncDisposableStack();
});

beforeAll(() => {
  mkdirSync(join(root, "debian/images"), { recursive: true });
  writeFileSync(join(root, "debian/images/initrd.gz"), image);
  writeFileSync(join(root, "debian/images/vmlinuz"), "a kernel");
  writeFileSync(join(root, "debian/images/odd name+~#%.txt"), "odd");
  utimesSync(join(root, "debian/images/vmlinuz"), CHANGED, CHANGED);
});

async function serve(options: Omit<NginxOptions, "root"> = {}) {
  return opened.use(await startNginx({ root, ...options }));
}

async function open(address: string, options: Partial<HttpOptions> = {}): Promise<Repository> {
  const http = { retryWaits: [1], ...options };
  return opened.use(await openRepository(parseLocation(address), { http }));
}

async function bytesOf(result: FetchResult): Promise<Buffer> {
  if (result.outcome !== "content") throw new Error(`the outcome was ${result.outcome}`);
  const parts: Uint8Array[] = [];
  for await (const part of result.body) parts.push(part);
  return Buffer.concat(parts);
}

describe("a repository on nginx", () => {
  it("gives its files byte for byte", async () => {
    const server = await serve();
    const repository = await open(`${server.url}debian`);
    const result = await repository.fetch("images/initrd.gz");
    expect(result).toMatchObject({
      facts: { url: `${server.url}debian/images/initrd.gz`, size: image.length },
    });
    expect(image.equals(await bytesOf(result))).toBe(true);
    expect((await bytesOf(await repository.fetch("images/odd name+~#%.txt"))).toString()).toBe("odd");
    await expect
      .poll(() => server.requests())
      .toEqual(["GET /debian/images/initrd.gz 200", "GET /debian/images/odd%20name+~%23%25.txt 200"]);
  });

  it("says of a file when it was changed and how large it is", async () => {
    const server = await serve();
    const facts = await (await open(`${server.url}debian`)).look("images/vmlinuz");
    expect(facts).toMatchObject({ size: 8, lastModified: "Sat, 10 Jun 2023 11:12:13 GMT" });
    // nginx makes it of the time and the size, in hexadecimal.
    expect(facts?.etag).toBe(`"${(CHANGED.getTime() / 1000).toString(16)}-8"`);
  });

  it("says 304 to the ETag or the date of what is there, and sends what is newer", async () => {
    const server = await serve();
    const repository = await open(`${server.url}debian`);
    const { etag = null, lastModified = null } = (await repository.look("images/vmlinuz")) ?? {};
    const fetch = (unless: { etag: string | null; lastModified: string | null }) =>
      repository.fetch("images/vmlinuz", { unless });
    const unchanged = { outcome: "unchanged", url: `${server.url}debian/images/vmlinuz` };
    expect(await fetch({ etag, lastModified })).toEqual(unchanged);
    expect(await fetch({ etag, lastModified: null })).toEqual(unchanged);
    expect(await fetch({ etag: null, lastModified })).toEqual(unchanged);
    expect(await bytesOf(await fetch({ etag: '"other"', lastModified }))).toHaveLength(8);
    expect(await bytesOf(await fetch({ etag: null, lastModified: "Sat, 10 Jun 2023 11:12:12 GMT" }))).toHaveLength(8);
    expect(await bytesOf(await fetch({ etag: null, lastModified: null }))).toHaveLength(8);
  });

  it("says of a file that it is not there", async () => {
    const server = await serve();
    const repository = await open(`${server.url}debian`);
    expect(await repository.look("images/xen/vmlinuz")).toBeNull();
    expect(await repository.fetch("images/xen/vmlinuz")).toEqual({
      outcome: "missing",
      url: `${server.url}debian/images/xen/vmlinuz`,
    });
  });

  it("may label .gz files as encoded, and they arrive as they are", async () => {
    const server = await serve({ extra: "location ~ [.]gz$ { types {} add_header Content-Encoding gzip; }" });
    const result = await (await open(server.url)).fetch("debian/images/initrd.gz");
    expect(result).toMatchObject({ facts: { size: image.length } });
    expect(image.equals(await bytesOf(result))).toBe(true);
  });

  it("is not asked to compress on the way", async () => {
    const server = await serve({ extra: "gzip on; gzip_min_length 1; gzip_types *; gzip_proxied any;" });
    const result = await (await open(server.url)).fetch("debian/images/vmlinuz");
    expect((await bytesOf(result)).toString()).toBe("a kernel");
  });

  it("takes user and password from the address (auth_basic)", async () => {
    const passwords = join(folder.path, "htpasswd");
    const hashed = execFileSync("openssl", ["passwd", "-apr1", "s3cret: ä"], { encoding: "utf8" });
    writeFileSync(passwords, `admin:${hashed}`);
    const server = await serve({ extra: `auth_basic "mirror"; auth_basic_user_file "${passwords}";` });
    const withUser = (user: string) => server.url.replace("http://", `http://${user}@`);

    const right = await open(withUser("admin:s3cret%3A%20%C3%A4"));
    expect((await bytesOf(await right.fetch("debian/images/vmlinuz"))).toString()).toBe("a kernel");
    await expect((await open(withUser("admin:wrong"))).look("debian/images/vmlinuz")).rejects.toMatchObject({
      code: "REPOSITORY_REFUSED",
      message: `${server.url}debian/images/vmlinuz: the server answered 401 (user and password wanted)`,
    });
    await expect((await open(server.url)).fetch("debian/images/vmlinuz")).rejects.toMatchObject({
      code: "REPOSITORY_REFUSED",
      hint: "put a user and password into the address: http://USER:PASSWORD@HOST/PATH",
    });
  });

  it("may redirect, also in a chain, also to a folder's name with its slash", async () => {
    const server = await serve({
      extra: `
        location /mirror/ { rewrite ^/mirror/(.*) /second/$1 redirect; }
        location /second/ { rewrite ^/second/(.*) /debian/$1 permanent; }
        location /circle { return 302 /circle; }`,
    });
    const repository = await open(server.url);
    const result = await repository.fetch("mirror/images/vmlinuz");
    expect(result).toMatchObject({ facts: { url: `${server.url}debian/images/vmlinuz` } });
    expect((await bytesOf(result)).toString()).toBe("a kernel");
    expect(await repository.look("debian/images")).toMatchObject({ url: `${server.url}debian/images/` });
    await expect(repository.fetch("circle")).rejects.toMatchObject({ code: "REDIRECT_REFUSED" });
  });

  it("forbids what it forbids", async () => {
    const server = await serve({ extra: "location /debian/images/ { deny all; }" });
    await expect((await open(server.url)).fetch("debian/images/vmlinuz")).rejects.toMatchObject({
      code: "REPOSITORY_REFUSED",
      message: `${server.url}debian/images/vmlinuz: the server answered 403 (forbidden)`,
    });
  });

  it("does not keep the program from ending once it is closed", async () => {
    const server = await serve();
    const module = (name: string) => JSON.stringify(new URL(`../../src/repository/${name}`, import.meta.url).href);
    const script = `
      import { openRepository } from ${module("open.ts")};
      import { parseLocation } from ${module("location.ts")};
      await using repository = await openRepository(parseLocation(${JSON.stringify(server.url)}));
      const result = await repository.fetch("debian/images/initrd.gz");
      console.log(result.outcome);`;
    const output = execFileSync(process.execPath, ["--input-type=module", "-e", script], {
      encoding: "utf8",
      // nginx would keep the idle connection for 75 s and undici for 4 s.
      timeout: 3000,
    });
    expect(output).toBe("content\n");
  });
});

describe("a repository over TLS", () => {
  const path = (name: string) => join(folder.path, name);
  const openssl = (...words: string[]) => execFileSync("openssl", words, { stdio: "pipe" });

  function selfSigned(name: string): { certificate: string; key: string } {
    const made = { certificate: path(`${name}.crt`), key: path(`${name}.key`) };
    openssl(
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
      ...["-subj", `/CN=${name}`, "-keyout", made.key, "-out", made.certificate],
      ...["-addext", "subjectAltName=IP:127.0.0.1"],
    );
    return made;
  }

  function signedBy(authority: { certificate: string; key: string }, name: string, hosts: string) {
    const made = { certificate: path(`${name}.crt`), key: path(`${name}.key`) };
    writeFileSync(path(`${name}.ext`), `subjectAltName=${hosts}\n`);
    openssl(
      ...["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
      ...["-subj", `/CN=${name}`, "-keyout", made.key, "-out", path(`${name}.csr`)],
    );
    openssl(
      ...["x509", "-req", "-in", path(`${name}.csr`), "-days", "2", "-CAcreateserial", "-extfile", path(`${name}.ext`)],
      ...["-CA", authority.certificate, "-CAkey", authority.key, "-out", made.certificate],
    );
    return made;
  }

  let authority: { certificate: string; key: string };
  let trusted: Partial<HttpOptions>;
  beforeAll(() => {
    authority = selfSigned("authority");
    trusted = { certificateAuthorities: [readFileSync(authority.certificate, "utf8")] };
  });

  it("gives its files when its certificate is for the host and from an authority that is trusted", async () => {
    const server = await serve({ tls: signedBy(authority, "right", "IP:127.0.0.1") });
    const result = await (await open(server.url, trusted)).fetch("debian/images/initrd.gz");
    expect(image.equals(await bytesOf(result))).toBe(true);
  });

  it("is not read when its certificate is self-signed", async () => {
    const server = await serve({ tls: selfSigned("self") });
    await expect((await open(server.url)).fetch("debian/images/vmlinuz")).rejects.toMatchObject({
      code: "REPOSITORY_UNREACHABLE",
      message: `${server.url}debian/images/vmlinuz: self-signed certificate`,
    });
    expect(server.requests()).toEqual([]);
  });

  it("is not read when nobody knows the certificate's authority", async () => {
    const server = await serve({ tls: signedBy(authority, "unknown", "IP:127.0.0.1") });
    await expect((await open(server.url)).fetch("debian/images/vmlinuz")).rejects.toMatchObject({
      code: "REPOSITORY_UNREACHABLE",
      message: `${server.url}debian/images/vmlinuz: the certificate comes from an authority that this host does not know`,
    });
  });

  it("is not read when its certificate is for another host", async () => {
    const server = await serve({ tls: signedBy(authority, "wrong", "DNS:mirror.example.org") });
    await expect((await open(server.url, trusted)).fetch("debian/images/vmlinuz")).rejects.toMatchObject({
      code: "REPOSITORY_UNREACHABLE",
      message: `${server.url}debian/images/vmlinuz: the certificate is for another host than 127.0.0.1`,
    });
    expect(server.requests()).toEqual([]);
  });

  it("may not lead to one without TLS", async () => {
    const plain = await serve();
    const server = await serve({
      tls: signedBy(authority, "leading", "IP:127.0.0.1"),
      extra: `location /debian/ { return 301 ${plain.url.slice(0, -1)}$request_uri; }`,
    });
    await expect((await open(server.url, trusted)).fetch("debian/images/vmlinuz")).rejects.toMatchObject({
      code: "REDIRECT_REFUSED",
      message: `${server.url}debian/images/vmlinuz: redirected to ${plain.url}debian/images/vmlinuz, which would give up the protection of https`,
    });
    expect(plain.requests()).toEqual([]);
  });
});
