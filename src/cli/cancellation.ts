/** A signal that aborts when a person or a toolstack ends us, so that everything is taken back first. */
import { GuestbootError } from "../base/errors.ts";
import type { StartBound } from "./libxl.ts";

/**
 * @param state what is true afterwards: "the VM is as it was"
 * @param bound aborts before the toolstack does without a word
 */
export function cancellation(
  state: string,
  bound: StartBound | null = null,
): Disposable & { readonly signal: AbortSignal } {
  const controller = new AbortController();
  const cancel = (name: NodeJS.Signals) =>
    controller.abort(new GuestbootError("TRANSFER_FAILED", `cancelled by ${name}; ${state}`));
  const names = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const name of names) process.on(name, cancel);
  const timer = bound === null ? null : setTimeout(() => controller.abort(tooLong(bound, state)), milliseconds(bound));
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const name of names) process.off(name, cancel);
      if (timer !== null) clearTimeout(timer);
    },
  };
}

/** libxl's clock runs since before the program did. */
function milliseconds({ seconds }: StartBound): number {
  return Math.max(0, seconds - process.uptime()) * 1000;
}

function tooLong({ seconds, libxlSeconds }: StartBound, state: string): GuestbootError {
  const message = `not done after ${seconds} s, and libxl ends a restricted loader after ${libxlSeconds} s; ${state}`;
  return new GuestbootError("TRANSFER_FAILED", message, {
    hint: "start it again, and the download goes on where it was; LIBXL_BOOTLOADER_TIMEOUT=SECONDS gives more time",
  });
}
