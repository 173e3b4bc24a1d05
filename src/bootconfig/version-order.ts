/**
 * Which of two version strings is the newer one: by the UAPI group's Version Format Specification
 * (https://uapi-group.org/specifications/specs/version_format_specification/, systemd-boot's order), and by RPM's
 * older rules, which GRUB's `blscfg` sorts file names by.
 */

/** Negative: `a` is older; positive: `a` is newer; 0: neither. */
export type VersionOrder = (a: string, b: string) => number;

/** Longer ones are cut: a name on disk has 255 bytes at most. */
const MAX_LENGTH = 1_024;

/** The numbers in brackets are the specification's. */
export const compareVersions: VersionOrder = (first, second) => {
  const a = new Text(first);
  const b = new Text(second);
  for (;;) {
    // [1] What is neither a letter, a digit nor one of the marks is skipped.
    a.take(FOREIGN);
    b.take(FOREIGN);
    // [2] A pre-release, "~rc1", is older than nothing at all.
    const tilde = a.compareMark(b, "~");
    if (tilde !== null) return tilde;
    // [3]
    if (a.isAtEnd || b.isAtEnd) return Number(b.isAtEnd) - Number(a.isAtEnd);
    // [4] to [6]
    for (const mark of ["-", "^", "."]) {
      const order = a.compareMark(b, mark);
      if (order !== null) return order;
    }
    // [7] and [8]
    const order = a.isAtDigit || b.isAtDigit ? compareNumbers(a, b) : compareLetters(a, b);
    if (order !== 0) return order;
  }
};

/** RPM's: marks only separate, a number is newer than a word, `~` is older and `^` newer than the end. */
export const compareRpmVersions: VersionOrder = (first, second) => {
  const a = new Text(first);
  const b = new Text(second);
  for (;;) {
    a.take(RPM_SEPARATORS);
    b.take(RPM_SEPARATORS);
    const isTilde = a.next === "~" || b.next === "~";
    const tilde = a.compareMark(b, "~");
    if (tilde !== null) return tilde;
    if (isTilde) continue;
    const hasCaret = [a.next === "^", b.next === "^"];
    if (hasCaret[0] === true || hasCaret[1] === true) {
      if (a.isAtEnd) return -1;
      if (b.isAtEnd) return 1;
      const caret = a.compareMark(b, "^");
      if (caret !== null) return caret;
      continue;
    }
    if (a.isAtEnd || b.isAtEnd) return Number(b.isAtEnd) - Number(a.isAtEnd);
    // What the first begins with decides what is compared; where the second begins otherwise, the number is newer.
    const isNumber = a.isAtDigit;
    const kind = isNumber ? DIGITS : LETTERS;
    const [left, right] = [a.take(kind), b.take(kind)];
    if (right === "") return isNumber ? 1 : -1;
    const order = isNumber ? compareDigits(left, right) : compareText(left, right);
    if (order !== 0) return order;
  }
};

const FOREIGN = /[^a-zA-Z0-9\-.~^]*/y;
const DIGITS = /[0-9]*/y;
const LETTERS = /[a-zA-Z]*/y;
const RPM_SEPARATORS = /[^a-zA-Z0-9~^]*/y;

/** A string that is read from its start on. */
class Text {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text.slice(0, MAX_LENGTH);
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  get next(): string {
    return this.#text[this.#at] ?? "";
  }

  get isAtDigit(): boolean {
    return /^[0-9]/.test(this.next);
  }

  /** Reads what `pattern` (sticky, may match nothing) matches here. */
  take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const [found = ""] = pattern.exec(this.#text) ?? [];
    this.#at += found.length;
    return found;
  }

  /** Reads a mark that both stand at. The one that stands at a mark where the other does not is older; else null. */
  compareMark(other: Text, mark: string): number | null {
    if (this.next === mark && other.next === mark) {
      this.#at += 1;
      other.#at += 1;
      return null;
    }
    if (this.next === mark) return -1;
    return other.next === mark ? 1 : null;
  }
}

/** Numbers of any length. */
function compareDigits(a: string, b: string): number {
  const [left, right] = [a.replace(/^0+/, ""), b.replace(/^0+/, "")];
  return left.length === right.length ? compareText(left, right) : left.length - right.length;
}

/** A number is newer than none, also 0: so systemd, where the specification would have none count as 0. */
function compareNumbers(a: Text, b: Text): number {
  return Number(a.isAtDigit) - Number(b.isAtDigit) || compareDigits(a.take(DIGITS), b.take(DIGITS));
}

function compareLetters(a: Text, b: Text): number {
  return compareText(a.take(LETTERS), b.take(LETTERS));
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
