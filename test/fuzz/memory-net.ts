/**
 * What of `node:net` clients need, in memory: the build of the fuzzer's process gives it to them in its place
 * (`build-worker.ts`). Bytes come in later turns, as they do from a network, but no timer is waited for, and nothing
 * leads out of the process. A connection ends for both when one side ends it; a port where nobody listens refuses.
 */
import { Duplex } from "node:stream";

export { isIP, isIPv4, isIPv6 } from "node:net";

type Serve = (socket: Socket) => void;

/** Sockets are told apart by their own port. */
let lastPort = 1024;

/** By port. */
const servers = new Map<number, Serve>();

/** Takes the place of whoever listened there before. */
export function serveAt(port: number, serve: Serve): void {
  servers.set(port, serve);
}

interface Address {
  readonly host?: string;
  readonly port: number;
}

export class Socket extends Duplex {
  remoteAddress: string | undefined = undefined;
  remotePort: number | undefined = undefined;
  readonly remoteFamily = "IPv4";
  readonly localAddress = "127.0.0.1";
  readonly localPort = ++lastPort;
  connecting = false;
  #peer: Socket | null = null;
  #hasEnded = false;

  constructor() {
    super({ allowHalfOpen: false });
  }

  connect({ host = "127.0.0.1", port }: Address, connected: () => void = () => undefined): this {
    this.connecting = true;
    this.once("connect", connected);
    process.nextTick(() => this.#meet(host, port));
    return this;
  }

  #meet(host: string, port: number): void {
    if (this.destroyed) return;
    this.connecting = false;
    const serve = servers.get(port);
    if (serve === undefined) {
      const refusal = Object.assign(new Error(`connect ECONNREFUSED ${host}:${port}`), { code: "ECONNREFUSED" });
      this.destroy(refusal);
      return;
    }
    const peer = new Socket();
    peer.on("error", () => undefined);
    this.#peer = peer;
    peer.#peer = this;
    this.remoteAddress = host;
    this.remotePort = port;
    this.emit("connect");
    serve(peer);
  }

  /** Nothing here takes time, so nothing is late. */
  setTimeout(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  override _read(): void {
    // What there is has been pushed.
  }

  override _write(bytes: Uint8Array, encoding: BufferEncoding, done: () => void): void {
    if (this.connecting) {
      this.once("connect", () => this._write(bytes, encoding, done));
      return;
    }
    process.nextTick(() => {
      this.#send(bytes);
      done();
    });
  }

  override _final(done: () => void): void {
    process.nextTick(() => {
      this.#send(null);
      done();
    });
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    process.nextTick(() => this.#send(null));
    this.remoteAddress = undefined;
    done(error);
  }

  /** @param bytes null: the end, which is told once */
  #send(bytes: Uint8Array | null): void {
    if (this.#peer === null || this.#hasEnded) return;
    this.#hasEnded = bytes === null;
    if (!this.#peer.destroyed) this.#peer.push(bytes);
  }
}

export function connect(address: Address): Socket {
  return new Socket().connect(address);
}
