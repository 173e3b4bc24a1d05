/**
 * Which ways through the code have been seen: how often each counter was passed, in the classes that AFL made usual.
 */

/** The array of counters, as the instrumented code names it. */
export const COUNTERS = "fuzzCounters";

/** The class of a count, a bit each: 1, 2, 3, 4 to 7, 8 to 15, 16 to 31, 32 to 127, more. */
const CLASS = Uint8Array.from({ length: 256 }, (_, count) => {
  if (count === 0) return 0;
  if (count <= 3) return 1 << (count - 1);
  const bounds = [8, 16, 32, 128, 256];
  return 1 << (3 + bounds.findIndex((bound) => count < bound));
});

export class Coverage {
  readonly #counters: Uint8Array;
  readonly #words: Int32Array;
  readonly #seen: Uint8Array;

  /** @param counters as the instrumented code counts; its length is a multiple of 4 */
  constructor(counters: Uint8Array<ArrayBuffer>) {
    this.#counters = counters;
    this.#words = new Int32Array(counters.buffer, counters.byteOffset, counters.length / 4);
    this.#seen = new Uint8Array(counters.length);
  }

  /** How many counters have been passed at all. */
  get reached(): number {
    return this.#seen.reduce((sum, classes) => sum + (classes === 0 ? 0 : 1), 0);
  }

  /** Takes the counts of one input, and sets them back to zero. @returns has it gone a way that none has gone before */
  take(): boolean {
    let isNew = false;
    for (let word = 0; word < this.#words.length; word++) {
      if (this.#words[word] === 0) continue;
      for (let at = word * 4; at < word * 4 + 4; at++) {
        const found = CLASS[this.#counters[at] ?? 0] ?? 0;
        const before = this.#seen[at] ?? 0;
        if ((found & ~before) === 0) continue;
        this.#seen[at] = before | found;
        isNew = true;
      }
      this.#words[word] = 0;
    }
    return isNew;
  }
}
