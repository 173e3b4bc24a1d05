/**
 * The variables of a GRUB 2 script. A menu of its own (`configfile`, `submenu`) begins with those that were exported.
 * https://www.gnu.org/software/grub/manual/grub/grub.html#Environment
 */
import { Budget } from "../../base/budget.ts";
import { GuestbootError } from "../../base/errors.ts";

/** Characters of one variable, and of all that are ever set. */
const MAX_VALUE = 64 * 1024;
const MAX_IN_ALL = 16 * 1024 * 1024;

export class Environment {
  /** Asked where this one has not set or unset a variable itself; not changed any more. */
  readonly #below: Environment | null;
  /** Undefined for what was unset. */
  readonly #values = new Map<string, string | undefined>();
  #exported: ReadonlySet<string>;
  /** Those with their values, as they are now; null where nobody has asked. A menu opens many that begin with them. */
  #handedDown: Environment | null = null;
  /** What `$?` holds: set by each command, so that it has a place of its own. */
  status = 0;
  /** Shared by all environments of one script. */
  readonly #budget: Budget;

  private constructor(below: Environment | null, exported: ReadonlySet<string>, budget: Budget) {
    this.#below = below;
    this.#exported = exported;
    this.#budget = budget;
  }

  static empty(): Environment {
    return new Environment(null, new Set(), new Budget("characters in the boot config's variables", MAX_IN_ALL));
  }

  get(name: string): string | undefined {
    if (name === "?") return String(this.status);
    const value = this.#values.get(name);
    if (value !== undefined || this.#values.has(name)) return value;
    return this.#below?.get(name);
  }

  /** @throws BUDGET_EXCEEDED past 64 Ki characters, or 16 Mi in all */
  set(name: string, value: string): void {
    if (value.length > MAX_VALUE) {
      throw new GuestbootError(
        "BUDGET_EXCEEDED",
        `a variable of the boot config has more than ${MAX_VALUE} characters`,
      );
    }
    this.#budget.spend(name.length + value.length);
    this.#put(name, value);
  }

  unset(name: string): void {
    this.#put(name, undefined);
  }

  #put(name: string, value: string | undefined): void {
    this.#values.set(name, value);
    this.#handedDown = null;
  }

  /** A variable that does not exist becomes an empty one. */
  export(name: string): void {
    if (this.get(name) === undefined) this.set(name, "");
    this.#exported = new Set(this.#exported).add(name);
    this.#handedDown = null;
  }

  /** For the body of an entry: what it sets is forgotten again. This one must not be changed any more. */
  copy(): Environment {
    const copy = new Environment(this, this.#exported, this.#budget);
    copy.status = this.status;
    return copy;
  }

  /** For a menu of its own: what was exported. */
  inherited(): Environment {
    this.#handedDown ??= this.#withExported();
    return new Environment(this.#handedDown, this.#exported, this.#budget);
  }

  #withExported(): Environment {
    const exported = new Environment(null, this.#exported, this.#budget);
    for (const name of this.#exported) {
      const value = this.get(name);
      if (value !== undefined) exported.#values.set(name, value);
    }
    return exported;
  }

  /** All variables, for a reader that fills them into its own texts. */
  entries(): ReadonlyMap<string, string> {
    const all = new Map<string, string>(this.#below?.entries());
    for (const [name, value] of this.#values) {
      if (value === undefined) all.delete(name);
      else all.set(name, value);
    }
    return all;
  }
}
