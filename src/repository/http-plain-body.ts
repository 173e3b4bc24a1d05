/**
 * The body of an answer over a plain connection. `node:http` hands it on; where memory is lent for it and its length is
 * known, all but its beginning is received past `node:http` into that memory: of a gigabyte that costs half a second in
 * place of two, and no memory of our own, so that the processors are left to who hashes.
 *
 * Heads, chunked coding and the end of a connection stay with `node:http`. What goes past it is nothing but so many
 * bytes, and the connection is not used again, since `node:http` has not seen its answer's end.
 */
import type { IncomingMessage } from "node:http";
import type { Socket, TcpNetConnectOpts } from "node:net";
import type { Room } from "../base/lent-memory.ts";
import { ConnectionEnded, TimedOut } from "./http-errors.ts";
import { DISCARDED, type HttpBody } from "./http-message.ts";

/** Bytes. */
const SPARE = 64 * 1024;
/** Milliseconds. What comes within them is handed on together: each piece costs its way through all who handle it. */
const GATHERED = 10;

/** The connections that we have made, each with the place where its bytes can be had before `node:http` has them. */
export class ConnectionTaps {
  readonly #taps = new WeakMap<Socket, Tap>();

  connect(options: object): Socket {
    const { connect } = process.getBuiltinModule("node:net");
    const tap = new Tap();
    const onread = { buffer: () => tap.memory(), callback: (count: number) => tap.take(count) };
    // From `node:http`, which has a host and a port of our request in them.
    const socket = connect({ ...(options as TcpNetConnectOpts), onread });
    tap.handOn = (bytes) => socket.push(bytes);
    this.#taps.set(socket, tap);
    return socket;
  }

  of(socket: Socket): Tap {
    const tap = this.#taps.get(socket);
    if (tap === undefined) throw new TypeError("a connection of somebody else");
    return tap;
  }
}

/** Where the bytes of one connection come in (the option `onread` of net.connect). */
class Tap {
  /** For `node:http`. False: no more for now. */
  handOn: (bytes: Buffer) => boolean = () => false;
  /** In place of `node:http`. */
  receiver: Receiver | null = null;
  readonly #spare = Buffer.allocUnsafeSlow(SPARE);
  /** What the system writes into next. */
  #given: Uint8Array = this.#spare;

  memory(): Uint8Array {
    return (this.#given = this.receiver?.memory() ?? this.#spare);
  }

  take(count: number): boolean {
    const bytes = this.#given.subarray(0, count);
    return this.receiver === null ? this.handOn(Buffer.from(bytes)) : this.receiver.take(bytes);
  }
}

/** Puts `left` bytes into lent memory, as they come. */
class Receiver {
  readonly ready: Uint8Array[] = [];
  readonly #room: Room;
  /** Of the body, that have not come yet. */
  #left: number;
  #lent: Uint8Array = new Uint8Array();
  #filled = 0;
  /** Of the lent memory, that have been handed on; what lies between them and `#filled` has not. */
  #handedOn = 0;
  /** When that was, by the clock of performance.now(). */
  #lastTime = 0;
  #failure: Error | null = null;
  /** Is told of each piece, and of the end. */
  #wake: () => void = () => undefined;

  constructor(room: Room, left: number) {
    this.#room = room;
    this.#left = left;
  }

  get isDone(): boolean {
    return this.#left === 0 && this.ready.length === 0;
  }

  /** Asks for more memory where what was given is full. All that has come must have been taken. */
  refill(): void {
    if (this.#filled < this.#lent.length) return;
    this.#lent = this.#room() ?? new Uint8Array();
    this.#filled = 0;
    this.#handedOn = 0;
  }

  /** null: none, which happens before each pause. */
  memory(): Uint8Array | null {
    return this.#filled < this.#lent.length ? this.#lent.subarray(this.#filled) : null;
  }

  /** @param bytes in the memory that was last given, or in the spare one @returns may more come */
  take(bytes: Uint8Array): boolean {
    const own = bytes.length > this.#left ? bytes.subarray(0, this.#left) : bytes;
    const isLent = bytes.buffer === this.#lent.buffer;
    if (!isLent) this.#handOn();
    this.#left -= own.length;
    this.#filled = Math.min(this.#filled + own.length, this.#lent.length);
    if (!isLent && own.length > 0) {
      // Put into the lent memory by whoever takes them: what comes next belongs behind them.
      this.ready.push(own);
      this.#handedOn = this.#filled;
    }
    const goesOn = this.#left > 0 && this.#filled < this.#lent.length;
    if (!isLent || !goesOn || performance.now() - this.#lastTime >= GATHERED) this.#handOn();
    return goesOn;
  }

  /** No more will come. */
  fail(error: Error): void {
    this.#failure = error;
    this.#handOn();
  }

  #handOn(): void {
    if (this.#filled > this.#handedOn) this.ready.push(this.#lent.subarray(this.#handedOn, this.#filled));
    this.#handedOn = this.#filled;
    this.#lastTime = performance.now();
    this.#wake();
  }

  /** Until something has come. @throws the failure that keeps it from coming */
  async next(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<null>();
    this.#wake = () => resolve(null);
    if (this.#failure === null) await promise;
    if (this.#failure !== null && this.ready.length === 0) throw this.#failure;
  }
}

export interface Circumstances {
  /** False: the head is all that comes, whatever it says. */
  readonly hasBody: boolean;
  /** Milliseconds between two pieces, while one is waited for. */
  readonly timeout: number;
  /** What has become of the request behind the head of its answer. */
  readonly failure: () => Error | null;
}

export class PlainBody implements HttpBody {
  readonly lend: ((room: Room) => void) | undefined;
  readonly #response: IncomingMessage;
  readonly #tap: Tap;
  readonly #circumstances: Circumstances;
  /** Bytes; null where the head does not tell. */
  readonly #length: number | null;
  readonly #hasEnded: () => boolean;
  #room: Room | null = null;

  constructor(response: IncomingMessage, tap: Tap, circumstances: Circumstances) {
    this.#response = response;
    this.#tap = tap;
    this.#circumstances = circumstances;
    const { socket } = response;
    this.#hasEnded = () => socket.readableEnded;
    // The parser has refused a length that is no number, that is there twice, or that is there beside chunked coding.
    const length = response.headers["content-length"];
    this.#length = !circumstances.hasBody ? 0 : length === undefined ? null : Number(length);
    this.lend = this.#length === null ? undefined : (room) => (this.#room = room);
  }

  destroy(): void {
    this.#response.destroy();
  }

  async discard(): Promise<void> {
    const response = this.#response;
    if ((this.#length ?? 0) > DISCARDED) {
      this.destroy();
      return;
    }
    let left = DISCARDED;
    response.on("data", (bytes: Uint8Array) => {
      left -= bytes.length;
      if (left < 0) response.destroy();
    });
    // The connection of an answer that is there is free only now, and the next request would have made another.
    await new Promise((resolve) => setImmediate(resolve));
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    const response = this.#response;
    const { socket } = response;
    const patience = new Patience(this.#circumstances.timeout, () => response.destroy(new TimedOut("BODY_TIMEOUT")));
    try {
      let left = this.#length ?? 0;
      const pieces = response[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
      for (;;) {
        // Only where `node:http` has handed on all that it has.
        const isEmpty = !response.destroyed && response.readableLength + socket.readableLength === 0;
        if (this.#room !== null && left > 0 && isEmpty) {
          yield* this.#received(new Receiver(this.#room, left), patience);
          return;
        }
        const next = await patience.with(pieces.next());
        if (next.done === true) return;
        left -= next.value.length;
        yield next.value;
      }
    } catch (error) {
      throw this.#reasonOf(error);
    } finally {
      patience[Symbol.dispose]();
      response.destroy();
    }
  }

  async *#received(receiver: Receiver, patience: Patience): AsyncGenerator<Uint8Array> {
    this.#response.on("error", (error) => receiver.fail(error));
    this.#tap.receiver = receiver;
    for (;;) {
      for (let bytes = receiver.ready.shift(); bytes !== undefined; bytes = receiver.ready.shift()) yield bytes;
      if (receiver.isDone) return;
      receiver.refill();
      const more = receiver.next();
      this.#response.socket.resume();
      await patience.with(more);
    }
  }

  #reasonOf(error: unknown): unknown {
    const failure = this.#circumstances.failure();
    if (failure !== null) return failure;
    // The server ended the connection in good order, only too early; else `error` says what.
    return this.#hasEnded() && !(error instanceof TimedOut) ? new ConnectionEnded() : error;
  }
}

/** A process that had no processor for long finds its timers due before it has looked at what came in time. */
export function afterWhatIsThere(work: () => void): void {
  setImmediate(work);
}

/** Ends what is waited for too long. One timer for all pieces: there are thousands. */
class Patience implements Disposable {
  readonly #timer: NodeJS.Timeout;
  #isWaiting = false;
  /** Of what was waited for. */
  #count = 0;

  constructor(milliseconds: number, end: () => void) {
    this.#timer = setTimeout(() => {
      const waitedFor = this.#count;
      afterWhatIsThere(() => {
        if (this.#isWaiting && this.#count === waitedFor) end();
      });
    }, milliseconds);
  }

  async with<T>(awaited: Promise<T>): Promise<T> {
    this.#isWaiting = true;
    this.#count += 1;
    this.#timer.refresh();
    try {
      return await awaited;
    } finally {
      this.#isWaiting = false;
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
