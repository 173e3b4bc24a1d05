/**
 * A counter that ends every loop over outside data: links of a chain, entries of a folder, bytes of a config.
 */
import { GuestbootError } from "./errors.ts";

export class Budget {
  readonly #what: string;
  readonly #limit: number;
  readonly #hint: string | undefined;
  #spent = 0;

  /**
   * @param what the plural of what is counted, for the error: "directory entries"
   * @param hint what to do about it, where something can be done
   */
  constructor(what: string, limit: number, hint?: string) {
    this.#what = what;
    this.#limit = limit;
    this.#hint = hint;
  }

  /** @throws GuestbootError BUDGET_EXCEEDED when more than the limit has been spent in all */
  spend(amount = 1): void {
    this.#spent += amount;
    if (this.#spent > this.#limit) {
      throw new GuestbootError("BUDGET_EXCEEDED", `more than ${this.#limit} ${this.#what}: gave up`, {
        hint: this.#hint,
      });
    }
  }
}
