import * as net from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { nfsValidator, type NfsFile } from "../../src/repository/nfs-validators.ts";
import { ACCEPTED, ATTRIBUTES, BITMAP, record, words } from "./nfs-replies.ts";

let servers = new AsyncDisposableStack();
afterEach(async () => {
  await servers.disposeAsync();
  servers = new AsyncDisposableStack();
});

/** COMPOUND4res for PUTROOTFH, LOOKUP, LOOKUP, GETATTR (RFC 7530, section 16.2). */
const OPERATIONS = [0, 0, 4, 24, 0, 15, 0, 15, 0, 9, 0];

/** A server that answers each connection's first bytes with `answer`, then says nothing more. */
async function answering(answer: Buffer | null): Promise<NfsFile> {
  const server = net.createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => (answer === null ? undefined : socket.write(answer)));
  });
  const sockets = new Set<net.Socket>();
  server.on("connection", (socket) => sockets.add(socket));
  servers.defer(async () => {
    for (const socket of sockets) socket.destroy();
    const { promise, resolve } = Promise.withResolvers<undefined>();
    server.close(() => resolve(undefined));
    await promise;
  });
  const { promise, resolve } = Promise.withResolvers<undefined>();
  server.listen(0, "127.0.0.1", () => resolve(undefined));
  await promise;
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { server: "127.0.0.1", export: "/x", path: "y", version: "4", port: address.port, mountPort: null };
}

const ask = async (answer: Buffer | null, timeout = 20_000) =>
  nfsValidator(await answering(answer), timeout, new AbortController().signal);

describe("the version of a file on an NFS server", () => {
  it("is what the attributes say", async () => {
    const reply = words(...ACCEPTED, ...OPERATIONS, ...BITMAP, ...ATTRIBUTES);
    expect(await ask(record(reply))).toBe('"nfs-9-8-7-a-b"');
    // In two fragments, cut anywhere.
    const [one, two] = [reply.subarray(0, 33), reply.subarray(33)];
    expect(await ask(Buffer.concat([record(one, one.length), record(two)]))).toBe('"nfs-9-8-7-a-b"');
  });

  it.each([
    ["another call's reply", record(words(2, ...ACCEPTED.slice(1), ...OPERATIONS, ...BITMAP, ...ATTRIBUTES))],
    ["a denied call", record(words(1, 1, 1, 0, 0, 0))],
    ["a program that is not there", record(words(1, 1, 0, 0, 0, 1))],
    ["a file that is not there", record(words(...ACCEPTED, 2, 0, 2, 24, 0, 15, 2))],
    ["fewer results than operations", record(words(...ACCEPTED, 0, 0, 1, 24, 0))],
    ["attributes that were not asked for", record(words(...ACCEPTED, ...OPERATIONS, 2, 0x0010_001a, 1, ...ATTRIBUTES))],
    ["a bitmap without end", record(words(...ACCEPTED, ...OPERATIONS, 0xffff_ffff, 1, 1))],
    ["a folder", record(words(...ACCEPTED, ...OPERATIONS, ...BITMAP, 40, 2, ...ATTRIBUTES.slice(2)))],
    ["a reply that ends early", record(words(...ACCEPTED, ...OPERATIONS, ...BITMAP, 40, 1))],
    ["a tag longer than the reply", record(words(...ACCEPTED, 0, 0xffff_fff0))],
    ["a verifier longer than any", record(words(1, 1, 0, 0, 0x7fff_ffff, 0))],
    ["a record of two gigabytes", words(0xffff_ffff, 0)],
    ["fragments without end", Buffer.alloc(4 * 20_000)],
    ["text", Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")],
  ])("is not known after %s", async (_what, answer) => {
    expect(await ask(answer)).toBeNull();
  });

  it("is not known where nothing answers, and that takes no longer than it may", async () => {
    expect(await ask(null, 100)).toBeNull();
    const gone = await answering(null);
    await servers.disposeAsync();
    servers = new AsyncDisposableStack();
    expect(await nfsValidator(gone, 1000, new AbortController().signal)).toBeNull();
  });

  it("is not asked for once the caller has called it off", async () => {
    const cancelled = AbortSignal.abort(new Error("called off"));
    await expect(nfsValidator(await answering(null), 1000, cancelled)).rejects.toThrow("called off");
  });

  it("is asked for inside the export only", async () => {
    const file = await answering(record(words(...ACCEPTED, ...OPERATIONS, ...BITMAP, ...ATTRIBUTES)));
    expect(await nfsValidator({ ...file, path: "../y" }, 1000, new AbortController().signal)).toBeNull();
  });
});
