/**
 * Giving back a descriptor through which nothing was written, so that nothing can be lost with it.
 */
import { closeSync } from "node:fs";

/**
 * Closes a descriptor that was only read from, or a pipe. Linux gives it back whatever close(2) says (its manual page,
 * under "Dealing with error returns from close()"), and a start that has its bytes must not fail for that.
 */
export function giveBack(descriptor: number): void {
  try {
    closeSync(descriptor);
  } catch {
    // Nobody's bytes.
  }
}
