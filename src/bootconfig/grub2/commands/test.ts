/**
 * `[ … ]` and `test …`: expressions over texts, numbers and the guest's files.
 * https://www.gnu.org/software/grub/manual/grub/grub.html#test
 *
 * As GRUB's own and unlike a shell's: an empty expression is true, and words that are left over at the end do not count.
 */
import { failed, FAILURE, type Call, type Command } from "../machine.ts";
import type { FilesystemNode } from "../../../filesystem/filesystem.ts";

export const test: Command = (call) => {
  const words = call.name === "[" && call.words.at(-1) === "]" ? call.words.slice(0, -1) : call.words;
  return evaluate({ call, words, at: 0, depth: 0 }) ? 0 : FAILURE.test;
};

interface Expression {
  readonly call: Call;
  readonly words: readonly string[];
  /** The next word. */
  at: number;
  /** Parentheses inside parentheses. */
  depth: number;
}

const MAX_DEPTH = 50;

/** `-o` binds weaker than `-a`; neither is left out when the answer is known already. */
function evaluate(expression: Expression): boolean {
  let answer = conjunction(expression);
  while (expression.words[expression.at] === "-o") {
    expression.at += 1;
    const other = conjunction(expression);
    answer ||= other;
  }
  return answer;
}

function conjunction(expression: Expression): boolean {
  let answer = term(expression);
  while (expression.words[expression.at] === "-a") {
    expression.at += 1;
    const other = term(expression);
    answer &&= other;
  }
  return answer;
}

function term(expression: Expression): boolean {
  const { call, words } = expression;
  let negations = 0;
  // As the last word it is a text like any other.
  while (words[expression.at] === "!" && expression.at + 1 < words.length) {
    negations += 1;
    expression.at += 1;
  }
  call.machine.run.steps.spend();
  return primary(expression) !== (negations % 2 === 1);
}

function primary(expression: Expression): boolean {
  const { call, words, at } = expression;
  const [first, second, third] = words.slice(at, at + 3);
  // Nothing is true, as it always was in GRUB.
  if (first === undefined || first === ")") return true;
  if (first === "(") {
    expression.depth += 1;
    if (expression.depth > MAX_DEPTH) {
      failed(call, FAILURE.badArgument, "too many parentheses");
      expression.at = words.length;
      return false;
    }
    expression.at += 1;
    const answer = evaluate(expression);
    if (words[expression.at] === ")") expression.at += 1;
    expression.depth -= 1;
    return answer;
  }
  if (second !== undefined && third !== undefined) {
    const answer = binary(call, first, second, third);
    if (answer !== null) {
      expression.at += 3;
      return answer;
    }
  }
  if (second !== undefined) {
    const answer = unary(call, first, second);
    if (answer !== null) {
      expression.at += 2;
      return answer;
    }
  }
  expression.at += 1;
  return first !== "";
}

/** null when the word in the middle is no operator. */
function binary(call: Call, left: string, operator: string, right: string): boolean | null {
  switch (operator) {
    case "=":
    case "==":
      return left === right;
    case "!=":
      return left !== right;
    case "<":
      return compareBytes(left, right) < 0;
    case "<=":
      return compareBytes(left, right) <= 0;
    case ">":
      return compareBytes(left, right) > 0;
    case ">=":
      return compareBytes(left, right) >= 0;
    case "-eq":
      return number(left) === number(right);
    case "-ne":
      return number(left) !== number(right);
    case "-lt":
      return number(left) < number(right);
    case "-le":
      return number(left) <= number(right);
    case "-gt":
      return number(left) > number(right);
    case "-ge":
      return number(left) >= number(right);
    case "-pgt":
      return number(withoutCommonPrefix(left, right)) > number(withoutCommonPrefix(right, left));
    case "-plt":
      return number(withoutCommonPrefix(left, right)) < number(withoutCommonPrefix(right, left));
  }
  const bias = /^-([no])t(-?[0-9]{0,9})$/.exec(operator);
  if (bias === null) return null;
  const [one, other] = [find(call, left), find(call, right)];
  if (one?.mtime === undefined || other?.mtime === undefined) return false;
  const shifted = one.mtime + Number(bias[2]);
  return bias[1] === "n" ? shifted > other.mtime : shifted < other.mtime;
}

function unary(call: Call, operator: string, operand: string): boolean | null {
  switch (operator) {
    case "-d":
      return find(call, operand)?.kind === "directory";
    case "-e":
      return find(call, operand) !== null;
    case "-f":
      return find(call, operand)?.kind === "file";
    case "-s": {
      const node = find(call, operand);
      return node?.kind === "file" && node.size > 0;
    }
    case "-n":
      return operand !== "";
    case "-z":
      return operand === "";
    default:
      return null;
  }
}

function find({ machine }: Call, name: string): FilesystemNode | null {
  const { files } = machine.run;
  return files.find(files.split(name, machine.environment.get("root") ?? ""));
}

/** As C's `strtol` reads it, with a base by its prefix; 0 where it begins with no number. */
function number(text: string): number {
  const match = /^\s*(-?)(?:0[xX]([0-9a-fA-F]{1,12})|(0[0-7]*)|([1-9][0-9]{0,15}))/.exec(text);
  if (match === null) return 0;
  const [, sign, hexadecimal, octal, decimal] = match;
  const value =
    hexadecimal === undefined
      ? octal === undefined
        ? Number(decimal)
        : parseInt(octal, 8)
      : parseInt(hexadecimal, 16);
  return sign === "-" ? -value : value;
}

/** `-pgt` compares the numbers that follow what both texts begin with. */
function withoutCommonPrefix(text: string, other: string): string {
  let length = 0;
  while (length < text.length && text[length] === other[length]) length += 1;
  return text.slice(length);
}

function compareBytes(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}
