/**
 * How a long piece of work says how far it is. Handed in by the caller; the rooms below know no terminal.
 */
export interface Transfer {
  /** `bytes` more have come. */
  advance(bytes: number): void;
  /** The transfer is over; `outcome` is said to the person. */
  end(outcome: "done" | "failed"): void;
}

export interface Progress {
  /** A transfer begins. `total` in bytes, null when the server did not say. */
  transfer(label: string, total: number | null): Transfer;
  /** A step of a start is done, for the log. Who keeps none has no use for it. */
  step?(step: string, words?: string): void;
  /** One line about what is being done. */
  say(line: string): void;
  /** Something that the admin should know, but that does not stop the work. */
  warn(line: string): void;
}

/** Says nothing. */
export const silent: Progress = {
  transfer: () => ({ advance() {}, end() {} }),
  say() {},
  warn() {},
};
