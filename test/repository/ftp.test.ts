/** FTP against a server that misbehaves on demand. */
import { afterEach, describe, expect, it } from "vitest";
import { GuestbootError } from "../../src/base/errors.ts";
import { parseLocation } from "../../src/repository/location.ts";
import { openRepository } from "../../src/repository/open.ts";
import type { Repository } from "../../src/repository/repository.ts";
import type { TransferLimits } from "../../src/repository/transfer.ts";
import { startFaultyFtp, type FaultyFtp, type FtpFaults } from "./ftp-faults.ts";
import { bytesOf, failureOf, textOf } from "./reading.ts";

const QUICK: Partial<TransferLimits> = { connectTimeout: 300, headersTimeout: 300, bodyTimeout: 300 };

let opened = new AsyncDisposableStack();
afterEach(async () => {
  await opened.disposeAsync();
  opened = new AsyncDisposableStack();
});

async function serve(faults: FtpFaults = {}): Promise<FaultyFtp> {
  return opened.use(await startFaultyFtp(faults));
}

async function open(address: string, limits: Partial<TransferLimits> = {}): Promise<Repository> {
  return opened.use(await openRepository(parseLocation(address), { limits: { ...QUICK, ...limits } }));
}

describe("a transfer over FTP", () => {
  it("asks for size and time, and takes the file in binary", async () => {
    const server = await serve();
    const repository = await open(`${server.url}debian`);
    const result = await repository.fetch("images/vmlinuz");
    expect(result).toMatchObject({
      facts: { url: `${server.url}debian/images/vmlinuz`, size: 8, lastModified: "Sat, 10 Jun 2023 11:12:13 GMT" },
    });
    expect(await textOf(result)).toBe("a kernel");
    const binary = server.commands.indexOf("TYPE I");
    expect(binary).toBeGreaterThan(0);
    expect(server.commands.indexOf("RETR debian/images/vmlinuz")).toBeGreaterThan(binary);
  });

  it("that ends early is noticed, though the server says that all is well", async () => {
    const server = await serve({ content: "part", replies: { SIZE: "213 10" } });
    const failure = await failureOf((await open(server.url)).fetch("file").then(bytesOf));
    expect(failure.code).toBe("TRANSFER_TRUNCATED");
    expect(failure.message).toBe(`${server.url}file: the server announced 10 bytes and ended the connection after 4`);
  });

  it("that is longer than announced fails", async () => {
    const server = await serve({ content: "a kernel and more", replies: { SIZE: "213 8" } });
    const failure = await failureOf((await open(server.url)).fetch("file").then(bytesOf));
    expect(failure.code).toBe("TRANSFER_FAILED");
  });

  it("that the server calls off fails with the server's words", async () => {
    const server = await serve({ content: "part", transferEnd: "451 my disk is broken", replies: { SIZE: "213 10" } });
    const failure = await failureOf((await open(server.url)).fetch("file").then(bytesOf));
    expect(failure.code).toBe("TRANSFER_FAILED");
    expect(failure.message).toMatch(/after 4 of 10 bytes: the server answered 451 my disk is broken/);
  });

  it("that stalls fails", async () => {
    const server = await serve({ content: "part", stalls: true, replies: { SIZE: "213 10" } });
    const failure = await failureOf((await open(server.url)).fetch("file").then(bytesOf));
    expect(failure.code).toBe("TRANSFER_FAILED");
    expect(failure.message).toMatch(/after 4 of 10 bytes: nothing came for 0\.3 seconds/);
  });

  it("that is never confirmed fails", async () => {
    const server = await serve({ transferEnd: null });
    const failure = await failureOf((await open(server.url)).fetch("file").then(bytesOf));
    expect(failure.code).toBe("TRANSFER_FAILED");
  });

  it("works with servers that know neither sizes nor times", async () => {
    const replies = { SIZE: "502 what?", MDTM: "500 what?" };
    const server = await serve({ replies });
    const result = await (await open(server.url)).fetch("file");
    expect(result).toMatchObject({ facts: { size: null, etag: null, lastModified: null } });
    expect(await textOf(result)).toBe("a kernel");
    const other = await serve({ replies: { ...replies, RETR: "550 no such file" } });
    expect(await (await open(other.url)).fetch("file")).toMatchObject({ outcome: "missing" });
  });

  it("of a file above the limit is refused", async () => {
    const server = await serve({ replies: { SIZE: "213 5000000000" } });
    expect((await failureOf((await open(server.url)).fetch("file"))).code).toBe("FILE_TOO_LARGE");
    expect(server.commands).not.toContain("RETR file");
  });

  it("takes no file from another host than the server", async () => {
    const replies = { EPSV: "500 what?", PASV: "227 Entering Passive Mode (192,0,2,1,10,229)" };
    const server = await serve({ replies });
    const failure = await failureOf((await open(server.url)).fetch("file"));
    expect(failure.message).toMatch(/another host/);
  });
});

describe("a path over FTP", () => {
  it("is relative to the folder of the login, or absolute after %2F (RFC 1738)", async () => {
    const server = await serve();
    await (await open(`${server.url}%2Fsrv/my%20tree`)).look("a b");
    expect(server.commands).toContain("SIZE /srv/my tree/a b");
  });

  it("can neither begin a command of its own nor climb out", async () => {
    const server = await serve();
    const repository = await open(server.url);
    expect((await failureOf(repository.fetch("file\r\nDELE file"))).code).toBe("INVALID_SOURCE");
    expect((await failureOf(repository.fetch("../file"))).code).toBe("INVALID_SOURCE");
    expect((await failureOf(open(`${server.url}a%0D%0ADELE%20b/`))).code).toBe("INVALID_SOURCE");
    expect((await failureOf(open(`${server.url}a%2F..%2F..%2Fb`))).code).toBe("INVALID_SOURCE");
    expect(server.commands.filter((command) => command.includes("DELE"))).toEqual([]);
  });
});

describe("an FTP server that does not serve", () => {
  it("refuses the connection", async () => {
    const server = await startFaultyFtp();
    await server[Symbol.asyncDispose]();
    const failure = await failureOf((await open(server.url.replace("ftp://", "ftp://user:secret@"))).look("file"));
    expect(failure).toMatchObject({ code: "REPOSITORY_UNREACHABLE" });
    expect(failure.message).toBe(`${server.url}file: connection refused`);
    expect(failure.hint).toMatch(/is a FTP server running on 127|is an FTP server running on 127/);
  });

  it("has a name that nobody knows", async () => {
    const failure = await failureOf(
      (await open("ftp://nosuchhost.invalid/debian", { connectTimeout: 9000 })).look("file"),
    );
    expect(failure.code).toBe("REPOSITORY_UNREACHABLE");
    expect(failure.message).toMatch(
      /name not known: nosuchhost\.invalid|no name server answered for nosuchhost\.invalid/,
    );
  });

  it.each<[string, FtpFaults]>([
    ["is silent", { isMute: true }],
    ["drips words without end", { drips: true }],
  ])("%s", async (_what, faults) => {
    const server = await serve(faults);
    const failure = await failureOf((await open(server.url)).look("file"));
    expect(failure.code).toBe("REPOSITORY_UNREACHABLE");
    expect(failure.message).toMatch(/file: no connection within 0\.3 seconds/);
    await expect.poll(() => server.connections()).toBe(0);
  });

  it("does not answer a command", async () => {
    const server = await serve({ replies: { SIZE: null } });
    const failure = await failureOf((await open(server.url)).look("file"));
    expect(failure.code).toBe("REPOSITORY_UNREACHABLE");
    expect(failure.message).toMatch(/file: no answer within 0\.3 seconds/);
  });

  it("takes nobody, and repeats the password", async () => {
    const server = await serve({ replies: { PASS: "530 se/cret is\u001b[2J wrong" } });
    const failure = await failureOf((await open(server.url.replace("ftp://", "ftp://me:se%2Fcret@"))).fetch("file"));
    expect(failure.code).toBe("REPOSITORY_REFUSED");
    expect(failure.message).toMatch(/file: the server answered 530 … is \[2J wrong/);
    expect(failure.hint).toMatch(/does not take the user and password/);
    expect(JSON.stringify([failure, String(failure.cause), failure.stack])).not.toMatch(/se\/cret/);
  });

  it("has too many guests", async () => {
    const server = await serve({ replies: { USER: "421 too many connections" } });
    const failure = await failureOf((await open(server.url)).fetch("file"));
    expect(failure.code).toBe("REPOSITORY_REFUSED");
    expect(failure.hint).toMatch(/try again later/);
  });
});

describe("an AbortSignal over FTP", () => {
  it("ends a wait for the server, and a transfer", async () => {
    const reason = new GuestbootError("LOCK_TIMEOUT", "enough");
    const mute = await serve({ replies: { SIZE: null } });
    const patient = { headersTimeout: 30_000, bodyTimeout: 30_000, connectTimeout: 30_000 };
    const looking = (await open(mute.url, patient)).look("file", abortLater(reason));
    expect(await failureOf(looking)).toBe(reason);
    const greeting = await serve({ isMute: true });
    expect(await failureOf((await open(greeting.url, patient)).fetch("file", { signal: abortLater(reason) }))).toBe(
      reason,
    );
    const stalling = await serve({ content: "part", stalls: true, replies: { SIZE: "213 10" } });
    const repository = await open(stalling.url, patient);
    expect(await failureOf(repository.fetch("file", { signal: abortLater(reason) }).then(bytesOf))).toBe(reason);
    for (const server of [mute, greeting, stalling]) await expect.poll(() => server.connections()).toBe(0);
  });

  it("that is aborted already lets nothing be sent", async () => {
    const server = await serve();
    await expect((await open(server.url)).fetch("file", { signal: AbortSignal.abort() })).rejects.toThrow(/aborted/);
    expect(server.connections()).toBe(0);
  });
});

describe("an FTP repository", () => {
  it("uses one connection for files one after the other, and several for files side by side", async () => {
    const server = await serve();
    const repository = await open(server.url);
    const kernel = await repository.fetch("vmlinuz");
    const initrd = await repository.fetch("initrd");
    expect(await textOf(initrd)).toBe("a kernel");
    expect(await textOf(kernel)).toBe("a kernel");
    await textOf(await repository.fetch("third"));
    await Promise.all(["a", "b", "c", "d"].map((path) => repository.look(path)));
    expect(server.commands.filter((command) => command.startsWith("USER"))).toHaveLength(2);
  });

  it("ends its connections when it is closed, also those that have work", async () => {
    const server = await serve({ content: "part", stalls: true, replies: { SIZE: "213 10" } });
    const repository = await open(server.url, { bodyTimeout: 30_000 });
    const reading = failureOf(repository.fetch("file").then(bytesOf));
    await expect.poll(() => server.commands).toContain("RETR file");
    await repository[Symbol.asyncDispose]();
    expect((await reading).code).toBe("TRANSFER_FAILED");
    await expect.poll(() => server.connections()).toBe(0);
  });

  it("ends the connection when a reader stops in the middle", async () => {
    const server = await serve({ content: "part", stalls: true, replies: { SIZE: "213 10" } });
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
