/**
 * What is fuzzed: one parser of outside bytes, with inputs that it takes and what helps a fuzzer to get into it.
 */
import { GuestbootError } from "../../src/base/errors.ts";

export interface FuzzTarget {
  /** As `--target` names it. */
  readonly name: string;
  /** Inputs that the parser takes, made by the formats' own tools where there are some. Called once, with all rights. */
  readonly seeds: () => readonly Uint8Array[] | Promise<readonly Uint8Array[]>;
  /** Words of the format: keywords, magic numbers. */
  readonly dictionary?: readonly (string | Uint8Array)[];
  /** The largest input, in bytes. Default: `DEFAULT_LARGEST`. */
  readonly largest?: number;
  /** Inputs are images of fixed layout: bytes are changed, none are put in or taken out. */
  readonly isFixedSize?: boolean;
  /** How many bytes at an input's start stay as they are: no part of what the parser sees. Default: none. */
  readonly fixedHead?: (input: Uint8Array) => number;
  /**
   * Puts the format's checksums right after a mutation, in place, so that the parser looks further than them. `parent` is
   * what the input was made from: there they are right, as far as they can be.
   */
  readonly repair?: (input: Uint8Array, parent: Uint8Array) => void;
  /** Errors that the parser is documented to throw beside guestboot's own. */
  readonly isRefusal?: (error: unknown) => boolean;
  /**
   * Parses the input as the program would and reads what comes out of it. Ends, or throws a typed error; whatever else
   * happens is a finding.
   */
  readonly run: (input: Uint8Array) => unknown;
}

export const DEFAULT_LARGEST = 16 * 1024;

/** What is tried next is to be tried, whatever came of this. */
export function ignoreRefusal(error: unknown): void {
  if (!(error instanceof GuestbootError) || error.code === "INTERNAL") throw error;
}

/** Takes all that comes, and keeps nothing. */
export async function drain(pieces: AsyncIterable<unknown>): Promise<void> {
  const iterator = pieces[Symbol.asyncIterator]();
  while ((await iterator.next()).done !== true);
}

/** A text as the bytes of a seed. */
export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
