/**
 * A command's options, as GRUB reads them: `--name`, `--name=value`, `-x`, `-x value`; `--` ends them.
 */
import { withOneMore } from "../../../base/short-list.ts";

/** What a command knows: its long name; `letter` its short one; whether a value belongs to it. */
export interface OptionKind {
  readonly name: string;
  readonly letter?: string;
  /** "optional": only after `=`, or after the letter. */
  readonly value?: "needed" | "optional";
}

/** What a command knows, by what stands in a script: `--name`, `-x`. */
export type OptionKinds = ReadonlyMap<string, OptionKind>;

export function optionKinds(kinds: readonly OptionKind[]): OptionKinds {
  const byWord = new Map<string, OptionKind>();
  for (const kind of kinds) {
    byWord.set(`--${kind.name}`, kind);
    if (kind.letter !== undefined) byWord.set(`-${kind.letter}`, kind);
  }
  return byWord;
}

const NONE: readonly never[] = [];

export class Options {
  readonly operands: readonly string[];
  /** Of each option that was given, its long name; beside it its value. */
  readonly #names: readonly string[];
  readonly #values: readonly (string | null)[];

  constructor(operands: readonly string[], names: readonly string[], values: readonly (string | null)[]) {
    this.operands = operands;
    this.#names = names;
    this.#values = values;
  }

  /** The values in their order, null for none. */
  all(name: string): (string | null)[] {
    return this.#values.filter((_, index) => this.#names[index] === name);
  }

  /** The last value; null when it has none or was not given. */
  value(name: string): string | null {
    return this.#values[this.#names.lastIndexOf(name)] ?? null;
  }

  has(name: string): boolean {
    return this.#names.includes(name);
  }
}

/** Options that are not known are left out: what they do is of no use here. */
export function readOptions(words: readonly string[], kinds: OptionKinds): Options {
  let operands: string[] | null = null;
  let names: string[] | null = null;
  let values: (string | null)[] | null = null;
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? "";
    if (!word.startsWith("-") || word === "-") {
      operands = withOneMore(operands, word);
      continue;
    }
    if (word === "--") {
      operands = [...(operands ?? NONE), ...words.slice(index + 1)];
      break;
    }
    const isLong = word.startsWith("--");
    const equals = isLong ? word.indexOf("=", 3) : -1;
    const kind = kinds.get(equals < 0 ? word : word.slice(0, equals));
    if (kind === undefined) continue;
    const takesNext = equals < 0 && (isLong ? kind.value === "needed" : kind.value !== undefined);
    if (takesNext) index += 1;
    names = withOneMore(names, kind.name);
    values = withOneMore(values, equals >= 0 ? word.slice(equals + 1) : takesNext ? (words[index] ?? "") : null);
  }
  return new Options(operands ?? NONE, names ?? NONE, values ?? NONE);
}
