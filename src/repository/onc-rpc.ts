/**
 * A few remote procedure calls (RFC 5531) over one TCP connection, one after the other, and the XDR (RFC 4506) of their
 * arguments. It has AUTH_SYS as a user of this host, and nothing else: no UDP, no Kerberos, no callbacks.
 */
import type { Socket, TcpNetConnectOpts } from "node:net";
import { CheckedReader } from "../base/checked-reader.ts";
import { GuestbootError, isSystemError } from "../base/errors.ts";

export interface Procedure {
  readonly program: number;
  readonly version: number;
  readonly procedure: number;
}

/** Bytes: what we ask for has a few hundred. */
const LARGEST_REPLY = 64 * 1024;
const CALL = 0;
const REPLY = 1;
const RPC_VERSION = 2;
const AUTH_SYS = 1;
const LAST_FRAGMENT = 0x8000_0000;
/** Ports of our own that are tried. */
const TRIES = 4;

export class RpcConnection implements Disposable {
  readonly #socket: Socket;
  readonly #pieces: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();
  #xid = 1;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#pieces = (socket as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
  }

  /** @param timeout for each pause, milliseconds. @throws Error as `net.Socket` gives it */
  static async open(host: string, port: number, timeout: number, signal: AbortSignal): Promise<RpcConnection> {
    for (const localPort of localPorts()) {
      try {
        return new RpcConnection(await connected({ host, port, localPort }, timeout, signal));
      } catch (error) {
        // The port is somebody else's, or not to be had here: another one.
        if (!isSystemError(error, "EADDRINUSE", "EADDRNOTAVAIL", "EACCES")) throw error;
      }
    }
    return new RpcConnection(await connected({ host, port }, timeout, signal));
  }

  /** The procedure's results. @throws GuestbootError TRANSFER_FAILED for a refusal; OUT_OF_BOUNDS; Error of the socket */
  async call({ program, version, procedure }: Procedure, args: Uint8Array): Promise<XdrReader> {
    const xid = this.#xid++;
    const header = [xid, CALL, RPC_VERSION, program, version, procedure].map(u32);
    const message = Buffer.concat([...header, credential(), u32(0), u32(0), args]);
    this.#socket.write(Buffer.concat([u32(LAST_FRAGMENT + message.length), message]));
    const reply = new XdrReader(await this.#receive());
    const [answered, kind, accepted] = [reply.u32("xid"), reply.u32("message type"), reply.u32("reply status")];
    if (answered !== xid || kind !== REPLY || accepted !== 0) throw refused("the call was denied");
    reply.u32("verifier's flavour");
    reply.opaque(400, "verifier");
    const status = reply.u32("accept status");
    if (status !== 0) throw refused(`accept status ${status}`);
    return reply;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  /** One record: its fragments put together (RFC 5531, section 11). */
  async #receive(): Promise<Uint8Array> {
    const fragments: Uint8Array[] = [];
    let length = 0;
    for (;;) {
      const mark = new CheckedReader(await this.#take(4), "RPC record").u32be(0, "record mark");
      const size = mark % LAST_FRAGMENT;
      length += size;
      // An empty fragment that is not the last one could go on for ever.
      if (length > LARGEST_REPLY || (size === 0 && mark < LAST_FRAGMENT)) throw refused("the reply is too large");
      fragments.push(await this.#take(size));
      if (mark >= LAST_FRAGMENT) return Buffer.concat(fragments);
    }
  }

  async #take(length: number): Promise<Uint8Array> {
    while (this.#rest.length < length) {
      const next = await this.#pieces.next();
      if (next.done === true) throw refused("the server ended the connection");
      this.#rest = Buffer.concat([this.#rest, next.value]);
    }
    const taken = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return taken;
  }
}

/** Fields of XDR, one after the other, each a multiple of four bytes. */
export class XdrReader {
  readonly #reader: CheckedReader;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#reader = new CheckedReader(bytes, "RPC reply");
  }

  u32(field: string): number {
    this.#at += 4;
    return this.#reader.u32be(this.#at - 4, field);
  }

  /** As a number that is only compared: 64 bits do not fit in one. */
  u64(field: string): bigint {
    return (BigInt(this.u32(field)) << 32n) + BigInt(this.u32(field));
  }

  opaque(longest: number, field: string): Uint8Array {
    const length = this.u32(field);
    if (length > longest) throw new GuestbootError("OUT_OF_BOUNDS", `RPC reply: ${field} has ${length} bytes`);
    const bytes = this.#reader.bytes(this.#at, length, field);
    this.#at += padded(length);
    return bytes;
  }
}

export function u32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** A string or variable-length opaque. */
export function opaque(value: string | Uint8Array): Uint8Array {
  const bytes = Buffer.from(value);
  return Buffer.concat([u32(bytes.length), bytes, Buffer.alloc(padded(bytes.length) - bytes.length)]);
}

function padded(length: number): number {
  return Math.ceil(length / 4) * 4;
}

function credential(): Uint8Array {
  const body = Buffer.concat([
    u32(0),
    opaque("guestboot"),
    u32(process.getuid?.() ?? 65534),
    u32(process.getgid?.() ?? 65534),
    u32(0),
  ]);
  return Buffer.concat([u32(AUTH_SYS), opaque(body)]);
}

/** Servers trust the user's number only from a port that root alone can take (exports(5): secure). */
function localPorts(): readonly number[] {
  if (process.getuid?.() !== 0) return [];
  return Array.from({ length: TRIES }, () => 665 + Math.floor(Math.random() * 358));
}

async function connected(options: TcpNetConnectOpts, timeout: number, signal: AbortSignal): Promise<Socket> {
  const { connect } = process.getBuiltinModule("node:net");
  const { once } = process.getBuiltinModule("node:events");
  const socket = connect({ ...options, signal });
  // What breaks it is thrown to whoever waits for a reply; nobody may be waiting when it does.
  socket.on("error", () => undefined);
  socket.setTimeout(timeout, () => socket.destroy(new Error(`nothing came for ${timeout} ms`)));
  try {
    await once(socket, "connect", { signal });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

function refused(why: string): GuestbootError {
  return new GuestbootError("TRANSFER_FAILED", `the RPC server refused: ${why}`);
}
