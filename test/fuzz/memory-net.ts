/**
 * What of `node:net` clients need, in memory: the build of the fuzzer's process gives it to them in its place
 * (`build-worker.ts`). Bytes come in later turns, as they do from a network, but no timer is waited for, and nothing
 * leads out of the process. A connection ends for both when one side ends it; a port where nobody listens refuses.
 * As with `node:net`, what comes may go into memory of the client's own (the option `onread`).
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
  /** As `node:net` takes it: a number, or digits. */
  readonly port: number | string;
  readonly onread?: OnRead;
}

interface OnRead {
  readonly buffer: () => Uint8Array;
  /** @returns false: no more until the socket is resumed */
  readonly callback: (count: number, buffer: Uint8Array) => boolean;
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
  #onRead: OnRead | null = null;
  /** For `onread`, not taken yet; null: the end. */
  readonly #arrived: (Uint8Array | null)[] = [];
  #isPaused = false;

  constructor() {
    super({ allowHalfOpen: false });
  }

  connect({ host = "127.0.0.1", port, onread }: Address, connected: () => void = () => undefined): this {
    this.connecting = true;
    this.#onRead = onread ?? null;
    this.once("connect", connected);
    process.nextTick(() => this.#meet(host, port));
    return this;
  }

  #meet(host: string, port: number | string): void {
    if (this.destroyed) return;
    this.connecting = false;
    const serve = servers.get(Number(port));
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
    this.remotePort = Number(port);
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
    this.#goOn();
  }

  override resume(): this {
    this.#goOn();
    return super.resume();
  }

  override pause(): this {
    this.#isPaused = true;
    return super.pause();
  }

  /** Never within the call that asks for it: nothing comes from a network that soon. */
  #goOn(): void {
    this.#isPaused = false;
    if (this.#arrived.length > 0) process.nextTick(() => this.#handOver());
  }

  #handOver(): void {
    while (this.#onRead !== null && !this.#isPaused && !this.destroyed) {
      const bytes = this.#arrived.shift();
      if (bytes === undefined) return;
      if (bytes === null) {
        this.push(null);
        return;
      }
      const memory = this.#onRead.buffer();
      const count = Math.min(memory.length, bytes.length);
      memory.set(bytes.subarray(0, count));
      if (count < bytes.length) this.#arrived.unshift(bytes.subarray(count));
      if (!this.#onRead.callback(count, memory)) this.#isPaused = true;
    }
  }

  #receive(bytes: Uint8Array | null): void {
    if (this.#onRead === null) {
      this.push(bytes);
      return;
    }
    if (bytes === null || bytes.length > 0) this.#arrived.push(bytes);
    this.#handOver();
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
    if (!this.#peer.destroyed) this.#peer.#receive(bytes);
  }
}

export function connect(address: Address): Socket {
  return new Socket().connect(address);
}
