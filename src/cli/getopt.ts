/**
 * A command line cut into options and operands as GNU getopt_long does (glibc manual, section 25.2.4; the same rules
 * as Python's `getopt.gnu_getopt`): options may stand anywhere, long names may be cut to a unique prefix, short flags
 * may be bundled, `--` ends the options.
 *
 * Not supported: optional values, single-dash long options, POSIXLY_CORRECT.
 */
import { GuestbootError } from "../base/errors.ts";

export interface OptionRule<Name extends string = string> {
  /** The long name, without dashes. */
  readonly name: Name;
  /** One letter. */
  readonly short?: string;
  /** Does it take a value (`--name=value`, `--name value`)? */
  readonly value: boolean;
  /** Takes no part in prefix matching, so that an option of ours never makes a prefix ambiguous that others use. */
  readonly exactOnly?: boolean;
}

/** One option as it was given; `value` is "" for a flag. */
export interface OptionOccurrence<Name extends string = string> {
  readonly name: Name;
  readonly value: string;
}

export interface CommandLine<Name extends string = string> {
  /** In the order given. */
  readonly options: readonly OptionOccurrence<Name>[];
  /** In the order given. Empty words are left out: a `PV-bootloader-args` cut at single spaces makes them. */
  readonly operands: readonly string[];
}

/** @throws GuestbootError USAGE for an unknown or ambiguous option, a missing value, a value given to a flag */
export function getopt<Name extends string>(
  argv: readonly string[],
  rules: readonly OptionRule<Name>[],
): CommandLine<Name> {
  const options: OptionOccurrence<Name>[] = [];
  const operands: string[] = [];
  const words = argv[Symbol.iterator]();
  const nextValue = (option: string): string => {
    const next = words.next();
    if (next.done === true) throw new GuestbootError("USAGE", `option ${option} needs a value`);
    return next.value;
  };

  for (const word of words) {
    if (word === "--") operands.push(...words);
    else if (word.startsWith("--")) options.push(readLong(word, rules, nextValue));
    else if (word.startsWith("-") && word !== "-") options.push(...readShorts(word, rules, nextValue));
    else operands.push(word);
  }
  return { options, operands: operands.filter((word) => word !== "") };
}

function readLong<Name extends string>(
  word: string,
  rules: readonly OptionRule<Name>[],
  nextValue: (option: string) => string,
): OptionOccurrence<Name> {
  const equals = word.indexOf("=");
  const given = equals < 0 ? word.slice(2) : word.slice(2, equals);
  const rule = ruleFor(given, rules);
  const option = `--${rule.name}`;
  if (rule.value) return { name: rule.name, value: equals < 0 ? nextValue(option) : word.slice(equals + 1) };
  if (equals >= 0) throw new GuestbootError("USAGE", `option ${option} takes no value`);
  return { name: rule.name, value: "" };
}

/** The option that `given` names: in full, or by a prefix that only one has. */
function ruleFor<Name extends string>(given: string, rules: readonly OptionRule<Name>[]): OptionRule<Name> {
  const exact = rules.find((rule) => rule.name === given);
  if (exact !== undefined) return exact;
  const [only, ...others] = rules.filter((rule) => rule.exactOnly !== true && rule.name.startsWith(given));
  if (only === undefined) throw new GuestbootError("USAGE", `there is no option --${given}`);
  if (others.length > 0) {
    const names = [only, ...others].map((rule) => `--${rule.name}`).join(", ");
    throw new GuestbootError("USAGE", `option --${given} may stand for ${names}`);
  }
  return only;
}

function readShorts<Name extends string>(
  word: string,
  rules: readonly OptionRule<Name>[],
  nextValue: (option: string) => string,
): OptionOccurrence<Name>[] {
  const found: OptionOccurrence<Name>[] = [];
  let rest = word.slice(1);
  while (rest !== "") {
    const letter = String.fromCodePoint(rest.codePointAt(0) ?? 0);
    rest = rest.slice(letter.length);
    const rule = rules.find((candidate) => candidate.short === letter);
    if (rule === undefined) throw new GuestbootError("USAGE", `there is no option -${letter}`);
    if (rule.value) {
      found.push({ name: rule.name, value: rest === "" ? nextValue(`-${letter}`) : rest });
      rest = "";
    } else found.push({ name: rule.name, value: "" });
  }
  return found;
}
