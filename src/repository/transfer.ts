/**
 * What every transport shares: how patient it is, how large a file may be, and the words for a file that does not come
 * whole. So an installation that fails says the same things over HTTP, FTP, NFS and from a folder.
 */
import { GuestbootError } from "../base/errors.ts";
import type { FileFacts, Validators } from "./repository.ts";

/** The limits of time, in milliseconds. */
export interface Timeouts {
  /** Until a connection stands. */
  readonly connectTimeout: number;
  /** Until a request is answered. */
  readonly headersTimeout: number;
  /** Between two pieces of a file, as long as we are ready to take the next one. */
  readonly bodyTimeout: number;
}

export interface TransferLimits extends Timeouts {
  /** Bytes; a larger file is refused, whether it is announced or just comes. */
  readonly maxFileSize: number;
}

export const DEFAULT_LIMITS: TransferLimits = {
  connectTimeout: 10_000,
  headersTimeout: 30_000,
  bodyTimeout: 30_000,
  // Installer images are below 1 GB; nothing that a guest boots from is larger than this.
  maxFileSize: 4 * 1024 ** 3,
};

/** The bytes of a file on their way, with what is known of it. */
export interface Incoming {
  readonly facts: FileFacts;
  readonly limits: TransferLimits;
  readonly signal: AbortSignal | undefined;
  /** Puts a failure of the transport into words. `received` in bytes. */
  readonly explain: (error: unknown, received: number) => GuestbootError;
}

/**
 * Hands the bytes on, and ends well only when as many came as were announced.
 * @throws TRANSFER_TRUNCATED, TRANSFER_FAILED, FILE_TOO_LARGE; the signal's reason when it is aborted
 */
export async function* checkedBody(
  chunks: AsyncIterable<Uint8Array>,
  { facts, limits, signal, explain }: Incoming,
): AsyncGenerator<Uint8Array> {
  let received = 0;
  try {
    for await (const chunk of chunks) {
      signal?.throwIfAborted();
      received += chunk.length;
      if (received > limits.maxFileSize) throw tooLarge(facts.url, limits.maxFileSize);
      yield chunk;
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw error instanceof GuestbootError ? error : explain(error, received);
  }
  signal?.throwIfAborted();
  if (facts.size === null) return;
  if (received < facts.size) throw truncatedTransfer(facts.url, received, facts.size);
  if (received > facts.size) {
    throw new GuestbootError(
      "TRANSFER_FAILED",
      `${facts.url}: ${received} bytes came where ${facts.size} were announced`,
    );
  }
}

/** @throws FILE_TOO_LARGE when the announced size is above the limit */
export function checkSize({ url, size }: FileFacts, { maxFileSize }: TransferLimits): void {
  if (size !== null && size > maxFileSize) throw tooLarge(url, maxFileSize);
}

/** Is this the version of the file that is known already? The entity tag counts where there is one. */
export function isUnchanged(unless: Validators | undefined, facts: Validators): boolean {
  if (unless === undefined) return false;
  if (unless.etag !== null) return unless.etag === facts.etag;
  return unless.lastModified !== null && unless.lastModified === facts.lastModified;
}

/** Validators of a file that its size (bytes) and time of last change (milliseconds) tell from its other versions. */
export function validatorsOf(size: number, changed: number): Validators {
  if (!Number.isFinite(changed)) return { etag: null, lastModified: null };
  const etag = `"${size.toString(16)}-${Math.round(changed).toString(16)}"`;
  return { etag, lastModified: new Date(changed).toUTCString() };
}

export function truncatedTransfer(url: string, received: number, announced: number): GuestbootError {
  return new GuestbootError(
    "TRANSFER_TRUNCATED",
    `${url}: the server announced ${announced} bytes and ended the connection after ${received}`,
    { hint: "start again; if it stays so, the file on the server or a proxy on the way is damaged" },
  );
}

/** The connection failed after the answer had begun. `received` and `announced` are bytes of the file. */
export function brokenTransfer(
  url: string,
  reason: string,
  received: number,
  announced: number | null,
  cause: unknown,
): GuestbootError {
  const of = announced === null ? "" : ` of ${announced}`;
  return new GuestbootError(
    "TRANSFER_FAILED",
    `${url}: the transfer broke off after ${received}${of} bytes: ${reason}`,
    {
      hint: "start again; if it stays so, look at the server and at proxies on the way",
      cause,
    },
  );
}

export function tooLarge(url: string, limit: number): GuestbootError {
  return new GuestbootError("FILE_TOO_LARGE", `${url}: the file is larger than ${limit} bytes, the limit for a file`, {
    hint: "is the address that of an installation repository?",
  });
}

export function seconds(milliseconds: number): string {
  const count = milliseconds / 1000;
  return `${count} ${count === 1 ? "second" : "seconds"}`;
}
