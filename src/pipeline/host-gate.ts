/**
 * How many requests are under way at once to a host, and whether it answers at all: a mirror is somebody else's machine,
 * and one that hangs must not hold up the checks of the others.
 */
import type { GuestbootError } from "../base/errors.ts";

export const REQUESTS_AT_ONCE = 8;

export class HostGate {
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  /** When it last answered, as `performance.now()`. */
  #answered = -Infinity;
  #silence: GuestbootError | null = null;

  /** Why nothing more is asked of the host; null while it answers. */
  get silence(): GuestbootError | null {
    return this.#silence;
  }

  /** Does `request` when its turn has come. @throws the signal's reason; what `request` throws */
  async run<T>(request: () => Promise<T>, signal: AbortSignal): Promise<T> {
    await this.#turn(signal);
    try {
      signal.throwIfAborted();
      const result = await request();
      this.#answered = performance.now();
      return result;
    } finally {
      this.#running -= 1;
      this.#waiting.shift()?.();
    }
  }

  /** A check that began at `since` (`performance.now()`) has failed: without any answer meanwhile, none is awaited. */
  failed(failure: GuestbootError, since: number): void {
    const isSilent = failure.code === "REPOSITORY_UNREACHABLE" && this.#answered < since;
    if (isSilent) this.#silence ??= failure;
  }

  async #turn(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#running >= REQUESTS_AT_ONCE) {
      const { promise, resolve, reject } = Promise.withResolvers<undefined>();
      const next = () => {
        signal.removeEventListener("abort", leave);
        resolve(undefined);
      };
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(next), 1);
        reject(signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason)));
      };
      signal.addEventListener("abort", leave, { once: true });
      this.#waiting.push(next);
      await promise;
    }
    this.#running += 1;
  }
}
