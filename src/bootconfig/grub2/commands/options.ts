/**
 * A command's options, as GRUB reads them: `--name`, `--name=value`, `-x`, `-x value`; `--` ends them.
 */

/** What a command knows: its long name; `letter` its short one; whether a value belongs to it. */
export interface OptionKind {
  readonly name: string;
  readonly letter?: string;
  /** "optional": only after `=`, or after the letter. */
  readonly value?: "needed" | "optional";
}

export interface Options {
  /** Whether an option was given, and its values in their order. */
  all(name: string): readonly (string | null)[];
  /** The last value; null when it has none or was not given. */
  value(name: string): string | null;
  has(name: string): boolean;
  readonly operands: readonly string[];
}

/** Options that are not known are left out: what they do is of no use here. */
export function readOptions(words: readonly string[], kinds: readonly OptionKind[]): Options {
  const given: { readonly name: string; readonly value: string | null }[] = [];
  const operands: string[] = [];
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? "";
    if (word === "--") {
      operands.push(...words.slice(index + 1));
      break;
    }
    if (!word.startsWith("-") || word === "-") {
      operands.push(word);
      continue;
    }
    const isLong = word.startsWith("--");
    const equals = isLong ? word.indexOf("=", 3) : -1;
    const name = isLong ? word.slice(2, equals < 0 ? undefined : equals) : "";
    const kind = kinds.find((each) => (isLong ? each.name === name : word === `-${each.letter ?? ""}`));
    if (kind === undefined) continue;
    const takesNext = equals < 0 && (isLong ? kind.value === "needed" : kind.value !== undefined);
    if (takesNext) index += 1;
    const value = equals >= 0 ? word.slice(equals + 1) : takesNext ? (words[index] ?? "") : null;
    given.push({ name: kind.name, value });
  }
  const all = (name: string): readonly (string | null)[] =>
    given.filter((option) => option.name === name).map(({ value }) => value);
  return {
    all,
    value: (name) => given.findLast((option) => option.name === name)?.value ?? null,
    has: (name) => given.some((option) => option.name === name),
    operands,
  };
}
