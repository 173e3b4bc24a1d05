/**
 * Where the answer goes: standard output, a file of libxl's, a FIFO of xend's. It is opened while the loader still has
 * its rights and written after it has given them up: once open, no path is touched again.
 */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, statSync, writeSync } from "node:fs";
import { monotonicMs } from "../base/clock.ts";
import { GuestbootError, isSystemError, systemReason } from "../base/errors.ts";

export interface AnswerOutput extends Disposable {
  /** Writes all of `bytes`. A file loses its old content at the first call, not before. @throws OUTPUT_FAILED */
  write(bytes: Uint8Array): void;
  /** @throws OUTPUT_FAILED when the system reports only now that the bytes were lost */
  close(): void;
}

export interface AnswerOutputOptions {
  /** How long to wait for a FIFO's reader to come, and later to read on. Default 10. */
  readonly timeoutSeconds?: number;
}

const STANDARD_OUTPUT = 1;
const RETRY_MILLISECONDS = 10;

/**
 * Opens `path`, which must exist; null and "-" are standard output. Nothing is changed by opening.
 * @throws GuestbootError OUTPUT_FAILED
 */
export function openAnswerOutput(path: string | null, options: AnswerOutputOptions = {}): AnswerOutput {
  const timeout = (options.timeoutSeconds ?? 10) * 1000;
  const isStandardOutput = path === null || path === "-";
  const name = isStandardOutput ? "standard output" : path;
  const descriptor = isStandardOutput ? STANDARD_OUTPUT : openExisting(path, timeout);
  let mustTruncate = !isStandardOutput && fstatSync(descriptor).isFile();
  let isOpen = true;

  const close = (): void => {
    if (!isOpen) return;
    isOpen = false;
    if (!isStandardOutput) saying(name, () => closeSync(descriptor));
  };
  return {
    write(bytes) {
      if (mustTruncate) saying(name, () => ftruncateSync(descriptor, 0));
      mustTruncate = false;
      writeAll(descriptor, bytes, name, timeout);
    },
    close,
    [Symbol.dispose]: close,
  };
}

/**
 * Without O_NONBLOCK the open of a FIFO that nobody reads never returns; with it, it fails with ENXIO until the reader
 * is there. On a file the flag changes nothing.
 */
function openExisting(path: string, timeout: number): number {
  const flags = constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
  const deadline = monotonicMs() + timeout;
  for (;;) {
    try {
      return openSync(path, flags);
    } catch (error) {
      if (!isSystemError(error, "ENXIO") || statSync(path, { throwIfNoEntry: false })?.isFIFO() !== true)
        throw openFailure(path, error);
      if (monotonicMs() >= deadline) {
        throw new GuestbootError(
          "OUTPUT_FAILED",
          `${path}: nobody opened this FIFO for reading in ${timeout / 1000} s`,
          {
            cause: error,
          },
        );
      }
    }
    sleep();
  }
}

function openFailure(path: string, error: unknown): GuestbootError {
  const hint = isSystemError(error, "ENOENT")
    ? "the output must exist before the loader starts: make the file or FIFO first, or leave --output away for standard output"
    : undefined;
  return new GuestbootError(
    "OUTPUT_FAILED",
    `the output ${JSON.stringify(path)} cannot be opened: ${systemReason(error)}`,
    {
      cause: error,
      hint,
    },
  );
}

function writeAll(descriptor: number, bytes: Uint8Array, name: string, timeout: number): void {
  let written = 0;
  let deadline = monotonicMs() + timeout;
  while (written < bytes.length) {
    const more = writeSome(descriptor, bytes, written, name);
    written += more;
    if (more > 0) deadline = monotonicMs() + timeout;
    else if (monotonicMs() < deadline) sleep();
    else {
      throw new GuestbootError(
        "OUTPUT_FAILED",
        `${name}: the reader took ${written} of ${bytes.length} bytes and then nothing for ${timeout / 1000} s`,
      );
    }
  }
}

/** How many bytes went; 0 when the pipe is full. */
function writeSome(descriptor: number, bytes: Uint8Array, from: number, name: string): number {
  try {
    return writeSync(descriptor, bytes, from, bytes.length - from, null);
  } catch (error) {
    if (isSystemError(error, "EAGAIN")) return 0;
    throw writeFailure(name, error);
  }
}

function saying(name: string, act: () => void): void {
  try {
    act();
  } catch (error) {
    throw writeFailure(name, error);
  }
}

function writeFailure(name: string, error: unknown): GuestbootError {
  const reason = isSystemError(error, "EPIPE") ? "the reader went away" : systemReason(error);
  return new GuestbootError("OUTPUT_FAILED", `the answer cannot be written to ${name}: ${reason}`, { cause: error });
}

/** A synchronous pause: between opening and writing there is no event loop to go back to. */
function sleep(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MILLISECONDS);
}
