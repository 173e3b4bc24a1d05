/** FTP against Debian's vsftpd. */
import * as fs from "node:fs";
import * as path from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { startVsftpd, type Vsftpd, type VsftpdOptions } from "../../fixtures/vsftpd.ts";
import { parseLocation } from "../../src/repository/location.ts";
import { openRepository } from "../../src/repository/open.ts";
import type { Repository } from "../../src/repository/repository.ts";
import type { TransferLimits } from "../../src/repository/transfer.ts";
import { temporaryFolder } from "../program.ts";
import { bytesOf, failureOf, textOf } from "./reading.ts";

const folder = temporaryFolder();
afterAll(() => folder[Symbol.dispose]());
const root = path.join(folder.path, "mirror");
// Bytes of every value, line ends among them: a transfer in text mode would change them.
const image = Buffer.concat([
  gzipSync("an initrd"),
  Buffer.from(Array.from({ length: 12_000_000 }, (_, at) => at * 7)),
]);
const CHANGED = new Date("2023-06-10T11:12:13Z");

let opened = new AsyncDisposableStack();
afterEach(async () => {
  await opened.disposeAsync();
  opened = new AsyncDisposableStack();
});

beforeAll(() => {
  fs.chmodSync(folder.path, 0o755);
  fs.mkdirSync(path.join(root, "debian/images"), { recursive: true });
  fs.writeFileSync(path.join(root, "debian/images/initrd.gz"), image);
  fs.writeFileSync(path.join(root, "debian/images/vmlinuz"), "a kernel\r\nand more\n");
  fs.writeFileSync(path.join(root, "debian/images/empty"), "");
  fs.writeFileSync(path.join(root, "debian/images/odd name+~#%1Größe.txt"), "odd");
  fs.writeFileSync(path.join(root, "debian/images/secret"), "secret", { mode: 0o600 });
  fs.symlinkSync("images", path.join(root, "debian/current"));
  fs.utimesSync(path.join(root, "debian/images/vmlinuz"), CHANGED, CHANGED);
});

async function serve(options: Omit<VsftpdOptions, "root"> = {}): Promise<Vsftpd> {
  return opened.use(await startVsftpd({ root, ...options }));
}

async function open(address: string, limits: Partial<TransferLimits> = {}): Promise<Repository> {
  return opened.use(await openRepository(parseLocation(address), { limits }));
}

describe("a repository on vsftpd", () => {
  it("gives its files byte for byte", async () => {
    const server = await serve();
    const repository = await open(`${server.url}debian`);
    const result = await repository.fetch("images/initrd.gz");
    expect(result).toMatchObject({ facts: { url: `${server.url}debian/images/initrd.gz`, size: image.length } });
    expect(image.equals(await bytesOf(result))).toBe(true);
    expect(await textOf(await repository.fetch("current/vmlinuz"))).toBe("a kernel\r\nand more\n");
    expect(await textOf(await repository.fetch("images/odd name+~#%1Größe.txt"))).toBe("odd");
    expect(await textOf(await repository.fetch("images/empty"))).toBe("");
    expect(server.commands().filter((command) => command.startsWith("USER"))).toEqual(["USER anonymous"]);
  });

  it("tells size and time of a file, and has no other", async () => {
    const server = await serve();
    const repository = await open(`${server.url}debian`);
    expect(await repository.look("images/vmlinuz")).toMatchObject({ size: 19, lastModified: CHANGED.toUTCString() });
    for (const missing of ["none", "none/vmlinuz", "images", "images/", "images/vmlinuz/x"]) {
      expect(await repository.look(missing), missing).toBeNull();
      expect(await repository.fetch(missing), missing).toMatchObject({ outcome: "missing" });
    }
  });

  it("sends no file that is known already", async () => {
    const server = await serve();
    const repository = await open(`${server.url}debian`);
    const facts = await repository.look("images/vmlinuz");
    if (facts === null) throw new Error("missing");
    expect(await repository.fetch("images/vmlinuz", { unless: facts })).toMatchObject({ outcome: "unchanged" });
    expect(server.commands().join()).not.toContain("RETR");
  });

  it("gives two files side by side", async () => {
    const server = await serve();
    const repository = await open(`${server.url}debian`);
    const [kernel, initrd] = await Promise.all([
      repository.fetch("images/vmlinuz").then(textOf),
      repository.fetch("images/initrd.gz").then(bytesOf),
    ]);
    expect(kernel).toBe("a kernel\r\nand more\n");
    expect(image.equals(initrd)).toBe(true);
  });

  it("refuses a file that its user may not read", async () => {
    const server = await serve();
    const failure = await failureOf((await open(`${server.url}debian`)).fetch("images/secret"));
    expect(failure.code).toBe("REPOSITORY_REFUSED");
    expect(failure.message).toMatch(/images\/secret: the server answered 550 /);
    expect(failure.hint).toMatch(/may this user read/);
  });

  it("takes a user with the right password only", async () => {
    const server = await serve({ password: "p@ss/word" });
    const right = server.url.replace("ftp://", "ftp://ftp:p%40ss%2Fword@");
    expect(await textOf(await (await open(`${right}debian`)).fetch("images/vmlinuz"))).toMatch(/^a kernel/);
    const wrong = server.url.replace("ftp://", "ftp://ftp:secret@");
    const failure = await failureOf((await open(`${wrong}debian`)).fetch("images/vmlinuz"));
    expect(failure.code).toBe("REPOSITORY_REFUSED");
    expect(failure.message).toMatch(/^ftp:\/\/127\.0\.0\.1:\d+\/debian\/images\/vmlinuz: the server answered 530 /);
    expect(failure.message).not.toContain("secret");
  });

  it("that takes one guest gives one file after the other", async () => {
    const server = await serve({ extra: "max_clients=1" });
    const repository = await open(`${server.url}debian`);
    const files = ["images/vmlinuz", "images/initrd.gz", "images/empty"];
    const contents = await Promise.all(files.map(async (file) => bytesOf(await repository.fetch(file))));
    expect(contents.map((content) => content.length)).toEqual([19, image.length, 0]);
    const failure = await failureOf((await open(`${server.url}debian`)).look("images/vmlinuz"));
    expect(failure.code).toBe("REPOSITORY_REFUSED");
    expect(failure.message).toMatch(/421 There are too many/);
  });
});

describe("a transfer from vsftpd", () => {
  it("fails when the server dies in the middle", async () => {
    const server = await serve({ extra: "anon_max_rate=2000000" });
    const result = await (await open(`${server.url}debian`)).fetch("images/initrd.gz");
    if (result.outcome !== "content") throw new Error(result.outcome);
    const failure = await failureOf(
      (async () => {
        for await (const part of result.body) if (part.length > 0) server.signalSessions("SIGKILL");
      })(),
    );
    expect(failure.code).toBe("TRANSFER_TRUNCATED");
    expect(failure.message).toMatch(new RegExp(`initrd\\.gz: the server announced ${image.length} bytes and ended`));
  });

  it("fails when the server hangs in the middle", async () => {
    const server = await serve({ extra: "anon_max_rate=2000000" });
    const repository = await open(`${server.url}debian`, { bodyTimeout: 500 });
    const result = await repository.fetch("images/initrd.gz");
    if (result.outcome !== "content") throw new Error(result.outcome);
    const failure = await failureOf(
      (async () => {
        for await (const part of result.body) if (part.length > 0) server.signalSessions("SIGSTOP");
      })(),
    );
    expect(failure.code).toBe("TRANSFER_FAILED");
    expect(failure.message).toMatch(/the transfer broke off after \d+ of \d+ bytes: nothing came for 0\.5 seconds/);
  });

  it("goes on as long as a slow server sends anything", async () => {
    const server = await serve({ extra: "anon_max_rate=8000000" });
    const repository = await open(`${server.url}debian`, { bodyTimeout: 800, headersTimeout: 800 });
    expect(image.equals(await bytesOf(await repository.fetch("images/initrd.gz")))).toBe(true);
  });

  it("waits for a reader that is slower than the server", async () => {
    const server = await serve();
    const repository = await open(`${server.url}debian`, { bodyTimeout: 300 });
    const result = await repository.fetch("images/initrd.gz");
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(image.equals(await bytesOf(result))).toBe(true);
  });
});
