/**
 * POSIX extended regular expressions, matched in time that is bounded by the product of both lengths: a guest writes
 * the pattern and the text, and the platform's own matcher can be made to run for ever.
 * https://pubs.opengroup.org/onlinepubs/9699919799/basedefs/V1_chap09.html#tag_09_04
 *
 * The leftmost match, and of those the longest; where several ways lead to it, parentheses hold what the first way
 * gives them. Not understood: back references, collating elements (`[.x.]`, `[=x=]`).
 */
import type { Budget } from "../../base/budget.ts";

type Step =
  | { readonly kind: "character"; readonly fits: (code: string) => boolean }
  | { readonly kind: "fork"; readonly first: number; readonly second: number }
  | { readonly kind: "jump"; readonly to: number }
  | { readonly kind: "mark"; readonly slot: number }
  | { readonly kind: "start" | "end" | "match" };

export interface Expression {
  readonly steps: readonly Step[];
  readonly groups: number;
}

const MAX_PATTERN = 1_000;
const MAX_STEPS = 4_000;
const MAX_REPEAT = 255;
const MAX_DEPTH = 50;

/** Null when it is no expression, or one too long. */
export function compileExpression(pattern: string): Expression | null {
  if (pattern.length > MAX_PATTERN) return null;
  const compiler: Compiler = { pattern, at: 0, steps: [], groups: 0, depth: 0 };
  try {
    alternatives(compiler);
    if (compiler.at < pattern.length) return null;
  } catch (error) {
    if (error instanceof InvalidExpression) return null;
    throw error;
  }
  compiler.steps.push({ kind: "match" });
  return { steps: compiler.steps, groups: compiler.groups };
}

/**
 * What fits the whole expression, then what its parentheses hold; null when nothing fits.
 * @param budget a step for each 64 places of the expression and the text that are looked at together
 */
export function matchExpression(expression: Expression, text: string, budget: Budget): (string | undefined)[] | null {
  const places = expression.steps.length * (text.length + 1);
  budget.spend(1 + (places >> 6));
  // A place that was reached once leads nowhere better a second time.
  const visited = new Uint8Array(places);
  for (let start = 0; start <= text.length; start++) {
    const marks = longestFrom(expression, text, start, visited);
    if (marks === null) continue;
    return Array.from({ length: expression.groups + 1 }, (_, group) => {
      const [from, to] = [marks[group * 2], marks[group * 2 + 1]];
      return from === undefined || to === undefined || from < 0 || to < 0 ? undefined : text.slice(from, to);
    });
  }
  return null;
}

function longestFrom(
  { steps, groups }: Expression,
  text: string,
  start: number,
  visited: Uint8Array,
): readonly number[] | null {
  let best: number[] | null = null;
  const ways: { step: number; position: number; marks: number[] }[] = [
    { step: 0, position: start, marks: [start, -1, ...new Array<number>(groups * 2).fill(-1)] },
  ];
  for (let way = ways.pop(); way !== undefined; way = ways.pop()) {
    let { step, position, marks } = way;
    for (;;) {
      const key = step * (text.length + 1) + position;
      if (visited[key] === 1) break;
      visited[key] = 1;
      const current = steps[step];
      if (current === undefined) break;
      if (current.kind === "match") {
        if (best === null || position > (best[1] ?? -1)) best = marks.with(1, position);
        break;
      }
      if (current.kind === "fork") {
        ways.push({ step: current.second, position, marks });
        step = current.first;
      } else if (current.kind === "jump") {
        step = current.to;
      } else if (current.kind === "mark") {
        marks = marks.with(current.slot, position);
        step += 1;
      } else if (current.kind === "character") {
        if (position >= text.length || !current.fits(text[position] ?? "")) break;
        position += 1;
        step += 1;
      } else {
        if (position !== (current.kind === "start" ? 0 : text.length)) break;
        step += 1;
      }
    }
  }
  return best;
}

class InvalidExpression extends Error {}

interface Compiler {
  readonly pattern: string;
  at: number;
  steps: Step[];
  groups: number;
  depth: number;
}

function emit(compiler: Compiler, ...steps: readonly Step[]): void {
  if (compiler.steps.length + steps.length > MAX_STEPS) throw new InvalidExpression();
  compiler.steps.push(...steps);
}

function alternatives(compiler: Compiler): void {
  const start = compiler.steps.length;
  sequence(compiler);
  while (compiler.pattern[compiler.at] === "|") {
    compiler.at += 1;
    const first = compiler.steps.splice(start);
    // The first alternative's own jumps move by the fork that comes before it.
    emit(compiler, { kind: "fork", first: start + 1, second: start + first.length + 2 });
    emit(compiler, ...first.map((step) => moved(step, 1)));
    const jump = compiler.steps.length;
    emit(compiler, { kind: "jump", to: -1 });
    sequence(compiler);
    compiler.steps[jump] = { kind: "jump", to: compiler.steps.length };
  }
}

function sequence(compiler: Compiler): void {
  for (;;) {
    const character = compiler.pattern[compiler.at];
    if (character === undefined || character === "|" || (character === ")" && compiler.depth > 0)) return;
    const start = compiler.steps.length;
    atom(compiler, character);
    repeats(compiler, start);
  }
}

function atom(compiler: Compiler, character: string): void {
  compiler.at += 1;
  switch (character) {
    case "(": {
      compiler.depth += 1;
      if (compiler.depth > MAX_DEPTH) throw new InvalidExpression();
      compiler.groups += 1;
      const slot = compiler.groups * 2;
      emit(compiler, { kind: "mark", slot });
      alternatives(compiler);
      if (compiler.pattern[compiler.at] !== ")") throw new InvalidExpression();
      compiler.at += 1;
      compiler.depth -= 1;
      emit(compiler, { kind: "mark", slot: slot + 1 });
      return;
    }
    case "*":
    case "+":
    case "?":
      throw new InvalidExpression();
    case "^":
      emit(compiler, { kind: "start" });
      return;
    case "$":
      emit(compiler, { kind: "end" });
      return;
    case ".":
      emit(compiler, { kind: "character", fits: () => true });
      return;
    case "[":
      emit(compiler, { kind: "character", fits: bracket(compiler) });
      return;
    case "\\": {
      const escaped = compiler.pattern[compiler.at];
      if (escaped === undefined || /[1-9]/.test(escaped)) throw new InvalidExpression();
      compiler.at += 1;
      emit(compiler, { kind: "character", fits: (code) => code === escaped });
      return;
    }
    default:
      emit(compiler, { kind: "character", fits: (code) => code === character });
  }
}

function repeats(compiler: Compiler, start: number): void {
  for (;;) {
    const rest = compiler.pattern.slice(compiler.at, compiler.at + 12);
    const match = /^(?:([*+?])|\{([0-9]{1,3})(,([0-9]{0,3}))?\})/.exec(rest);
    if (match === null) return;
    const [written, sign, low, range, high] = match;
    compiler.at += written.length;
    const least = sign === undefined ? Number(low) : sign === "+" ? 1 : 0;
    const most = sign === "?" ? 1 : sign !== undefined || high === "" ? null : Number(range === undefined ? low : high);
    if (least > MAX_REPEAT || (most !== null && (most > MAX_REPEAT || most < least))) throw new InvalidExpression();
    repeat(compiler, start, least, most);
  }
}

/** Writes what begins at `start` as often as it must fit, then as often as it may. */
function repeat(compiler: Compiler, start: number, least: number, most: number | null): void {
  const once = compiler.steps.splice(start);
  const append = (): void => {
    const by = compiler.steps.length - start;
    emit(compiler, ...once.map((step) => moved(step, by)));
  };
  for (let count = 0; count < least; count++) append();
  if (most === null) {
    const fork = compiler.steps.length;
    emit(compiler, { kind: "fork", first: fork + 1, second: -1 });
    append();
    emit(compiler, { kind: "jump", to: fork });
    compiler.steps[fork] = { kind: "fork", first: fork + 1, second: compiler.steps.length };
    return;
  }
  const forks: number[] = [];
  for (let count = least; count < most; count++) {
    forks.push(compiler.steps.length);
    emit(compiler, { kind: "fork", first: compiler.steps.length + 1, second: -1 });
    append();
  }
  for (const fork of forks) {
    compiler.steps[fork] = { kind: "fork", first: fork + 1, second: compiler.steps.length };
  }
}

function moved(step: Step, by: number): Step {
  if (step.kind === "fork") return { kind: "fork", first: step.first + by, second: step.second + by };
  return step.kind === "jump" ? { kind: "jump", to: step.to + by } : step;
}

const CLASSES: Readonly<Record<string, RegExp>> = {
  alpha: /[A-Za-z]/,
  digit: /[0-9]/,
  alnum: /[A-Za-z0-9]/,
  upper: /[A-Z]/,
  lower: /[a-z]/,
  space: /[ \t\n\r\f\v]/,
  blank: /[ \t]/,
  punct: /[!-/:-@[-`{-~]/,
  xdigit: /[0-9A-Fa-f]/,
  print: /[ -~]/,
  graph: /[!-~]/,
  cntrl: /[\0-\x1f\x7f]/,
};

/** What stands between `[` and `]`; the opening one is taken already. */
function bracket(compiler: Compiler): (code: string) => boolean {
  const { pattern } = compiler;
  const isNegated = pattern[compiler.at] === "^";
  if (isNegated) compiler.at += 1;
  const tests: ((code: string) => boolean)[] = [];
  for (let isFirst = true; ; isFirst = false) {
    const character = pattern[compiler.at];
    if (character === undefined) throw new InvalidExpression();
    if (character === "]" && !isFirst) break;
    const named = /^\[:([a-z]+):\]/.exec(pattern.slice(compiler.at, compiler.at + 12));
    if (named !== null) {
      const expression = CLASSES[named[1] ?? ""];
      if (expression === undefined) throw new InvalidExpression();
      compiler.at += named[0].length;
      tests.push((code) => expression.test(code));
      continue;
    }
    const last = pattern[compiler.at + 2];
    if (pattern[compiler.at + 1] === "-" && last !== undefined && last !== "]") {
      compiler.at += 3;
      tests.push((code) => code >= character && code <= last);
    } else {
      compiler.at += 1;
      tests.push((code) => code === character);
    }
  }
  compiler.at += 1;
  return (code) => tests.some((test) => test(code)) !== isNegated;
}
