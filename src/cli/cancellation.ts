/** A signal that aborts when a person or a toolstack ends us, so that everything is taken back first. */
import { GuestbootError } from "../base/errors.ts";

/** @param state what is true afterwards: "the VM is as it was" */
export function cancellation(state: string): Disposable & { readonly signal: AbortSignal } {
  const controller = new AbortController();
  const cancel = (name: NodeJS.Signals) =>
    controller.abort(new GuestbootError("TRANSFER_FAILED", `cancelled by ${name}; ${state}`));
  const names = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const name of names) process.on(name, cancel);
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const name of names) process.off(name, cancel);
    },
  };
}
